// Finds violated invariants from what clients did and what observers saw. The time is a parameter: `t` is in
// ms, and does not include time in which the server was suspended or stopped.

/** The invariants of a run: the ids of SPEC.md, or a short name. */
export const RULES = [
  'I1',
  'I2',
  'I8',
  'I10',
  'hidden',
  'sleep',
  'forgotten',
  'lastSeen',
  'never seen',
  'saved again',
  'log',
] as const

export type Rule = (typeof RULES)[number]

/**
 * How a client leaves: it closes the connection, resets TCP, stops answering on an open connection, or does
 * not come back after an outage of the server.
 */
export type Leaving = 'clean' | 'reset' | 'silent' | 'away'

/** A violated invariant. */
export interface Violation {
  readonly rule: Rule
  readonly t: number
  readonly text: string
}

/**
 * The same after a start of the server, for users who left while it was down: the restart grace plus one
 * second.
 */
export const RESTART_BOUND_MS = 31_000

/** When a user who left must be offline for every observer, in ms (SPEC [I1]). */
const BOUNDS_MS: Readonly<Record<Leaving, number>> = {
  clean: 1_000,
  reset: 6_000,
  silent: 30_000,
  away: RESTART_BOUND_MS,
}

/** After a suspension longer than this, the restart grace applies as well (SPEC [R8]), in ms. */
export const NOTICED_SUSPENSION_MS = 5_000

/**
 * A change seen less than this before a crash may be lost (SPEC [I8]); it includes the time until it is seen.
 */
const MAY_BE_LOST_MS = 1_000

/** So long after a sleep, a false offline is attributed to it, in ms: all clients are back, and seen. */
const AFTER_SLEEP_MS = 15_000

/** A state that was requested before a change may arrive after it. */
const SETTLE_MS = 1_500

/** A violation that is seen repeatedly, or by several observers, counts once in this time. */
const REPEAT_MS = 10_000

interface Tracked {
  /** What observers must see: `be hidden` is a connected user who chose to appear offline. */
  must: 'be online' | 'be offline' | 'be hidden'
  since: number
  /** For a user who left: how, and when observers must have seen it. */
  how: Leaving
  deadline: number
  firstSeenAt: number | undefined
  /** Whether the server may not know of the leaving, because it was killed, and holds the session. */
  isHeld: boolean
  isSettled: boolean
}

interface Observer {
  /** The status of each user, as the observer received it. */
  readonly view: Map<string, string>
  syncedAt: number | undefined
}

/** Collects what clients did and observers saw, and finds violations. */
export class InvariantChecker {
  readonly violations: Violation[] = []
  /** How long it took until observers saw that a user left, in ms. */
  readonly detections: Readonly<Record<Leaving, number[]>> = {
    clean: [],
    reset: [],
    silent: [],
    away: [],
  }
  /** How often each rule was checked. */
  readonly checks = new Map<Rule, number>()
  readonly #users = new Map<string, Tracked>()
  readonly #observers = new Map<string, Observer>()
  readonly #reported = new Map<string, number>()
  #startedAt = Number.NEGATIVE_INFINITY
  /** Until when users with a lost connection may be held after a suspension. */
  #returnUntil = Number.NEGATIVE_INFINITY
  #sleptAt = Number.NEGATIVE_INFINITY

  /** The user is connected and must be seen online from now on. */
  present(userId: string, t: number): void {
    this.#track(userId, 'be online', t)
  }

  /** The user is hidden and must not be seen online from now on. */
  hidden(userId: string, t: number): void {
    this.#track(userId, 'be hidden', t)
  }

