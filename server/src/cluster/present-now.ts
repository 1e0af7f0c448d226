import type { Presence } from '../presence/presence.ts'
import type { NodePresence } from './cluster-log.ts'

type Asked = Pick<Presence, 'isSeen' | 'part' | 'present' | 'tell' | 'usersHere'>

/**
 * The presence of this node as of now. The member reads and appends between two ticks, also right after a suspension.
 * Presence would tell then that a session was renewed later than it was, because it counts back from the last time it
 * was told.
 *
 * @param now the wall clock, in ms since the epoch
 */
export function presentNow(presence: Asked, now: () => number): NodePresence & Pick<Presence, 'isSeen'> {
  return {
    present(userId) {
      presence.tell(now())
      return presence.present(userId)
    },
    usersHere: () => presence.usersHere(),
    part: userId => presence.part(userId),
    isSeen: userId => presence.isSeen(userId),
  }
}
