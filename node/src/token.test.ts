import { expect, test } from 'vitest'
import { runTokenCommand } from '../../server/src/identity/token-command.ts'
import { readSettings } from '../../server/src/settings.ts'
import { signToken } from './token.ts'

const SECRET = 'a secret of thirty-two bytes or m'
const ports = { now: Date.now, steady: () => performance.now() }

/** What the server says of a token. */
async function verdict(token: string, settings: Record<string, string> = {}): Promise<string> {
  const all = readSettings({ AUTH_SECRET: SECRET, ...settings })
  return (await runTokenCommand(['--check', token], all, ports)).text.split('\n').at(-1) ?? ''
}

const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())

test('the server accepts a token, and refuses one of another secret', async () => {
  expect(await verdict(signToken({ userId: 'ann' }, SECRET))).toBe('the token is accepted')
  expect(await verdict(signToken({ userId: 'ann' }, `${SECRET}!`))).toBe('the token is refused')
})

test('a token has what the fields say', async () => {
  const fields = {
    userId: 7,
    name: 'Ann',
    expiresInSeconds: 60,
    watch: ['bob', 8],
    rooms: ['doc-*'],
    observer: false,
    claims: { iss: 'https://app.example.com', aud: 'presence', sub: 'not the user' },
  }
  const token = signToken(fields, SECRET)
  const claims = claimsOf(token)
  expect(claims).toMatchObject({ sub: '7', name: 'Ann', exp: claims.iat + 60 })
  expect(claims.presence).toEqual({ watch: ['bob', '8'], rooms: ['doc-*'], observer: false })
  const strict = { AUTH_ISSUER: 'https://app.example.com', AUTH_AUDIENCE: 'presence' }
  expect(await verdict(token, strict)).toBe('the token is accepted')
  expect(claimsOf(signToken({ userId: 'ann' }, SECRET))).not.toHaveProperty('presence')
})

test.each([
  [{ userId: '' }, SECRET, 'userId'],
  [{ userId: 'a\n' }, SECRET, 'userId'],
  [{ userId: '\ud800' }, SECRET, 'userId'],
  [{ userId: 'ä'.repeat(65) }, SECRET, 'userId'],
  [{ userId: 0.5 }, SECRET, 'userId'],
  [{ userId: 'ann', name: '' }, SECRET, 'name'],
  [{ userId: 'ann', expiresInSeconds: 0 }, SECRET, 'expiresInSeconds'],
  [{ userId: 'ann' }, 'short', 'at least 32 bytes'],
  [{ userId: 'ann' }, undefined, 'at least 32 bytes'],
  [{ userId: 'ann' }, `${SECRET},${SECRET}`, 'without a comma'],
])('%j with the secret %j is refused', (fields, secret, text) => {
  expect(() => signToken(fields, secret as string)).toThrow(text)
})
