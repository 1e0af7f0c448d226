import type { Status } from '@who-is-online/client'
import { useConnectionStatus, useMyStatus, useOnlineCount, useUserStatus } from '@who-is-online/client/react'
import type { ReactNode } from 'react'

/** The members of this chat. The service has no list of members: it comes from the application. */
const TEAM = ['ann', 'bob', 'cem', 'dora']

const STATUSES: readonly Status[] = ['online', 'away', 'busy', 'offline']

/** One member of the team. Renders again only when this user changes. */
function Member({ userId }: { readonly userId: string }): ReactNode {
  const user = useUserStatus(userId)
  const status = user?.status ?? 'unknown'
  // While the connection is lost, the last known status is shown in grey.
  return (
    <li className={user?.freshness ?? 'stale'}>
      <i className={`dot ${status}`} aria-hidden="true" /> {user?.username ?? userId}: {status}
      {user?.text && ` (${user.text})`}
    </li>
  )
}

/** The team beside the chat, and the status of this user. */
export function Roster({ me }: { readonly me: string }): ReactNode {
  const connection = useConnectionStatus()
  const count = useOnlineCount()
  const [mine, setStatus] = useMyStatus()
  return (
    <aside>
      <h2>Team</h2>
      <p role="status" aria-label="Connection">
        {connection}
        {count !== undefined && `, ${count} online`}
      </p>
      <ul aria-label="Team">
        {TEAM.map(userId => (
          <Member key={userId} userId={userId} />
        ))}
      </ul>
      <label>
        {me} is{' '}
        <select
          aria-label="My status"
          value={mine.status}
          onChange={event => setStatus(event.target.value as Status).catch(console.error)}
        >
          {STATUSES.map(status => (
            <option key={status}>{status}</option>
          ))}
        </select>
      </label>
    </aside>
  )
}
