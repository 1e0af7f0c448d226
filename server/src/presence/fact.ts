import type { UserId } from '@who-is-online/protocol/words'
import { type Choice, NO_CHOICE, OFFLINE, type ShownPresence, shownAs } from './choice.ts'

/** The sessions of a user on one node: none, all idle, or at least one active. Held sessions count. */
export type SessionsState = 'none' | 'idle' | 'active'

/** What a node says about a user. What others see is derived from it; see {@link presenceOf}. */
export interface Said {
  readonly sessions: SessionsState
  /** The choice that others should see. */
  readonly choice: Choice
}

/**
 * Why others see a user differently:
 *
 * - `opened`: the user has a session, or is no longer hidden. Others can't tell the two apart.
 * - `left`: the last session was closed on purpose, or the user hides. Others can't tell the two apart.
 * - `lost`: the last session was lost, and its grace period is over.
 * - `kicked`: the sessions of the user were ended by the server.
 * - `nodeLost`: the node with the last session was lost.
 * - `chosen`: the user chose another status, text or end.
 * - `expired`: the choice has ended.
 * - `idle`: all sessions of the user are idle.
 * - `active`: a session of the user is active again.
 * - `renamed`: only the name has changed.
 */
export type Cause =
  | 'opened'
  | 'left'
  | 'lost'
  | 'kicked'
  | 'nodeLost'
  | 'chosen'
  | 'expired'
  | 'idle'
  | 'active'
  | 'renamed'

/**
 * What a node has decided that others should see of a user from now on. Everything that others see follows
 * from facts. So a fact contains all that the other nodes need.
 */
export interface Fact extends Said {
  readonly userId: UserId
  readonly username: string | undefined
  /** The last sign of life while the user was visible, in ms since the epoch. */
  readonly lastSeen: number
  readonly cause: Cause
  /** When it was decided, in ms since the epoch. */
  readonly at: number
}

/** What a node says about a user without a session. */
export const NOTHING_SAID: Said = { sessions: 'none', choice: NO_CHOICE }

/**
 * The rule of presence: what others see of a user.
 *
 * | sessions | chosen | activity | what others see |
 * | --- | --- | --- | --- |
 * | none | any | – | `offline` |
 * | one or more, live or held | `offline` | any | `offline`: the user is hidden |
 * | one or more | `away`, `busy` | any | what was chosen |
 * | one or more | `online` | idle in every session | `away` |
 * | one or more | `online` | active in at least one | `online` |
 */
export function presenceOf({ sessions, choice }: Said): ShownPresence {
  if (sessions === 'none') return OFFLINE
  return shownAs(choice.status === 'online' && sessions === 'idle' ? 'away' : choice.status, choice)
}
