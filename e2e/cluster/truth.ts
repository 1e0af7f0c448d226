import type { Troubles } from './troubles.ts'

export type Status = 'online' | 'away' | 'busy' | 'offline'

/**
 * How a session ended: the client closed it, reset the connection, or fell silent; the server cut it, with its process;
 * or the same session was opened elsewhere. A try to connect that failed may be a session for a moment: a node that
 * stood still accepts it afterwards.
 */
export type Ending = 'left' | 'reset' | 'silent' | 'cut' | 'moved' | 'failed'

interface Session {
  readonly node: number
  readonly from: number
  to: number
  how: Ending | undefined
  /** The session that has replaced it. */
  next: Session | undefined
}

/** What must hold of a user at a time. */
export interface Demand {
  /** What others may show. */
  readonly statuses: ReadonlySet<Status>
  /** The name that others must show with it; `undefined` if that is not known. */
  readonly name: string | undefined
  readonly isGone: boolean
  readonly isHidden: boolean
}

/** A client resets a connection that it has replaced after this time, in ms. */
export const ABANDONED_MS = 1_000
/** How long after each ending others may still show a user, in ms. */
const GONE_MS: Readonly<Record<Ending, number>> = {
  left: 1_000,
  reset: 6_000,
  silent: 30_000,
  cut: 6_000,
  moved: ABANDONED_MS + 6_000,
  failed: 6_000,
}
/** The same after the end of the node, which others notice by missing beats. */
const NODE_GONE_MS = { killed: 15_000, stopped: 17_000 } as const
/** After a long suspension of a node, its lost sessions are held for so long, in ms. */
const SUSPENSION_GRACE_MS = 36_000
/** How long what a client was told may take until all nodes show it, in ms. */
const SPREAD_MS = 1_000
/** So many events of a user are kept. */
const HISTORY = 60
/** A session that has ended is of no importance any more after this time, in ms. */
const FORGET_MS = 80_000

/** One user, as far as the server has acknowledged it. Times are those of `performance.now`. */
export class TrueUser {
  readonly userId: string
  readonly #troubles: Troubles
  readonly #sessions = new Map<string, Session>()
  /** The newest session of each id, live or not. */
  readonly #last = new Map<string, Session>()
  #past: Session[] = []
  /** What the user may have chosen: more than one while a choice is not acknowledged. */
  #possible: ReadonlySet<Status> = new Set(['online'])
  /** Since when the user may not have chosen to be hidden. */
  #visibleAt = 0
  #name: string | undefined
  #changedAt = 0
  #connecting = 0
  #history: { readonly at: number; readonly what: string }[] = []

  constructor(userId: string, troubles: Troubles) {
    this.userId = userId
    this.#troubles = troubles
  }

  /** What has happened to the user in the last time, for people. */
  get history(): readonly { readonly at: number; readonly what: string }[] {
    return this.#history
  }

