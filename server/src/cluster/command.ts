import type { UserId } from '@who-is-online/protocol/words'
import type { UserPart } from '../presence/user-part.ts'
import type {
  AppendRequest,
  Entry,
  FactItem,
  Loaded,
  NodeId,
  Place,
  RegisterItem,
  RegisterKey,
} from './entry.ts'
import type { Refusal } from './refused-users.ts'

// What a member asks of the adapter and of its host. The member itself does no I/O.

/**
 * What the adapter has to do. It answers with the `id` of the command. Answers may come late or never: the member
 * ignores answers to commands that it has given up.
 *
 * - `connect`: close both connections to Redis and open new ones. Try until it succeeds: each try takes at most 1.5 s,
 *   with 100–400 ms between tries. Answered by `connected`.
 * - `append`: run `append.lua`.
 * - `read`: the entries after a place; wait at most 1 s for the first one.
 * - `load`: everything that Redis holds. The end of the log is read first. It must fail if there is no progress for
 *   1.5 s.
 * - `time`: the clock of Redis.
 * - `audit`: the members, and how many facts of this node Redis holds.
 */
export type Command =
  | { readonly do: 'connect'; readonly id: number }
  | { readonly do: 'append'; readonly id: number; readonly request: AppendRequest }
  | { readonly do: 'read'; readonly id: number; readonly after: Place; readonly count: number }
  | { readonly do: 'load' | 'time' | 'audit'; readonly id: number }

/** What the adapter learns about the server when it has connected. */
export interface ServerInfo {
  /** Identifies the data: the run id and the replication id. Another one means that writes may be lost. */
  readonly server: string
  /** The end of the log; `undefined` if the log is empty. */
  readonly end: Place | undefined
}

/** The answer to `audit`. */
export interface Audit {
  readonly nodes: ReadonlyMap<NodeId, number>
  /** How many facts of this node Redis holds. */
  readonly ownFacts: number
}

/**
 * What has happened:
 *
 * - `loaded`: the facts of all nodes are replaced by these, and the registers are merged. In the same epoch, registers
 *   that Redis does not have were removed.
 * - `entry`: apply the facts, registers, kicks and ends of an entry. With `join`, mark the facts of the node. With
 *   `end`, drop those that it has not said since.
 * - `losing`: this node is about to append that the node is lost. Leased sessions of that node must be taken over now.
 * - `nodeLost`: drop the facts of the node.
 * - `reached`: everything up to this place was applied. What changed since the last place has its number.
 * - `placed`: what was composed with this batch number, and with all before, was applied.
 * - `composed`: an entry was composed with this batch number at this time, in ms since the epoch by the clock of Redis.
 * - `refused`: what was composed with this batch number is not in the log, or nobody knows. The number is used again,
 *   perhaps for something else.
 * - `beat`: an own beat was read back. So many seconds have passed in which Redis and this node worked.
 * - `epoch`: an epoch has begun. What the host holds stays.
 * - `away`: Redis does not answer, so the view is frozen. `back`: it answers again.
 * - `ready`: the view is complete. `loading`: it is not, because this node was too far behind.
 * - `lostMyself`: other nodes have dropped the facts of this node. It asserts them again. What they have taken over
 *   before is theirs. If this node has read its loss, it has read that too. If Redis has told it, it has not.
 * - `stopped`: the node has told the others that it stops.
 */
export type MemberEvent =
  | { readonly what: 'loaded'; readonly loaded: Loaded }
  | { readonly what: 'nodeLost' | 'losing'; readonly node: NodeId }
  | { readonly what: 'entry'; readonly entry: Entry }
  | { readonly what: 'reached'; readonly place: Place }
  | { readonly what: 'placed' | 'refused'; readonly batch: number }
  | { readonly what: 'composed'; readonly batch: number; readonly at: number }
  | { readonly what: 'epoch'; readonly epoch: number }
  | { readonly what: 'away' | 'back' | 'beat' | 'ready' | 'loading' | 'lostMyself' | 'stopped' }

/** What a node says of one user. */
export interface UserItems {
  /** `undefined` if the node knows nothing of the user, and the log has nothing from it. */
  readonly fact: FactItem | undefined
  readonly registers: readonly RegisterItem[]
}

/** What the member asks when it composes a batch, and whom it tells what has happened. */
export interface Host {
  /**
   * What this node says of a user now.
   *
   * @param batch the number with which it is appended
   * @param isAssertion whether registers are repeated that the log had already: it may have lost them
   */
  compose(userId: UserId, batch: number, isAssertion: boolean): UserItems
  /** The user of a question that still waits. */
  asked(question: number): UserId | undefined
  /** What this node answers about a user now. */
  answer(userId: UserId): UserPart
  /** The value of a register as this node knows it; `undefined` if it knows no value. */
  register(key: RegisterKey): string | undefined
  /** Until when a user may not connect; `undefined` for all who may. */
  refusal(userId: UserId): Refusal | undefined
  /** The users about whom this node has a fact. */
  users(): Iterable<UserId>
  /** The users whom another node shows: their last signs of life are said before that node is lost. */
  usersOf(node: NodeId): Iterable<UserId>
  /** Whether a node has leased sessions. The eldest member takes them over before that node is lost. */
  hasLeases(node: NodeId): boolean
  /**
   * The registers that this node knows and Redis may have lost: since the last `epoch`, no `entry` and no `loaded` had
   * their value or a greater one.
   */
  unrepeatedRegisters(): Iterable<RegisterKey>
  happened(event: MemberEvent): void
}
