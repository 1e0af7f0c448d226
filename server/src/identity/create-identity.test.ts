import { expect, test } from 'vitest'
import { readSettings } from '../settings.ts'
import { mustKnowItsNames } from './create-identity.ts'

const AUTH_SECRET = 'a-secret-of-at-least-32-characters!'

test.each<[Record<string, string>, boolean]>([
  [{ AUTH: 'open' }, true],
  [{ AUTH_SECRET }, false],
  [{ AUTH_URL: 'https://app.example.com/who' }, false],
  // A proxy may know a user by the address alone, which every page of that user's browser has.
  [{ AUTH_HEADER: 'X-User', TRUST_PROXY: '10.0.0.0/8' }, true],
  [{ AUTH_SECRET, AUTH_HEADER: 'X-User', TRUST_PROXY: '10.0.0.0/8' }, true],
  // The live page is open in development.
  [{ AUTH_SECRET, ENVIRONMENT: 'development' }, true],
])('[O1] with %o the server must know its own names: %s', (settings, expected) => {
  expect(mustKnowItsNames(readSettings(settings))).toBe(expected)
})
