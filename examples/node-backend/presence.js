import { createClient } from '@who-is-online/client'
import { SignJWT } from 'jose'

/** The same secret as `AUTH_SECRET` of the presence server. */
const secret = new TextEncoder().encode(process.env.PRESENCE_SECRET ?? 'a-secret-for-development-only-32')

/** Signs a short token for a user of this application, whose browser connects with it. */
export function tokenOf(user) {
  return sign({ sub: user.id, name: user.name })
}

/**
 * One connection for the whole process. As an observer it only reads: the backend itself is never online.
 * It connects with the first request, and reconnects by itself.
 */
export const presence = createClient({
  url: process.env.PRESENCE_URL ?? 'ws://localhost:3050/ws',
  getToken: () => sign({ sub: 'backend', presence: { watch: 'all', observer: true } }),
})
presence.onError(error => console.error(error.message))

function sign(claims) {
  return new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('10m').sign(secret)
}
