import type { UserId } from '@who-is-online/protocol/words'
import { type Choice, NO_CHOICE, OFFLINE, type ShownPresence, shownAs } from './choice.ts'

/**
 * The sessions of a user on one node: none, all idle, or at least one active. A session that is held counts.
 */
export type SessionsState = 'none' | 'idle' | 'active'

/** What a node says of the presence of a user. */
export interface Said {
  readonly sessions: SessionsState
  /** The choice that others are to see. */
  readonly choice: Choice
}

/**
 * Why others see a user differently:
 *
 * - `opened`: the user has a session, or is not hidden any more. Others can't tell the two apart.
 * - `left`: the last session was closed on purpose, or the user hides. Others can't tell the two apart.
 * - `lost`: the last session was lost, and its grace period is over.
 * - `chosen`: the user chose another status, text or end. `expired`: the choice ended.
 * - `idle`, `active`: the user's devices are idle, or one is active again.
 * - `renamed`: only the name is another one.
 */
export type Cause = 'opened' | 'left' | 'lost' | 'chosen' | 'expired' | 'idle' | 'active' | 'renamed'

/**
 * What a node has decided that others are to see of a user from now on. All that others see follows from
 * facts, so a fact has everything that a node needs which did not decide it.
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

/** What is said of a user without a session. */
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
