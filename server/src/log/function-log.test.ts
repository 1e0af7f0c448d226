import { expect, test, vi } from 'vitest'
import { consoleLine, FunctionLog } from './function-log.ts'

test('lines go to the function; repeated ones are limited', () => {
  let now = 0
  const lines: unknown[][] = []
  const log = new FunctionLog(
    (...line) => lines.push(line),
    () => now,
  )
  log.error('a', { code: 1 })
  log.debug('b')
  log.limited('kind', 'c')
  log.limited('kind', 'not again within a second')
  log.limited('other', 'd')
  now = 1_000
  log.limited('kind', 'e')
  log.once('f')
  log.once('f')
  expect(lines).toEqual([
    ['error', 'a', { code: 1 }],
    ['debug', 'b', {}],
    ['info', 'c', {}],
    ['info', 'd', {}],
    ['info', 'e', {}],
    ['info', 'f', {}],
  ])
})

test('a function that throws does not disturb the server', () => {
  const log = new FunctionLog(
    () => {
      throw new Error('the disk is full')
    },
    () => 0,
  )
  expect(() => log.error('a')).not.toThrow()
})

test('the console gets errors and infos, with their fields', () => {
  const error = vi.spyOn(console, 'error').mockReturnValue()
  const info = vi.spyOn(console, 'info').mockReturnValue()
  const debug = vi.spyOn(console, 'debug').mockReturnValue()
  consoleLine('error', 'a', { code: 1 })
  consoleLine('info', 'b', {})
  consoleLine('debug', 'c', {})
  expect(error.mock.calls).toEqual([['who-is-online: a', { code: 1 }]])
  expect(info.mock.calls).toEqual([['who-is-online: b']])
  expect(debug).not.toHaveBeenCalled()
})
