import { expect, test } from 'vitest'
import { CLOSE, CLOSE_ADVICE, mayReconnect } from './close-codes.ts'

const names = Object.keys(CLOSE) as (keyof typeof CLOSE)[]

test('a client reconnects unchanged exactly after the codes whose advice begins with that', () => {
  const reconnecting = names.filter(name => CLOSE_ADVICE[name].advice.startsWith('reconnect '))
  expect(names.filter(name => mayReconnect(CLOSE[name]))).toEqual(reconnecting)
  expect(reconnecting).toEqual(['restart', 'tooFast', 'internal', 'shuttingDown', 'silentOrSlow'])
})

test('a client reconnects after an unknown code from 4500 on, and after no other unknown code', () => {
  expect([4499, 4500, 4599].map(mayReconnect)).toEqual([false, true, true])
})
