import { expect, test } from 'vitest'
import { basic, isName, isTime, STATUSES } from './words.ts'

test('[P5] a name has 1 to 128 UTF-8 bytes', () => {
  for (const good of ['a', 'x'.repeat(128), 'ä'.repeat(64), '€'.repeat(42)]) expect(isName(good)).toBe(true)
  for (const bad of ['', 'x'.repeat(129), 'ä'.repeat(65), '€'.repeat(43)]) expect(isName(bad)).toBe(false)
})

test('in v1 every presence but offline is online', () => {
  expect(STATUSES.map(basic)).toEqual(['online', 'online', 'online', 'offline'])
})

test.each([
  '2026-01-31T18:00:00Z',
  '2026-01-31T18:00:00.1Z',
  '2026-01-31T18:00:00.123456789+05:30',
  '2024-02-29T00:00:00-08:00',
  '0001-01-01T00:00:00Z',
  '9999-12-31T23:59:59.999Z',
])('a time: %s', text => {
  expect(isTime(text)).toBe(true)
})

test.each([
  '',
  'tomorrow',
  '2026-01-31',
  '2026-01-31T18:00:00',
  '2026-01-31T18:00Z',
  '2026-01-31 18:00:00Z',
  '2026-01-31T18:00:00.Z',
  '2026-01-31T18:00:00.1234567890Z',
  'x2026-01-31T18:00:00Z',
  '2026-01-31T18:00:00Zx',
  // Days that don't exist, and times that don't.
  '2026-02-29T00:00:00Z',
  '2026-04-31T00:00:00Z',
  '2026-13-01T00:00:00Z',
  '2026-01-31T25:00:00Z',
  // The year 10000.
  '9999-12-31T23:00:00-01:00',
  '9999-12-31T23:59:59-14:00',
])('not a time: %s', text => {
  expect(isTime(text)).toBe(false)
})
