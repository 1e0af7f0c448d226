'use server'

import { cookies } from 'next/headers'

export async function logIn(data) {
  const jar = await cookies()
  jar.set('user', String(data.get('name')).trim().toLowerCase(), { httpOnly: true, sameSite: 'lax' })
}

export async function logOut() {
  const jar = await cookies()
  jar.delete('user')
}
