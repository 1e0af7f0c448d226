import { NO_CHOICE } from '../../presence/choice.ts'
import { NOTHING_SAID } from '../../presence/fact.ts'
import type { PresentUser } from '../../presence/here.ts'

/** A user whom a node does not know. */
export const GONE: PresentUser = {
  said: NOTHING_SAID,
  choice: NO_CHOICE,
  madeAt: 0,
  isHere: false,
  isVisible: false,
  connections: 0,
  sessions: {},
  isLookedAt: false,
  idleSince: undefined,
  lastSeen: undefined,
  username: undefined,
}
