'use client'

import { PresenceProvider, useAgo, useUserStatus } from '@who-is-online/client/react'

/** Called by the client before it connects, and before the current token expires. */
async function getToken() {
  const response = await fetch('/presence-token')
  if (!response.ok) throw new Error(`no token: ${response.status}`)
  return response.text()
}

/** Connects while a user is logged in. While the page is rendered on the server, nothing is connected. */
export function Team({ url, userId, members }) {
  return (
    <PresenceProvider url={url} userId={userId} getToken={getToken}>
      <ul>
        {members.map(id => (
          <Member key={id} userId={id} />
        ))}
      </ul>
    </PresenceProvider>
  )
}

function Member({ userId }) {
  const user = useUserStatus(userId)
  const ago = useAgo(user?.lastSeen)
  // A stale user was so when the connection was lost: not drawn like a live one.
  const status = user?.freshness === 'live' ? user.status : 'unknown'
  return (
    <li title={`${userId}: ${status}`}>
      <i className={status} aria-hidden="true" /> {userId}: {status}{' '}
      {status === 'offline' && <small>{ago ? `last seen ${ago}` : 'never seen'}</small>}
    </li>
  )
}
