import type { MemberEvent } from './command.ts'
import type { RedisFailure } from './redis-link.ts'

/** Is told what an operator may want to know. */
export interface NodeObserver {
  happened(event: MemberEvent): void
  /** Redis could not be used. The same reason is told at most once a minute. */
  failed(failure: RedisFailure): void
  /** This Redis can never be used as it is: the process must end. */
  unusable(reason: string): void
}

/** How a node stands in its cluster. */
export interface NodeState {
  /** Whether the node knows all users. Until then, it must not accept clients. */
  readonly isReady: boolean
  /** Since when Redis does not answer, by the steady clock; `undefined` if it does. */
  readonly awaySince: number | undefined
  /** How many epochs have begun since this process started. */
  readonly epochs: number
  /** How many members were lost since this process started. */
  readonly lost: number
  /** Why Redis could not be used, the last time. */
  readonly lastFailure: RedisFailure | undefined
}
