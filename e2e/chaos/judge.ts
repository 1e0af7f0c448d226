// Says which invariants were violated, from what clients did and what observers saw. Told the time: `t` is in ms in
// which the server ran and was not suspended.

/** How a client leaves: a close, a reset of its TCP connection, or no answer any more on an open one. */
export type Leaving = 'clean' | 'reset' | 'silent'

export interface Violation {
  /** The invariant, by its id in SPEC.md or a short name. */
  readonly rule: string
  readonly t: number
  readonly text: string
}

/** Until when who left must be offline for every observer, in ms (SPEC [I1]). */
export const BOUNDS_MS: Readonly<Record<Leaving, number>> = { clean: 1_000, reset: 6_000, silent: 30_000 }

/** The same after a start of the server, for who left while it was away: the restart grace and a second. */
export const RESTART_BOUND_MS = 31_000

/** A suspension longer than the server's grace is followed by the restart grace as well (SPEC [R8]), in ms. */
export const NOTICED_SUSPENSION_MS = 5_000

/** A change seen less than this before a crash may be lost with it (SPEC [I8]), and some time to be seen. */
const MAY_BE_LOST_MS = 1_000

/** A state that was asked for before a change may come after it. */
const SETTLE_MS = 1_500

/** A violation that several observers see, or one of them again, counts once in this time. */
const REPEAT_MS = 10_000

interface Tracked {
  /** What must be seen of a user: online, offline or, for who appears offline by choice, offline although connected. */
  must: 'be online' | 'be offline' | 'be hidden'
  since: number
  /** For who left: how, and until when observers must have seen it. */
  how: Leaving
  deadline: number
  firstSeenAt: number | undefined
  isSettled: boolean
}

interface Observer {
  /** What it was told of each user. */
  readonly view: Map<string, string>
  syncedAt: number | undefined
}

export class Judge {
  readonly violations: Violation[] = []
  /** How long after a leaving each observer saw it, in ms, by how the client left. */
  readonly detections: Readonly<Record<Leaving, number[]>> = { clean: [], reset: [], silent: [] }
  /** How often something was held against a rule. */
  readonly checks = new Map<string, number>()
  readonly #users = new Map<string, Tracked>()
  readonly #observers = new Map<string, Observer>()
  readonly #reported = new Map<string, number>()
  #startedAt = Number.NEGATIVE_INFINITY
  /** Until when users whose line was lost may be held after a suspension. */
  #returnUntil = Number.NEGATIVE_INFINITY

  /** From now on the user is there and must be seen online. */
  present(userId: string, t: number): void {
    this.#track(userId, 'be online', t)
  }

  /** From now on the user must never be seen online. */
  hidden(userId: string, t: number): void {
    this.#track(userId, 'be hidden', t)
  }

