import type { UserId } from '@who-is-online/protocol/words'
import type { EndedSession } from '../presence/change.ts'
import type { Choice } from '../presence/choice.ts'
import type { Fact } from '../presence/fact.ts'
import type { OrphanedLeases } from '../presence/lease.ts'
import type { KnownChoice } from '../presence/present-user.ts'
import type { UserPart } from '../presence/user-part.ts'
import type { ArchivedUser } from '../presence/user-table.ts'

/** What the nodes of a cluster agree on, besides the facts. */
export interface Agreed {
  /** The facts of this node that are in the log now, as they were given to `append`. They are no longer pending. */
  readonly own: readonly Fact[]
  /** Offline users whose name or `lastSeen` differs. */
  readonly archived: readonly ArchivedUser[]
  /** Offline users whom others have never seen from now on. */
  readonly forgotten: readonly UserId[]
  /** Users of this node whose name another node has forgotten. They still have it. */
  readonly unnamed: readonly NamedUser[]
  /** Choices that were written. This node has read all its own entries about these users. */
  readonly choices: readonly AgreedChoice[]
  /** Sessions of this node that were opened later on another node. They end here. */
  readonly moved: readonly EndedSession[]
  /** Leased sessions of a node that is lost or stops. This node takes them over. */
  readonly orphaned: readonly OrphanedLeases[]
  /** Users whose sessions end on all nodes. */
  readonly kicked: readonly UserId[]
  /** Users whom all nodes forget as soon as their sessions have ended. They are `kicked` too. */
  readonly erased: readonly UserId[]
  /** Sessions that end on whatever node they are. */
  readonly ended: readonly EndedSession[]
  /** When a node that is lost has last heard of users of this node. Nobody else knows it from now on. */
  readonly heard: readonly LastSign[]
  /** Users whom others see differently because of another node. That counts in the rate limit of their changes. */
  readonly paced: readonly UserId[]
  /** How long ago all this was said, in ms: a node that was paused reads it late. */
  readonly agoMs: number
  /**
   * The number of all this in the order of changes; `undefined` if clients are told nothing of it and need not know how
   * far the log is.
   */
  readonly seq: number | undefined
  /** Whether this node has read the state of all users, and not what has led to it. */
  readonly isLoaded: boolean
}

/** Nothing. What the nodes agree on seldom has more than one part: copy this and set that part. */
export const NOTHING_AGREED: Agreed = {
  own: [],
  archived: [],
  forgotten: [],
  unnamed: [],
  choices: [],
  moved: [],
  orphaned: [],
  kicked: [],
  erased: [],
  ended: [],
  heard: [],
  paced: [],
  agoMs: 0,
  seq: undefined,
  isLoaded: false,
}

export interface LastSign {
  readonly userId: UserId
  /** The last sign of life, in ms since the epoch. */
  readonly at: number
}

export interface NamedUser {
  readonly userId: UserId
  readonly username: string
}

export interface AgreedChoice {
  readonly userId: UserId
  /** What others see while the user is present. */
  readonly shown: Choice
  /** What was acknowledged. */
  readonly chosen: KnownChoice | undefined
}

/** What one node has answered. */
export interface NamedPart {
  /** The name of the node. */
  readonly node: string
  readonly part: UserPart
  /** Whether the user has more sessions there than an answer may have. */
  readonly isCut: boolean
}

/** What the other nodes have answered. */
export interface Answers {
  readonly parts: readonly NamedPart[]
  /** The names of the nodes that have not answered, or could not be asked. They may have sessions of the user. */
  readonly missing: readonly string[]
}

/** A question to the other nodes. */
export interface Question {
  /** Resolves when no more answers come. It never rejects. Don't wait for it without a limit. */
  readonly answered: Promise<void>
  /** Ends the question, and returns what was answered. It must be called: few questions can wait at once. */
  end(): Answers
}

/** The users about whom this node knows something new. Others may see no difference: a second session is not a fact. */
export interface Touched {
  readonly records: readonly { readonly userId: UserId }[]
  readonly forgotten: readonly UserId[]
}

/**
 * The port for the log of facts: what one node decides becomes visible on every node by being in the log, and
 * in the order of the log. It has one caller on each node, which calls `listen` before anything else.
 */
