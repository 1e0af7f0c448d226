import { expect, test } from 'vitest'
import { LIVE_PAGE_TOKEN_MS, LivePageTokens } from './live-page-tokens.ts'
import { NOW } from './testing/new-identity.ts'

let now = NOW
const tokens = new LivePageTokens('page', () => now)

test('[D13] a token makes an observer for ten minutes', () => {
  now = NOW
  const token = tokens.issue()
  expect(tokens.verify(token)).toEqual({
    state: 'known',
    grant: {
      userId: 'page',
      username: undefined,
      isNameFixed: true,
      expiresAt: NOW + LIVE_PAGE_TOKEN_MS,
      rights: { watch: 'all', rooms: ['*'], observer: true },
    },
  })
  now = NOW + LIVE_PAGE_TOKEN_MS
  expect(tokens.verify(token)).toMatchObject({ state: 'refused', rule: 'time' })
})

test('[D13] a token of another run, a changed one and one of AUTH_SECRET are not accepted', () => {
  now = NOW
  const other = new LivePageTokens('page', () => now).issue()
  expect(tokens.verify(other)).toMatchObject({ state: 'refused', rule: 'key' })
  const [head, , signature] = tokens.issue().split('.')
  const claims = Buffer.from('{"sub":"page","exp":9999999999}').toString('base64url')
  expect(tokens.verify(`${head}.${claims}.${signature}`)).toMatchObject({ state: 'refused', rule: 'key' })
  expect(tokens.verify(`${head}.`)).toMatchObject({ state: 'refused' })
  expect(tokens.verify('eyJhbGciOiJIUzI1NiJ9.e30.x')).toBeUndefined()
})
