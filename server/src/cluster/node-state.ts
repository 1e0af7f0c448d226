import type { MemberEvent } from './command.ts'
import type { NodeAbout, NodeId } from './entry.ts'
import type { AppendOutcome, RedisFailure } from './redis-link.ts'

/** What the member has told. With `nodeLost`, also what was known about that node. */
export type NodeEvent = MemberEvent & { readonly about?: NodeAbout | undefined }

/** Is told what an operator may want to know. */
export interface NodeObserver {
  happened(event: NodeEvent): void
  /** Redis could not be used. The same reason is told at most once a minute. */
  failed(failure: RedisFailure): void
  /** This Redis can never be used as it is: the process must end. */
  unusable(reason: string): void
}

/** How a node stands in its cluster. */
export interface NodeState {
  /** Whether the node knows all users. Until then, it must not accept clients. */
  readonly isReady: boolean
  /** For how long Redis has not answered, in ms; `undefined` if it answers. */
  readonly awayMs: number | undefined
  /** How many epochs have begun since this process started. */
  readonly epochs: number
  /** How many other members were lost since this process started. Those that had said that they stop do not count. */
  readonly lost: number
  /** Why Redis could not be used, the last time, and how long ago that was. The text has no password. */
  readonly lastFailure: { readonly text: string; readonly ageMs: number } | undefined
}

/** A member of the cluster, as this node sees it. */
export interface MemberView {
  readonly id: NodeId
  /** `undefined` if the member has not said it yet. */
  readonly about: NodeAbout | undefined
  /** How long ago it has composed its last entry, in ms; `undefined` if this node has read none yet. */
  readonly beatAgeMs: number | undefined
  /** How many beats of this node were read back since then. While Redis does not answer, it does not grow. */
  readonly missedBeats: number
}

/** What a node counts and measures of its cluster. All counts begin with the process. */
export interface NodeFigures {
  /** The members, by their names. */
  readonly members: readonly MemberView[]
  /** How many appends have ended in each way. */
  readonly appends: Readonly<Record<AppendOutcome, number>>
  /** How old the newest entry was when it was read, in ms. */
  readonly lagMs: number
  /** How many entries, registers and rows were ignored, each time they were read: this version does not know them. */
  readonly ignored: number
}

/** A node, as its metrics, its log lines and the live page see it. */
export interface ReportedNode {
  readonly id: NodeId
  readonly state: NodeState
  readonly figures: NodeFigures
  /** How many users whom others see have a session on a member. It looks at all users of the member. */
  usersSeenOn(member: NodeId): number
}

/** The label of a member for people: its name, or its id until the member has told its name. */
export function nameOf({ id, about }: Pick<MemberView, 'id' | 'about'>): string {
  return about?.name ?? id
}
