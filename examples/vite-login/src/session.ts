import { useEffect, useState } from 'react'

export interface User {
  readonly id: string
  readonly name: string
}

/** The user who is logged in: `undefined` until that is known, `null` for nobody. */
export function useSession() {
  const [user, setUser] = useState<User | null>()

  useEffect(() => {
    fetch('/api/me').then(
      async response => setUser(response.ok ? await response.json() : null),
      () => setUser(null),
    )
  }, [])

  async function logIn(name: string): Promise<void> {
    const response = await fetch('/api/login', { method: 'POST', body: JSON.stringify({ name }) })
    if (response.ok) setUser(await response.json())
  }

  async function logOut(): Promise<void> {
    setUser(null)
    await fetch('/api/logout', { method: 'POST' })
  }

  return { user, logIn, logOut }
}

/** Called by the client before it connects, and before the current token expires. */
export async function getToken(): Promise<string> {
  const response = await fetch('/api/presence-token')
  if (!response.ok) throw new Error(`no token: ${response.status}`)
  return response.text()
}