  /** The user left and must be seen offline in time. */
  left(userId: string, how: Leaving, t: number): void {
    const tracked = this.#track(userId, 'be offline', t)
    tracked.how = how
    const until = t + BOUNDS_MS[how]
    tracked.deadline = how === 'clean' ? until : Math.max(until, this.#returnUntil)
  }

  /** The user is about to connect again: nothing is expected meanwhile. */
  returning(userId: string): void {
    this.#users.delete(userId)
  }

  /**
   * The server started again: users who left shortly before or meanwhile are held for the restart grace. Users
   * who came shortly before may be unknown until they are back.
   */
  started(t: number): void {
    this.#startedAt = t
    for (const user of this.#users.values()) {
      if (user.must === 'be online' && t - user.since < MAY_BE_LOST_MS) {
        user.since = t + RESTART_BOUND_MS
        user.isSettled = false
      }
      if (user.must !== 'be offline') continue
      if (user.firstSeenAt !== undefined && t - user.firstSeenAt > MAY_BE_LOST_MS) continue
      user.deadline = Math.max(user.deadline, t + RESTART_BOUND_MS)
      // The crash may have lost the leaving, even if observers have seen it.
      user.isHeld = true
      user.firstSeenAt = undefined
    }
  }

  /**
   * The server continues after a suspension that clients can notice, or its clock jumped forward: lost users
   * may be held for the restart grace.
   */
  resumed(t: number): void {
    this.#returnUntil = t + RESTART_BOUND_MS
    for (const user of this.#users.values()) {
      if (user.must !== 'be offline' || user.firstSeenAt !== undefined) continue
      // A user who left on purpose is held only if the server was killed before it knew.
      if (user.how === 'clean' && !user.isHeld) continue
      user.deadline = Math.max(user.deadline, this.#returnUntil)
    }
  }

  /** The machine of the server has slept: all clients lost their connection and are about to come back. */
  slept(t: number): void {
    this.#sleptAt = t
  }

  /** Whether clients may still be coming back after a sleep. */
  isAfterSleep(t: number): boolean {
    return t - this.#sleptAt < AFTER_SLEEP_MS
  }

  /** An observer received the state of all users; users who are missing are offline. */
  synced(observer: string, state: ReadonlyMap<string, string>, t: number): void {
    this.#observers.set(observer, { view: new Map(state), syncedAt: t })
    for (const userId of this.#users.keys())
      this.#observe(observer, userId, state.get(userId) ?? 'offline', t)
  }

  /** An observer lost its connection, so its view is outdated. */
  lost(observer: string): void {
    const known = this.#observers.get(observer)
    if (known) known.syncedAt = undefined
  }

  /** An observer received the status of one user. */
  shown(observer: string, userId: string, status: string, t: number): void {
    const known = this.#observers.get(observer)
    if (known?.syncedAt === undefined) return
    known.view.set(userId, status)
    const user = this.#users.get(userId)
    if (user?.must === 'be offline' && status === 'offline') {
      user.firstSeenAt ??= t
      // Users who are held for the restart grace are seen offline later, so their times are not comparable.
      const isHeld = user.how !== 'clean' && this.#returnUntil >= user.since
      if (known.syncedAt < user.since && this.#startedAt < user.since && !isHeld) {
        this.detections[user.how].push(t - user.since)
      }
    }
    this.#observe(observer, userId, status, t)
  }

  /** Checks all deadlines. `toleranceMs` is the delay that this machine may cause now. */
  tick(t: number, toleranceMs: number): void {
    for (const [userId, user] of this.#users) {
      if (user.isSettled) continue
      const due = user.must === 'be offline' ? user.deadline : user.since + SETTLE_MS
      if (t < due + toleranceMs) continue
      user.isSettled = true
      for (const [observer, { view, syncedAt }] of this.#observers) {
        if (syncedAt === undefined || t - syncedAt < SETTLE_MS) continue
        this.#observe(observer, userId, view.get(userId) ?? 'offline', t)
      }
    }
  }

  /** Whether at least one observer is connected, and all connected observers see the user offline. */
  isOfflineForAll(userId: string): boolean {
    const views = [...this.#observers.values()].filter(({ syncedAt }) => syncedAt !== undefined)
    return views.length > 0 && views.every(({ view }) => (view.get(userId) ?? 'offline') === 'offline')
  }

  /** Whether the deadline of the user has been checked. */
  isSettled(userId: string): boolean {
    return this.#users.get(userId)?.isSettled ?? true
  }

  /** Adds a violation that was found elsewhere. */
  violate(rule: Rule, t: number, text: string): void {
    this.violations.push({ rule, t, text })
  }

  /** Counts a check of a rule. */
  checked(rule: Rule, times = 1): void {
    this.checks.set(rule, (this.checks.get(rule) ?? 0) + times)
  }

  #track(userId: string, must: Tracked['must'], t: number): Tracked {
    const tracked: Tracked = {
      must,
      since: t,
      how: 'clean',
      deadline: t,
      firstSeenAt: undefined,
      isHeld: false,
      isSettled: false,
    }
    this.#users.set(userId, tracked)
    return tracked
  }

  #ruleOf(must: Tracked['must'], t: number): Rule {
    if (must === 'be online') return this.isAfterSleep(t) ? 'sleep' : 'I2'
    return must === 'be offline' ? 'I1' : 'hidden'
  }

  #observe(observer: string, userId: string, status: string, t: number): void {
    const user = this.#users.get(userId)
    if (!user) return
    const rule = this.#ruleOf(user.must, t)
    this.checked(rule)
    if ((status === 'offline') === (user.must !== 'be online')) return
    // Before the deadline, the observation may be about the previous state.
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
