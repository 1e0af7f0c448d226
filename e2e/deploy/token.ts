import { signToken } from '@who-is-online/testing/sign-token'

/** A secret of tests. */
export const AUTH_SECRET = 'the-secret-that-signs-tokens-is-long-enough'

/** A token of a user that is valid for ten minutes. */
export function tokenOf(userId: string, secret = AUTH_SECRET): string {
  return signToken({ sub: userId, exp: Math.floor(Date.now() / 1_000) + 600 }, secret)
}
