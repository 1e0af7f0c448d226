import type { UserId } from '@who-is-online/protocol/words'
import type { Cause } from '../presence/fact.ts'
import type { UserPart } from '../presence/user-part.ts'
import type { Refusal } from './refused-users.ts'

// What stands in the log of a cluster, and what `append.lua` is asked. The names are short because each entry carries
// them.

/** A random id of one process, of letters, digits, `-` and `_`. Not `epoch` or `server`, which stand beside the ids. */
export type NodeId = string

/**
 * A place in the log: the id `EPOCH-SEQ` of an entry. An epoch is the time of its beginning in ms. Its numbers begin
 * with the same value, so both grow over all epochs. Within an epoch the numbers have no gaps.
 */
export interface Place {
  readonly epoch: number
  readonly seq: number
}

/** What one node knows of the sessions of one user. Only this node writes it. */
export interface NodeFact {
  /** 0: not shown; 1: at least one session is active; 2: all are idle. */
  readonly p: 0 | 1 | 2
  /** How many connections the user has on the node. */
  readonly n: number
  /** The last proof of life, in ms since the epoch. */
  readonly h: number
  /** When each session was opened, in ms since the epoch, by its id. Held sessions count. */
  readonly s: Readonly<Record<string, number>>
  /**
   * 1: at least one session is connected, or leased, and visible to its user. Missing: a node of an older version does
   * not know it. Then it counts as 0, because a notification too many does less harm than one too few.
   */
  readonly v?: 0 | 1
  /**
   * Set if all sessions are idle: since when, in ms since the epoch; 0 if that is not known, or while the user hides.
   * Without `v`, the node does not know it, and `p` tells whether a session is active.
   */
  readonly i?: number
  /** Those of the sessions that are leased. Another node takes them over if this one is lost or stops. */
  readonly l?: Readonly<Record<string, LeaseItem>>
  /** Those of the sessions whose connection was lost, and whose grace is not over. */
  readonly g?: readonly string[]
}

/**
 * A leased session: when it ends without a renewal, when it was renewed, for how long, when it was opened, since when
 * it is idle, and its device. Times are in ms since the epoch, the first two by the clock of Redis. A session that is
 * active is idle since -1.
 */
export type LeaseItem = readonly [
  endsAt: number,
  renewedAt: number,
  ttlMs: number,
  openedAt: number,
  idleSince: number,
  device?: string,
]

/** Whether all sessions in a fact are leased. */
export function isLeasedOnly({ s, l }: NodeFact): boolean {
  return l !== undefined && Object.keys(s).every(id => Object.hasOwn(l, id))
}

/** A fact about a user, or `null` if the node knows nothing of the user any more; and why others see a difference. */
export type FactItem = readonly [userId: UserId, fact: NodeFact | null, cause: Cause]

/**
 * A session that ends, on whatever node it is. With a time, in ms since the epoch by the clock of Redis, it is a leased
 * one, and ends only where it was renewed before: the node that renewed it then has ended it.
 */
export type EndItem = readonly [userId: UserId, sessionId: string, renewedBefore?: number]

/** A question of the node that appends it. The nodes that have a fact about the user at its place answer it. */
export type AskItem = readonly [id: number, userId: UserId]

/** An answer to a question of another node. */
export type AnswerItem = readonly [to: NodeId, id: number, part: UserPart]

/**
 * What all nodes know of a user: `c:` the choice that was acknowledged, `v:` the choice that is shown, `n:` the name,
 * `s:` when the user was last seen. It is `STAMP|NODE|JSON`, where STAMP is a time in ms of 15 digits. Of two values,
 * the greater string wins: every node ends with the same one.
 */
export type RegisterItem = readonly [key: RegisterKey, value: string]

export type RegisterKey = `${'c' | 'v' | 'n' | 's'}:${UserId}`

/** Whether a value removes a register, because its content is null. */
export function isRemoval(value: string): boolean {
  return value.endsWith('|null')
}

/**
 * Why an entry was appended:
 *
 * - `say`: facts and registers have changed.
 * - `join`: the node begins to assert everything it knows. What it said before is dropped at its `end`.
 * - `end`: the node has asserted everything.
 * - `beat`: the node is alive. Each second.
 * - `left`: the node stops. Its facts stay for some time, because its clients connect to other nodes.
 * - `lost`: `subject` has not written for too long.
 * - `epoch`: a new epoch begins, because the log is not the one that the nodes know.
 * - `unknown`: not written by a node of this version. It has a place, and changes nothing. It is never appended.
 */
export type EntryKind = 'say' | 'join' | 'end' | 'beat' | 'left' | 'lost' | 'epoch' | 'unknown'

