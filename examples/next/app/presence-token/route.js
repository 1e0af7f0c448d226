import { SignJWT } from 'jose'
import { currentUserId } from '../session.js'

/** The same secret as `AUTH_SECRET` of the presence server. It stays on the server. */
const secret = new TextEncoder().encode(process.env.PRESENCE_SECRET ?? 'a-secret-for-development-only-32')

/** A short token for the user who is logged in. */
export async function GET() {
  const userId = await currentUserId()
  if (!userId) return new Response(null, { status: 401 })
  const token = new SignJWT({ sub: userId }).setProtectedHeader({ alg: 'HS256' }).setExpirationTime('10m')
  return new Response(await token.sign(secret))
}