export interface FactLog {
  /**
   * Names the caller, who is given the facts of all nodes, each once and in the order of the log. The caller may call
   * `append` meanwhile.
   *
   * In a cluster these facts combine what all nodes say of a user, and `agreed` tells which of the own facts that
   * includes. With one node the facts are those that were given to `append`.
   */
  listen(applied: (facts: readonly Fact[], agreed?: Agreed) => void): void

  /**
   * Adds facts to the log, in this order. Never throws. Facts of one call become visible together. How soon that is
   * depends on the adapter; `single` gives them to the listener before `append` returns.
   *
   * @param touched in a cluster, users whose sessions or choice have changed, with or without a fact
   * @param isAwaited whether the caller waits. The log keeps something for each caller who waits, and while Redis does
   * not answer, that can be for hours
   * @returns a promise that resolves when these facts, and all that were added before, are visible; it never rejects.
   * `undefined` if they are visible, or if nobody waits.
   */
  append(facts: readonly Fact[], touched?: Touched, isAwaited?: boolean): Promise<void> | undefined

  /**
   * Ends all sessions of a user on all nodes: each node gives the user to its listener as `agreed.kicked`. Never
   * throws.
   *
   * @param refuseMs for how long the user may not come back on any node, in ms; see `refusedMs`. Without it, that does
   * not change
   * @returns a promise that resolves when this node has read that back, and no other node has any of these sessions; it
   * never rejects. `undefined` if they have ended.
   */
  kick(userId: UserId, refuseMs?: number): Promise<void> | undefined

  /**
   * Erases a user on all nodes: each node gives the user to its listener as `agreed.erased`, and refuses the user until
   * nothing is kept any more. Never throws.
   *
   * @returns a promise that resolves when this node has given the user to its listener; it never rejects. `undefined`
   * if it has
   */
  erase(userId: UserId): Promise<void> | undefined

  /**
   * Whether `kick`, `endSession` and `erase` may be called. There is a limit of what was not read back: while Redis
   * does not answer, that could be ever more. With one node nothing waits.
   */
  readonly hasRoom: boolean

  /** Whether the log keeps anything about a user that can be looked up. With one node it keeps nothing. */
  keeps(userId: UserId): boolean

  /** How much longer a user may not connect, in ms; 0 for all other users. */
  refusedMs(userId: UserId): number

  /** Whether a user can be refused: there is a limit for all users together. */
  canRefuse(userId: UserId): boolean

  /**
   * Ends a session of a user on the other nodes: each node gives it to its listener as `agreed.ended`. Never throws.
   *
   * @returns a promise that resolves when this node has read that back, and no other node has the session; it never
   * rejects. `undefined` if there are no other nodes
   */
  endSession(session: EndedSession): Promise<void> | undefined

  /**
   * Asks the other nodes what they know of the sessions of a user. While Redis does not answer, and while too many
   * questions wait, nobody is asked: then `answered` has resolved. Never throws.
   *
   * @returns `undefined` if no other node knows the user
   */
  ask(userId: UserId): Question | undefined

  /**
   * What becomes of a choice that was given to `append` for a user without a session on this node.
   *
   * @returns a promise of whether the choice counts; it never rejects. It is true when a node that has a session of the
   * user has taken this choice or knows a newer one, or when no node has a session and the choice has an end. It is
   * false when no node has a session any more, and the choice has no end. `undefined` if it counts.
   */
  whenCounts(userId: UserId, chosen: KnownChoice): Promise<boolean> | undefined

  /**
   * Reads everything that the log has now. Never throws. All callers share the work.
   *
   * @returns a promise of whether this node has read it; it never rejects. It is false at once while Redis does not
   * answer. Don't wait for it without a limit. `undefined` with one node, which has nothing to read
   */
  catchUp(): Promise<boolean> | undefined

  /**
   * How many connections a user has on the other nodes.
   *
   * @param except a session that is not counted: it is about to move to this node
   */
  connectionsElsewhere(userId: UserId, except?: string): number

  /** Whether this node forgets, for all nodes, users who were not seen for long. One node does. */
  readonly forgetsStale: boolean
}
