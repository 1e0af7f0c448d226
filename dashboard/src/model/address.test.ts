import { expect, test } from 'vitest'
import { readAddress, writeAddress } from './address.ts'

test.each([
  '',
  '?q=ann',
  '?q=a+%26+b%C3%B6',
  '?q=ann&status=busy&sort=-name&user=u%2F1',
  '?status=offline&sort=duration',
  '?sort=-seen',
  '?user=u1&chart=1h',
])('an address that is read and written is the same: %j', query => {
  expect(writeAddress(readAddress(query))).toBe(query)
})

test.each(['?status=gone&sort=age', '?chart=24h', '?chart=2h', '?other=1', '?sort=seen', '?q=+'])(
  'what is unknown or the default is left out: %j',
  query => {
    expect(writeAddress(readAddress(query))).toBe('')
  },
)