  note(what: string, at: number): void {
    this.#history.push({ at, what })
    if (this.#history.length > HISTORY) this.#history.shift()
  }

  get possible(): ReadonlySet<Status> {
    return this.#possible
  }

  /** Since when the user is hidden for sure; `undefined` if that is not so. */
  get hiddenSince(): number | undefined {
    return this.#isHidden ? this.#changedAt : undefined
  }

  get isLive(): boolean {
    return this.#sessions.size > 0
  }

  /**
   * Whether the user has sessions, and others may take all of their nodes for lost. For them the user is gone, and the
   * choice has ended.
   */
  isLostForOthers(at: number, afterMs: number): boolean {
    const sessions = [...this.#sessions.values()]
    return this.isLive && sessions.every(({ node }) => this.#troubles.mayBeLostIn(node, at, at, afterMs))
  }

  /** The user tries to connect, or has stopped trying: others may see the session before the client is welcome. */
  tries(isConnecting: boolean): void {
    this.#connecting += isConnecting ? 1 : -1
  }

  welcomed(sessionId: string, node: number, at: number): void {
    const before = this.#last.get(sessionId)
    this.note(`${sessionId} is welcome on node ${node + 1}`, at)
    const session = { node, from: at, to: Number.POSITIVE_INFINITY, how: undefined, next: undefined }
    this.ended(sessionId, 'moved', at)
    if (before) before.next = session
    this.#sessions.set(sessionId, session)
    this.#last.set(sessionId, session)
  }

  /** A try to connect to a node has failed. */
  failed(node: number, at: number): void {
    this.#past.push({ node, from: at, to: at, how: 'failed', next: undefined })
  }

  ended(sessionId: string, how: Ending, at: number): void {
    const session = this.#sessions.get(sessionId)
    if (!session) return
    this.note(`${sessionId} of node ${session.node + 1}: ${how}`, at)
    Object.assign(session, { to: at, how })
    this.#sessions.delete(sessionId)
    this.#past = [...this.#past.filter(({ to }) => to > at - FORGET_MS), session]
  }

  /** A choice was sent, or one of these may hold. */
  mayHave(statuses: Iterable<Status>, at: number): void {
    this.#possible = new Set([...this.#possible, ...statuses])
    this.note(`may be ${[...this.#possible]}`, at)
    this.#changedAt = at
  }

  acknowledged(status: Status, at: number): void {
    if (this.#possible.has('offline') && status !== 'offline') this.#visibleAt = at
    this.#possible = new Set([status])
    this.note(`${status} is acknowledged`, at)
    this.#changedAt = at
  }

  /** A name was acknowledged; `undefined` if it is not known which one holds. */
  named(name: string | undefined, at: number): void {
    this.note(name === undefined ? 'the name is not known' : `${name} is acknowledged`, at)
    this.#name = name
    this.#changedAt = at
  }

  /**
   * What others must show at `at`; `undefined` if nothing can be demanded, because something has just changed.
   *
   * @param afterMs how long after a trouble everything may take
   */
  demand(at: number, afterMs: number): Demand | undefined {
    const known = { name: this.#name, isHidden: this.#isHidden }
    if (this.#settledAt(at, afterMs) > at) return undefined
    if (this.isLive) return { ...known, statuses: this.#possible, isGone: false }
    if (this.#connecting > 0 || this.#goneAt(afterMs) > at) {
      const statuses = new Set<Status>([...this.#possible, 'offline'])
      // Others may see the user return before the client is welcome. Meanwhile the choice may have ended.
      if (this.#connecting > 0 && !this.#isHidden) statuses.add('online')
      return { ...known, statuses, isGone: false }
    }
    return { ...known, statuses: new Set<Status>(['offline']), isGone: true }
  }

  /**
   * Whether the user was present all the time from `from` to `to`, and all nodes knew it, except those in trouble.
   *
   * @param graceMs how long after a session was lost it counts as live
   */
  wasPresent(from: number, to: number, afterMs: number, graceMs: number): boolean {
    if (this.#possible.has('offline') || !this.#wasVisible(from, afterMs)) return false
    let covered = from
    const times = [...this.#past, ...this.#sessions.values()]
      .filter(({ node }) => !this.#troubles.mayBeLostIn(node, from, to, afterMs))
      .map(session => ({
        from: this.#placedAt(session, afterMs),
        to: this.#presentUntil(session, { from, to }, afterMs, graceMs),
      }))
      .toSorted((one, other) => one.from - other.from)
    for (const time of times) if (time.from <= covered) covered = Math.max(covered, time.to)
    return covered > from && covered >= to
  }

  get #isHidden(): boolean {
    return this.#possible.size === 1 && this.#possible.has('offline')
  }

  /** Whether all nodes knew at `at` that the user is not hidden. */
  #wasVisible(at: number, afterMs: number): boolean {
    const nodes = new Set([...this.#past, ...this.#sessions.values()].map(({ node }) => node))
    return [...nodes].every(node => this.#placedAt({ node, from: this.#visibleAt }, afterMs) <= at)
  }

  #presentUntil(
    { from, to, how, node, next }: Session,
    time: { from: number; to: number },
    afterMs: number,
    graceMs: number,
  ): number {
    if (how === 'left' || how === 'failed' || how === undefined) return to
    if (how !== 'moved') {
      const nextUntil = next ? this.#presentUntil(next, time, afterMs, graceMs) : Number.POSITIVE_INFINITY
      return Math.max(to, Math.min(to + graceMs, nextUntil))
    }
    // The others have the one or the other, unless they take the node of the next one for lost.
    if (!next || this.#troubles.mayBeLostIn(next.node, time.from, time.to, afterMs)) return to
    const end = this.#troubles.endIn(node, from, Number.POSITIVE_INFINITY)
    // The client resets the old connection soon.
    const nodeUntil =
      Math.min(to + ABANDONED_MS, end ? Math.max(to, end.at) : Number.POSITIVE_INFINITY) + graceMs
    return Math.min(
      this.#placedAt(next, afterMs),
      nodeUntil,
      Math.max(to, this.#presentUntil(next, time, afterMs, graceMs)),
    )
  }

  /** From when all nodes knew a session, or a choice that was made at that time. */
  #placedAt({ node, from }: Pick<Session, 'node' | 'from'>, afterMs: number): number {
    const healed = this.#troubles.healedIn(node, from - afterMs, from + SPREAD_MS)
    return Math.max(from + SPREAD_MS, healed === undefined ? 0 : healed + afterMs)
  }

  /** From when all nodes knew what the user has changed last. */
  #settledAt(at: number, afterMs: number): number {
    let settledAt = this.#changedAt + SPREAD_MS
    for (const session of [...this.#sessions.values(), ...this.#past]) {
      settledAt = Math.max(settledAt, session.from + SPREAD_MS)
      const changedAt = Math.min(this.#changedAt, at)
      const from = Math.min(changedAt, session.from) - afterMs
      // A trouble that began long after the last change concerns a node only if others took it for lost, which
      // can't be told from here. So every trouble of the nodes of the user counts until it is over.
      const healed = this.#troubles.healedIn(session.node, from, at)
      if (healed !== undefined && (session.to > at || healed >= session.to)) {
        settledAt = Math.max(settledAt, healed + afterMs)
      }
    }
    return settledAt
  }

  /** From when others must show that the user is gone. */
  #goneAt(afterMs: number): number {
    return Math.max(0, ...this.#past.map(session => this.#overAt(session, afterMs)))
  }

  #overAt(session: Session, afterMs: number): number {
    const { node, to, how } = session
    if (how === undefined) return 0
    let over = to + GONE_MS[how]
    const awake = this.#troubles.suspendedUntil(node, to - SUSPENSION_GRACE_MS, over)
    if (how !== 'left' && awake !== undefined) over = Math.max(over, awake + SUSPENSION_GRACE_MS)
    // The node may end while it still holds the session.
    const end = this.#troubles.endIn(node, to - SPREAD_MS, over)
    if (end) over = Math.max(over, end.at + NODE_GONE_MS[end.kind])
    // An ending, or a missing beat, is told after the trouble. Then all limits begin again.
    const healed = this.#troubles.healedIn(node, to - afterMs, over)
    if (healed !== undefined)
      over = Math.max(over, healed + (end ? NODE_GONE_MS[end.kind] : GONE_MS[how]) + afterMs)
    return over
  }
}
