import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { loadEnvFile, NO_ENV_FILE, readEnvFile, unreadableEnvFile } from './env-file.ts'

let dir = ''
let path = ''
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'env-file-'))
  path = join(dir, '.env')
})
afterEach(() => {
  rmSync(dir, { recursive: true, force: true })
})

const texts = (file: string) => readEnvFile(Buffer.from(file)).texts
const problem = (bytes: Uint8Array) => readEnvFile(bytes).problem

const README = 'PORT=3050\nENVIRONMENT=development\n'
const READ = { PORT: '3050', ENVIRONMENT: 'development' }

test.each([
  ['LF', README],
  ['CRLF', README.replaceAll('\n', '\r\n')],
  ['CR', README.replaceAll('\n', '\r')],
  ['no end of line at the end', README.trim()],
  ['a byte order mark', `\uFEFF${README}`],
  ['export', README.replaceAll(/^(?=.)/gm, 'export ')],
  ['tabs and more than one space', '\texport \t PORT \t=  3050 \t\n ENVIRONMENT =development'],
  ['quotes', 'PORT="3050"\nENVIRONMENT=\'development\''],
  ['backquotes', 'PORT=`3050`\nENVIRONMENT=`development`'],
  ['comments', '# PORT=1\nPORT=3050 # the default\n  # more\n\nENVIRONMENT="development" # to try it out'],
  ['a name twice: the last one counts', `PORT=1\n${README}`],
])('[S7] .env is read with %s', (_what, file) => {
  expect(readEnvFile(Buffer.from(file))).toEqual({ texts: READ, badLines: [], problem: undefined })
})

test('[S7] values are what stands there', () => {
  expect(
    texts('A=a=b\nB=\nC= \nD=x y\nE="a\nb"\nF="a\\nb"\nG=\'a\\nb\'\nH=a#b\nI=#c\nJ=\'# d\'\nK=ä🙂\n'),
  ).toEqual({
    A: 'a=b',
    B: '',
    C: '',
    D: 'x y',
    E: 'a\nb',
    F: 'a\nb',
    G: 'a\\nb',
    // A key may contain a #.
    H: 'a#b',
    I: '',
    J: '# d',
    K: 'ä🙂',
  })
  expect(Object.entries(texts('__proto__=1\nconstructor=2'))).toEqual([
    ['__proto__', '1'],
    ['constructor', '2'],
  ])
})

test.each([
  ['PORT: 3050', [1]],
  ['PORT 3050', [1]],
  ['=3050', [1]],
  ['PORT=3050\n{\nENVIRONMENT=development\nx', [2, 4]],
  ['PORT="3050\nENVIRONMENT=development', [1]],
  ['A="1" 2', [1]],
  ['A="1\n2"\nPORT', [3]],
  ['\u00a0PORT=3050', [1]],
  ['# x\n\n \n', []],
])('[S8] %j has bad lines %j, and the lines after them are read', (file, lines) => {
  const read = readEnvFile(Buffer.from(file))
  expect(read.badLines).toEqual(lines)
  expect(read.problem).toBeUndefined()
  if (file.includes('ENVIRONMENT')) expect(read.texts['ENVIRONMENT']).toBe('development')
})

const utf16 = Buffer.from(README, 'utf16le')
const swapped = Buffer.from(utf16).swap16()

test.each([
  [
    'UTF-16LE with a byte order mark',
    Buffer.concat([Buffer.from([0xff, 0xfe]), utf16]),
    'it looks like UTF-16',
  ],
  [
    'UTF-16BE with a byte order mark',
    Buffer.concat([Buffer.from([0xfe, 0xff]), swapped]),
    'it looks like UTF-16',
  ],
  ['UTF-16LE without one', utf16, 'it looks like UTF-16'],
  ['UTF-16BE without one', swapped, 'it looks like UTF-16'],
  ['UTF-32', Buffer.concat([Buffer.from([0xff, 0xfe, 0, 0]), Buffer.alloc(8)]), 'it looks like UTF-32'],
  [
    'Latin-1',
    Buffer.from('# für die Entwicklung\nPORT=3050', 'latin1'),
    'it is not UTF-8; it looks like Latin-1',
  ],
  ['a cut character', Buffer.from('# fü').subarray(0, 4), 'it is not UTF-8'],
  ['a NUL byte', Buffer.from('PORT=3050\0\n'), 'it has NUL bytes'],
])('[S7] %s is refused, with what it looks like and what to do', (_what, bytes, seems) => {
  expect(problem(bytes)).toMatch(new RegExp(`^\\.env can't be read: ${seems}.*: save it as UTF-8$`))
  expect(readEnvFile(bytes).texts).toEqual({})
})

test('[S7] a missing or empty file is accepted', () => {
  expect(unreadableEnvFile(Object.assign(new Error(), { code: 'ENOENT' }))).toBe(NO_ENV_FILE)
  for (const empty of ['', '\uFEFF', '\n']) expect(readEnvFile(Buffer.from(empty))).toEqual(NO_ENV_FILE)
})

test.each([
  ['EISDIR', /^\.env can't be read: it is a directory: rename it/],
  ['EACCES', /^\.env can't be read: this user may not read it: change/],
  ['EIO', /^\.env can't be read: input\/output error$/],
])('[S7] a file that can not be read because of %s is reported', (code, said) => {
  expect(unreadableEnvFile(Object.assign(new Error('input/output error'), { code })).problem).toMatch(said)
})

test('[S7] a symbolic link to a file is read', () => {
  expect(loadEnvFile(path)).toBe(NO_ENV_FILE)
  symlinkSync('shared', path)
  writeFileSync(join(dir, 'shared'), README)
  expect(loadEnvFile(path).texts).toEqual(READ)
})

test.each([
  ['no file', 'nowhere/shared.env'],
  ['a path through a file', 'file/shared.env'],
  ['itself', '.env'],
])('[S7] a symbolic link to %s is refused, with its target and what to do', (_what, target) => {
  writeFileSync(join(dir, 'file'), '')
  symlinkSync(target, path)
  expect(loadEnvFile(path).problem).toBe(
    `.env can't be read: it is a symbolic link to ${target}, where there is no file: create that file, or remove the link`,
  )
})

test('[S7] a directory is refused', () => {
  mkdirSync(path)
  expect(loadEnvFile(path).problem).toMatch(/^\.env can't be read: it is a directory: rename it/)
})