/** The content of an entry, which is kept as JSON. */
export interface EntryBody {
  /** The format of the items. A node ignores, and counts, kinds and formats that it does not know. */
  readonly format: 1
  /** When it was composed, in ms since the epoch by the clock of Redis. */
  readonly at: number
  readonly facts: readonly FactItem[]
  readonly registers: readonly RegisterItem[]
  /** Users whose sessions end on all nodes. */
  readonly kicks?: readonly UserId[]
  /** Sessions that end on all nodes. */
  readonly ends?: readonly EndItem[]
  /** Users whom all nodes forget as soon as their sessions have ended. They are in `kicks` too. */
  readonly erases?: readonly UserId[]
  /** Users who may not connect for a while. The eldest member says it again for a node that has joined. */
  readonly refusals?: readonly Refusal[]
  /** Questions to the other nodes: what they know of a user. */
  readonly asks?: readonly AskItem[]
  readonly answers?: readonly AnswerItem[]
  /** The node is about to stop: the eldest of the others takes over its leased sessions. */
  readonly hands?: boolean
  /** The node that is lost. */
  readonly subject?: NodeId
  /** With `epoch`: whether entries may be missing, so that all members must assert what they know. */
  readonly again?: boolean
  /** With `join` and `left`: what the other nodes keep about the node. It replaces what they have. */
  readonly about?: NodeAbout
  /**
   * With `join`, `beat` and `epoch`: when this process joined first, in ms since the epoch by the clock of Redis. The
   * member that joined first is the eldest. With `beat` too, so that a node that has loaded learns it.
   */
  readonly since?: number
  /**
   * With `end`: Redis has all registers that the node knows. The eldest member is the first to say so. The others
   * compare, and say what it does not know. With `beat`: a member has said so in this epoch.
   */
  readonly isComplete?: boolean
}

/** What all nodes know about a node, besides its facts. */
export interface NodeAbout {
  /** A label for people. */
  readonly name: string
  readonly version: string
  /** When the node has said `left`, in ms since the epoch. Then the others wait longer before they say `lost`. */
  readonly left?: number
}

/** An entry of the log. */
export interface Entry {
  readonly place: Place
  /** Empty if another program has written the entry. */
  readonly node: NodeId
  /** The batch number of the node: 1, 2, … */
  readonly batch: number
  readonly kind: EntryKind
  readonly body: EntryBody
}

/** What is asked of the script. */
export interface AppendRequest {
  /** The epoch that the node knows; `undefined` if it knows none. */
  readonly epoch: number | undefined
  readonly node: NodeId
  readonly batch: number
  readonly kind: EntryKind
  readonly body: EntryBody
  /** With `lost`: the last batch of the subject that the judge has read. */
  readonly knownBatch?: number
  /** With `epoch`: the epoch that begins. It is greater than all before. */
  readonly newEpoch?: number
  /**
   * With `epoch`: identifies the server on which it begins; see `ServerInfo`. Redis keeps it beside the epoch. A node
   * that loads compares it: after a restart of Redis that no other node has noticed, places would be given twice.
   */
  readonly server?: string
  /** Entries before this place are not needed any more. */
  readonly oldest?: Place
}

/**
 * The answer of the script. It checks in this order, and only `appended` has changed anything:
 *
 * - `duplicate`: the node has already appended this batch number. `batch` is its last one.
 * - `epoch`: another epoch is current; `undefined` if no epoch has begun.
 * - `lost`: the node is not a member, so it must join first.
 * - `alive`: the subject has written more than the judge has read.
 */
export type AppendReply =
  | { readonly reply: 'appended'; readonly place: Place }
  | { readonly reply: 'duplicate'; readonly batch: number }
  | { readonly reply: 'epoch'; readonly epoch: number | undefined }
  | { readonly reply: 'lost' }
  | { readonly reply: 'alive' }

/** Everything that Redis holds, as a node reads it when it starts or has fallen behind. */
export interface Loaded {
  /** The end of the log; `undefined` if the log is empty. The rest is at least as new. */
  readonly end: Place | undefined
  readonly epoch: number | undefined
  /** The server on which the epoch began. */
  readonly server: string | undefined
  /** The last batch of each member. */
  readonly nodes: ReadonlyMap<NodeId, number>
  /** What is known about the members that have said it. */
  readonly abouts: ReadonlyMap<NodeId, NodeAbout>
  readonly facts: ReadonlyMap<NodeId, ReadonlyMap<UserId, NodeFact>>
  readonly registers: ReadonlyMap<string, string>
}
