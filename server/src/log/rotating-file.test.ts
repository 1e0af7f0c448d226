import {
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { useTemporaryDir } from '@who-is-online/testing/use-temporary-dir'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { SerialQueue } from '../serial-queue.ts'
import { RotatingFile } from './rotating-file.ts'

const dir = useTemporaryDir()
let logs: string
beforeEach(() => {
  logs = join(dir.path, 'logs')
})
const opened: RotatingFile[] = []
afterEach(async () => {
  for (const file of opened.splice(0)) await file.close()
})

function open(maxBytes = 1_000): RotatingFile {
  const file = new RotatingFile({ path: join(logs, 'a.log'), maxBytes, files: 3, queue: new SerialQueue() })
  opened.push(file)
  return file
}
const read = (name = 'a.log') => readFileSync(join(logs, name), 'utf8')

test('[G4] the file is created with its directory, and lines are appended', async () => {
  const file = open()
  await file.check()
  expect(read()).toBe('')
  await file.write('one\n')
  await open().write('two\n')
  expect(read()).toBe('one\ntwo\n')
})

test('[G4] a full file is renamed, and the oldest one is deleted', async () => {
  const file = open(10)
  for (const text of ['1234567\n', 'second\n', 'third\n', '4\n', 'fourth\n']) await file.write(text)
  expect(readdirSync(logs).sort()).toEqual(['a.log', 'a1.log', 'a2.log'])
  expect([read(), read('a1.log'), read('a2.log')]).toEqual(['fourth\n', 'third\n4\n', 'second\n'])
})

test('[G4] a text longer than the maximum size does not create empty files', async () => {
  const file = open(10)
  await file.write('longer than ten bytes\n')
  expect(readdirSync(logs)).toEqual(['a.log'])
})

test('[G4] if the file or its directory was removed, renamed or replaced, the next write creates it again', async () => {
  const file = open()
  await file.write('lost\n')
  rmSync(join(logs, 'a.log'))
  await file.write('a\n')
  expect(read()).toBe('a\n')
  renameSync(join(logs, 'a.log'), join(logs, 'b.log'))
  writeFileSync(join(logs, 'a.log'), '')
  await file.write('b\n')
  expect(read()).toBe('b\n')
  rmSync(logs, { recursive: true })
  await file.check()
  expect(read()).toBe('')
})

test('[G4] a truncated file counts with its new size', async () => {
  const file = open(10)
  await file.write('12345678\n')
  truncateSync(join(logs, 'a.log'))
  await file.write('abc\n')
  expect(readdirSync(logs)).toEqual(['a.log'])
})

test('[G4] if the file can not be created or renamed, the call rejects and the next one tries again', async () => {
  const file = open(10)
  writeFileSync(logs, 'a file')
  await expect(file.write('lost\n')).rejects.toThrow(/ENOTDIR|EEXIST/)
  rmSync(logs)
  await file.write('12345678\n')
  for (const name of ['a1.log', 'a2.log/b']) mkdirSync(join(logs, name), { recursive: true })
  await expect(file.write('lost\n')).rejects.toThrow(/EISDIR|EPERM|EEXIST|ENOTEMPTY/)
  expect(read()).toBe('12345678\n')
  for (const name of ['a1.log', 'a2.log']) rmSync(join(logs, name), { recursive: true })
  await file.write('abc\n')
  expect([read(), read('a1.log')]).toEqual(['abc\n', '12345678\n'])
})

test('[G5] after close, the file at the path is opened again', async () => {
  const file = open()
  await file.write('a\n')
  renameSync(join(logs, 'a.log'), join(logs, 'b.log'))
  await file.close()
  await file.check()
  expect([read(), read('b.log')]).toEqual(['', 'a\n'])
})
