import { useUserStatus } from '@who-is-online/client/react'

/** Overlapping avatars with a status dot. Shows at most `max`, and how many more there are. */
export function AvatarStack({ userIds, max = 5 }: { userIds: readonly string[]; max?: number }) {
  const more = userIds.length - max
  return (
    <ul className="avatar-stack" aria-label="Team">
      {userIds.slice(0, max).map(userId => (
        <Avatar key={userId} userId={userId} />
      ))}
      {more > 0 && <li className="avatar">+{more}</li>}
    </ul>
  )
}

/** Renders again only when this user changes. */
function Avatar({ userId }: { userId: string }) {
  const user = useUserStatus(userId)
  const name = user?.username ?? userId
  // A stale user was so when the connection was lost: not drawn like a live one.
  const status = user?.freshness === 'live' ? user.status : 'unknown'
  const label = `${name}: ${status}`
  return (
    <li className={`avatar ${status}`} title={label}>
      <span aria-hidden="true">{name.slice(0, 2)}</span>
      <span className="visually-hidden">{label}</span>
    </li>
  )
}
