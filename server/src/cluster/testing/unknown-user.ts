import { NO_CHOICE } from '../../presence/choice.ts'
import { NOTHING_SAID } from '../../presence/fact.ts'
import type { PresentUser } from '../../presence/present-user.ts'
import type { UserPart } from '../../presence/user-part.ts'

/** A user whom a node does not know. */
export const GONE: PresentUser = {
  said: NOTHING_SAID,
  choice: NO_CHOICE,
  madeAt: 0,
  isSetAhead: false,
  isHere: false,
  isVisible: false,
  connections: 0,
  sessions: {},
  isLookedAt: false,
  idleSince: undefined,
  leases: [],
  held: [],
  lastSeen: undefined,
  username: undefined,
}

/** What a node answers about a user whom it does not know. */
export const NO_PART: UserPart = { state: 'none', sessions: [], graces: [] }

/** A part of a host whose node asks nothing and is asked nothing. */
export const ASKS_NOTHING = { asked: () => undefined, answer: () => NO_PART }
