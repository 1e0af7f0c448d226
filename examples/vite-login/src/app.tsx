import { PresenceProvider, useConnectionStatus } from '@who-is-online/client/react'
import { AvatarStack } from './avatar-stack.tsx'
import { getToken, useSession } from './session.ts'

const PRESENCE_URL = import.meta.env.VITE_PRESENCE_URL ?? 'ws://localhost:3050/ws'

/** The members of a team. The presence server has no such list: it comes from your backend. */
const TEAM = ['ann', 'bob', 'cem', 'dora', 'eve', 'finn', 'gita']

export function App() {
  const { user, logIn, logOut } = useSession()
  if (user === undefined) return null
  return (
    // Connects on login, and disconnects on logout.
    <PresenceProvider url={PRESENCE_URL} userId={user?.id} getToken={getToken}>
      <h1>Team</h1>
      <AvatarStack userIds={TEAM} />
      {user ? (
        <p>
          {user.name}, <Connection />{' '}
          <button type="button" onClick={logOut}>
            Log out
          </button>
        </p>
      ) : (
        <form action={data => logIn(String(data.get('name')))}>
          <input name="name" aria-label="Name" placeholder="Ann, Bob, Cem …" required />
          <button type="submit">Log in</button>
        </form>
      )}
    </PresenceProvider>
  )
}

function Connection() {
  return <output aria-label="Connection">{useConnectionStatus()}</output>
}
