import { cookies } from 'next/headers'

// Stands in for your own sessions, such as those of NextAuth: a request with the cookie `user=ann` is from ann.

/** The id of the user who is logged in, or undefined. */
export async function currentUserId() {
  return (await cookies()).get('user')?.value
}
