import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { buildImage, inside, instructionsOf } from './dockerfile.ts'

const text = readFileSync('deploy/Dockerfile', 'utf8')
const image = buildImage(text)

test('the image has the Node.js and the pnpm of this repository', () => {
  const version = readFileSync('.node-version', 'utf8').trim()
  expect(image.bases).toEqual(Array(2).fill(`node:${version}-bookworm-slim`))
  const { packageManager } = JSON.parse(readFileSync('package.json', 'utf8'))
  const used = text.match(/pnpm@[\d.]+/g) ?? []
  expect(used.length).toBeGreaterThan(0)
  expect([...new Set(used)]).toEqual([packageManager])
})

test('it runs as a user without rights, and its process 1 is the server', () => {
  expect(image.user).toBe('1000:1000')
  expect(image.entrypoint).toEqual(['node', 'server/dist/main.js'])
  expect(image.stopSignal).toBe('SIGTERM')
})

test('everything that is written is on its volume', () => {
  expect(image.volumes).toEqual(['/data'])
  for (const name of ['DATA_DIR', 'LOG_DIR']) expect(`${image.env[name]}/`).toMatch(/^\/data\//)
})

test('the build does not get what must not be in an image', () => {
  const ignored = readFileSync('deploy/Dockerfile.dockerignore', 'utf8').split('\n')
  for (const path of ['.git', '**/.env', '**/node_modules', 'deploy/auth_secret'])
    expect(ignored).toContain(path)
})

test('the negative control: the shell form, an unknown instruction and a line without one are refused', () => {
  expect(() => buildImage('FROM a\nENTRYPOINT node main.js')).toThrow('not the exec form')
  expect(() => buildImage('FROM a\nADD b c')).toThrow('does not know: ADD')
  expect(() => instructionsOf('node main.js')).toThrow('not an instruction')
  expect(inside('cp /app/x /applied && ls /data', '/r')).toBe('cp /r/app/x /applied && ls /r/data')
})
