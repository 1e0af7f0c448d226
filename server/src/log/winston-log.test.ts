import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { useTemporaryDir } from '@who-is-online/testing/use-temporary-dir'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type LogOptions, WinstonLog } from './winston-log.ts'

const dir = useTemporaryDir()
let steady = 0
const logs: WinstonLog[] = []
beforeEach(() => {
  steady = 0
})
afterEach(async () => {
  for (const log of logs.splice(0)) await log.close()
})

/** A stream that keeps its text, or fails. */
class Console extends Writable {
  text = ''
  fails = false
  override _write(chunk: Buffer, _encoding: string, done: (error?: Error) => void): void {
    if (this.fails) return done(new Error('write EPIPE'))
    this.text += chunk
    done()
  }
  /** Like `process.stdout`, it can be written to after an error. */
  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    done(error)
    ;(this as unknown as { _undestroy(): void })._undestroy()
  }
}

function begin(options: Partial<LogOptions> = {}) {
  const stdout = new Console()
  const stderr = new Console()
  const log = new WinstonLog({
    level: 'info',
    json: true,
    dir: join(dir.path, 'logs'),
    now: () => 1_767_225_600_000,
    steady: () => steady,
    stdout,
    stderr,
    ...options,
  })
  logs.push(log)
  return { stdout, stderr, log }
}

const file = (name = 'who-is-online.log') => readFileSync(join(dir.path, 'logs', name), 'utf8')
const parsed = (text: string) =>
  text
    .trim()
    .split('\n')
    .map(line => JSON.parse(line))

test.each([8.65e15, Number.NaN])('a line is written also at the time %d, which has no date', time => {
  for (const json of [true, false]) {
    const { log, stdout } = begin({ json, now: () => time })
    log.info('hello')
    expect(stdout.text).toContain('00:00:00.000')
  }
})

test('[G1] info lines go to stdout and the file, error lines to stderr and both files', async () => {
  const { log, stdout, stderr } = begin()
  log.info('hello', { userId: 'ann', nothing: undefined })
  log.error('broken', { error: 'a stack' })
  log.debug('not shown')
  await log.close()
  const timestamp = '2026-01-01T00:00:00.000Z'
  const info = { timestamp, level: 'info', message: 'hello', userId: 'ann' }
  const error = { timestamp, level: 'error', message: 'broken', error: 'a stack' }
  expect(parsed(stdout.text)).toEqual([info])
  expect(parsed(stderr.text)).toEqual([error])
  expect(parsed(file())).toEqual([info, error])
  expect(parsed(file('error.log'))).toEqual([error])
  expect(log.dropped).toEqual({ console: 0, file: 0 })
})

test('[G1] `limited` uses the steady clock, and `once` logs a line once', async () => {
  const { log, stdout } = begin()
  for (const at of [0, 999, 1_000, 1_001]) {
    steady = at
    log.limited('kind', `at ${at}`)
    log.limited('other', `other at ${at}`)
    log.once('once')
  }
  await log.close()
  const messages = parsed(stdout.text).map(({ message }) => message)
  expect(messages).toEqual(['at 0', 'other at 0', 'once', 'at 1000', 'other at 1000'])
})

test('[G3] a broken stdout is reported once, on stderr and in the file', async () => {
  const { log, stdout, stderr } = begin()
  stdout.fails = true
  log.info('lost')
  await vi.waitFor(() => expect(stderr.text).not.toBe(''))
  log.info('lost as well')
  await log.close()
  const trouble = {
    level: 'error',
    message: 'console output can not be written: lines are dropped',
    reason: 'write EPIPE',
    dropped: 1,
  }
  expect(parsed(stderr.text)).toEqual([expect.objectContaining(trouble)])
  expect(parsed(file()).map(({ message }) => message)).toEqual(['lost', trouble.message, 'lost as well'])
  expect(log.dropped).toEqual({ console: 2, file: 0 })
})

test('[G3] if all outputs are broken, nothing throws, and every lost line is counted', async () => {
  writeFileSync(join(dir.path, 'logs'), 'a file')
  const { log, stdout, stderr } = begin({ level: 'debug' })
  stdout.fails = stderr.fails = true
  for (let n = 0; n < 1_000; n++) {
    log.info('lost')
    log.error('lost')
    log.debug('lost')
    if (n % 100 === 0) await new Promise(resolve => setImmediate(resolve))
  }
  await log.close()
  log.info('after the close')
  expect(log.dropped.console).toBeGreaterThanOrEqual(3_000)
  expect(log.dropped.file).toBeGreaterThanOrEqual(4_000)
})

test('[G3] a console that nobody reads delays close by at most a second', async () => {
  const stdout = new PassThrough({ highWaterMark: 1 })
  stdout.write('x')
  const { log } = begin({ stdout })
  log.info('waits')
  await log.close()
  expect(file()).toContain('waits')
})

test('[G4] when log files work again, both outputs log how many lines are missing', async () => {
  writeFileSync(join(dir.path, 'logs'), 'a file')
  const { log, stdout, stderr } = begin()
  log.info('lost')
  await vi.waitFor(() => expect(stderr.text).toContain('log files can not be written'))
  rmSync(join(dir.path, 'logs'))
  await vi.waitFor(() => expect(stdout.text).toContain('log files can be written again'), 10_000)
  log.info('kept')
  await log.close()
  const back = expect.objectContaining({ message: 'log files can be written again', dropped: 1 })
  expect(parsed(file())).toEqual([back, expect.objectContaining({ message: 'kept' })])
  expect(parsed(stderr.text)).toHaveLength(1)
})
