import type { UserId } from '@who-is-online/protocol/words'
import type { ChoiceLookup } from './here.ts'

/** What the other nodes of a cluster know. With one node there is nothing else to know. */
export interface Elsewhere {
  readonly choiceOf: ChoiceLookup
  /** A lower bound of the last sign of life of a visible user, in ms since the epoch. */
  readonly signOfLife: (userId: UserId) => number | undefined
  /** Whether the user has a session on another node, hidden or not. */
  readonly isPresent: (userId: UserId) => boolean
}

export const NOWHERE_ELSE: Elsewhere = {
  choiceOf: () => undefined,
  signOfLife: () => undefined,
  isPresent: () => false,
}
