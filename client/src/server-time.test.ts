import { expect, test } from 'vitest'
import { ago } from './ago.ts'
import { clock, makeClient } from './harness.fake.ts'

// The time of the server, and texts such as "5 minutes ago".

test('[J21] the time of the server is known after the first welcome, however wrong the device is', async () => {
  const client = makeClient({}, { now: () => clock.now() - 600_000 })
  expect(client.serverTime()).toBe(clock.now() - 600_000)
  await clock.run(100)
  expect(client.serverTime()).toBe(clock.now())
  await clock.run(5_000)
  expect(client.serverTime()).toBe(clock.now())
  client.close()
})

test.each([
  [-60_000, 'now'],
  [0, 'now'],
  [59_999, 'now'],
  [60_000, '1 minute ago'],
  [3_599_999, '59 minutes ago'],
  [3_600_000, '1 hour ago'],
  [86_400_000, 'yesterday'],
  [10 * 86_400_000, '10 days ago'],
  [31 * 86_400_000, 'last month'],
  [800 * 86_400_000, '2 years ago'],
])('[J21] %d ms ago: %s', (ms, text) => {
  expect(ago(1_800_000_000_000 - ms, 1_800_000_000_000, 'en')).toBe(text)
})

test('[J21] other languages', () => {
  expect(ago(0, 300_000, 'de')).toBe('vor 5 Minuten')
})
