import { createHmac } from 'node:crypto'

/** A secret of tests. */
export const AUTH_SECRET = 'the-secret-that-signs-tokens-is-long-enough'

/** A token of a user that is valid for ten minutes. */
export function tokenOf(userId: string, secret = AUTH_SECRET): string {
  const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  const claims = { sub: userId, exp: Math.floor(Date.now() / 1_000) + 600 }
  const signed = `${base64url({ alg: 'HS256' })}.${base64url(claims)}`
  return `${signed}.${createHmac('sha256', secret).update(signed).digest('base64url')}`
}