  /** The user has left and must be seen offline in time. */
  left(userId: string, how: Leaving, t: number): void {
    const tracked = this.#track(userId, 'be offline', t)
    tracked.how = how
    const until = t + BOUNDS_MS[how]
    tracked.deadline = how === 'clean' ? until : Math.max(until, this.#returnUntil)
  }

  /** Nothing is expected of a user who is on the way back. */
  returning(userId: string): void {
    this.#users.delete(userId)
  }

  /** The server was started again: who left shortly before or meanwhile is held for the restart grace. */
  started(t: number): void {
    this.#startedAt = t
    for (const user of this.#users.values()) {
      if (user.must !== 'be offline') continue
      if (user.firstSeenAt !== undefined && t - user.firstSeenAt > MAY_BE_LOST_MS) continue
      user.deadline = Math.max(user.deadline, t + RESTART_BOUND_MS)
    }
  }

  /** The server goes on after a suspension that clients have noticed: who was lost is held for the restart grace. */
  resumed(t: number): void {
    this.#returnUntil = t + RESTART_BOUND_MS
    for (const user of this.#users.values()) {
      if (user.must !== 'be offline' || user.how === 'clean' || user.firstSeenAt !== undefined) continue
      user.deadline = Math.max(user.deadline, this.#returnUntil)
    }
  }

  /** An observer was told the state of everybody; whoever is missing is offline. */
  synced(observer: string, state: ReadonlyMap<string, string>, t: number): void {
    this.#observers.set(observer, { view: new Map(state), syncedAt: t })
    for (const userId of this.#users.keys()) this.#see(observer, userId, state.get(userId) ?? 'offline', t)
  }

  /** An observer lost its connection: what it was told is old. */
  lost(observer: string): void {
    const known = this.#observers.get(observer)
    if (known) known.syncedAt = undefined
  }

  /** An observer was told of one user. */
  shown(observer: string, userId: string, status: string, t: number): void {
    const known = this.#observers.get(observer)
    if (known?.syncedAt === undefined) return
    known.view.set(userId, status)
    const user = this.#users.get(userId)
    if (user?.must === 'be offline' && status === 'offline') {
      user.firstSeenAt ??= t
      // Who left while the server was away is held for the restart grace, which says nothing of how they left.
      if (known.syncedAt < user.since && this.#startedAt < user.since && this.#returnUntil < user.since) {
        this.detections[user.how].push(t - user.since)
      }
    }
    this.#see(observer, userId, status, t)
  }

  /** Looks for what did not happen in time. `toleranceMs` is how late things may be seen on this machine now. */
  tick(t: number, toleranceMs: number): void {
    for (const [userId, user] of this.#users) {
      if (user.isSettled) continue
      const due = user.must === 'be offline' ? user.deadline : user.since + SETTLE_MS
      if (t < due + toleranceMs) continue
      user.isSettled = true
      for (const [observer, { view, syncedAt }] of this.#observers) {
        if (syncedAt === undefined || t - syncedAt < SETTLE_MS) continue
        this.#see(observer, userId, view.get(userId) ?? 'offline', t)
      }
    }
  }

  /** Whether every observer that is connected sees the user offline, and there is one. */
  isGoneForAll(userId: string): boolean {
    const views = [...this.#observers.values()].filter(({ syncedAt }) => syncedAt !== undefined)
    return views.length > 0 && views.every(({ view }) => (view.get(userId) ?? 'offline') === 'offline')
  }

  /** Whether it was looked in time at who left, or at who came. */
  isSettled(userId: string): boolean {
    return this.#users.get(userId)?.isSettled ?? true
  }

  /** Adds a violation that was found elsewhere. */
  violate(rule: string, t: number, text: string): void {
    this.violations.push({ rule, t, text })
  }

  /** Counts a check of a rule. */
  checked(rule: string, times = 1): void {
    this.checks.set(rule, (this.checks.get(rule) ?? 0) + times)
  }

  #track(userId: string, must: Tracked['must'], t: number): Tracked {
    const tracked: Tracked = {
      must,
      since: t,
      how: 'clean',
      deadline: t,
      firstSeenAt: undefined,
      isSettled: false,
    }
    this.#users.set(userId, tracked)
    return tracked
  }

  #see(observer: string, userId: string, status: string, t: number): void {
    const user = this.#users.get(userId)
    if (!user) return
    const rule = { 'be online': 'I2', 'be offline': 'I1', 'be hidden': 'hidden' }[user.must]
    this.checked(rule)
    if ((status === 'offline') === (user.must !== 'be online')) return
    // Before that the sight may be of what was before.
    if (!user.isSettled) return
    const key = `${rule} ${userId}`
    if (t - (this.#reported.get(key) ?? Number.NEGATIVE_INFINITY) < REPEAT_MS) return
    this.#reported.set(key, t)
    const left =
      user.must === 'be offline' ? `, who left (${user.how}) ${seconds(t - user.since)} before` : ''
    this.violate(rule, t, `${observer} sees ${userId} ${status}${left}; the user must ${user.must}`)
  }
}

function seconds(ms: number): string {
  return `${(ms / 1_000).toFixed(1)} s`
}
