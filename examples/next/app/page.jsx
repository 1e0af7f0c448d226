import { logIn, logOut } from './actions.js'
import { currentUserId } from './session.js'
import { Team } from './team.jsx'

const TEAM = ['ann', 'bob', 'cem', 'dora']

/** Rendered on the server. Only `Team` has code in the browser. */
export default async function Page() {
  const userId = await currentUserId()
  const url = process.env.PRESENCE_URL ?? 'ws://localhost:3050/ws'
  return (
    <main>
      <h1>Team</h1>
      <Team url={url} userId={userId ?? null} members={TEAM} />
      {userId ? (
        <form action={logOut}>
          {userId} <button type="submit">Log out</button>
        </form>
      ) : (
        <form action={logIn}>
          <input name="name" aria-label="Name" placeholder="ann, bob, cem …" required />
          <button type="submit">Log in</button>
        </form>
      )}
    </main>
  )
}
