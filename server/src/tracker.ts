import type { UserId } from '@who-is-online/protocol/words'
import type { ChangeFeed } from './changes/feed.ts'
import type { FactLog } from './cluster/log.ts'
import type { Decision } from './presence/change.ts'
import type { Choice } from './presence/choice.ts'
import type { Arrival } from './presence/here.ts'
import type { Presence } from './presence/presence.ts'
import type { Store } from './storage/store.ts'
import type { Clock } from './time/clock.ts'

/** One tab or device of a user, by the id that it keeps over reconnects. */
export interface Session {
  readonly userId: UserId
  readonly sessionId: string
}

/** A session that begins. */
export interface NewSession extends Session {
  /** Whether the client named the session itself, and will name it again when it comes back. */
  readonly isNamed: boolean
}

export interface TrackerPorts {
  readonly presence: Presence
  readonly log: FactLog
  readonly feed: Pick<ChangeFeed, 'append' | 'chosen'>
  readonly store: Pick<Store, 'put' | 'delete' | 'recordAlive'>
  readonly clock: Pick<Clock, 'now'>
  /** Called with the number of users who were forgotten, once for many. */
  readonly forgot: (users: number) => void
}

/** How many users one step looks at: about a millisecond of work. */
const USERS_PER_STEP = 500

/** What a process crash may cost in `lastSeen` of those online; see `Store.recordAlive`. */
const ALIVE_EVERY_MS = 4_000

/** For how long users who are forgotten are counted before their number is said. */
const FORGOT_COUNT_MS = 5_000

/**
 * The commands: each tells `presence` what happened and when, and hands on what that changed, to the store and to the feed of
 * changes. Knows no socket and no message.
 */
export class Tracker {
  readonly #ports: TrackerPorts
  /** In awake time. */
  #aliveAt = Number.NEGATIVE_INFINITY
  /** How many users were forgotten of whom that was not said yet, and since when (awake). */
  #forgotten = 0
  #forgottenSince = 0
  #stopped = false

  constructor(ports: TrackerPorts) {
    this.#ports = ports
    const { log, presence, feed } = ports
    log.listen(facts => feed.append(presence.apply(facts)))
  }

  /** A session begins, perhaps with a name and a choice of its user. */
  open({ userId, sessionId, isNamed }: NewSession, arrival: Arrival): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    const session = { id: sessionId, named: isNamed }
    this.#publish(presence.open(userId, session, clock.now(), arrival), sessionId)
  }

  /** A client left its session on purpose, which is its last sign of life. */
  leave({ userId, sessionId }: Session): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    const now = clock.now()
    presence.heard(userId, now)
    this.#publish(presence.leave(userId, sessionId, now))
  }

  /** The connection of a session was lost. */
  lose({ userId, sessionId }: Session): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    this.#publish(presence.lose(userId, sessionId, clock.now()))
  }

  /** A client gave a sign of life, just now. */
  heard({ userId }: Pick<Session, 'userId'>): void {
    const { presence, clock } = this.#ports
    presence.heard(userId, clock.now())
  }

  /** A user chooses what others see. Returns when the choice was made, in ms since the epoch. */
  setStatus({ userId, sessionId }: Session, choice: Choice): number {
    const { presence, clock } = this.#ports
    const now = clock.now()
    if (!this.#stopped) this.#publish(presence.setStatus(userId, choice, now), sessionId)
    return presence.chosenAt(userId) ?? now
  }

  /** A user takes a name. */
  identify(userId: UserId, username: string): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    this.#publish(presence.identify(userId, username, clock.now()))
  }

  /** Somebody is active or idle in a session. */
  setActivity({ userId, sessionId }: Session, activity: 'active' | 'idle'): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    this.#publish(presence.setActivity(userId, sessionId, activity, clock.now()))
  }

  /** Whether anybody looks at a session. */
  setVisibility({ userId, sessionId }: Session, visibility: 'active' | 'inactive'): void {
    if (this.#stopped) return
    const { presence, clock } = this.#ports
    this.#publish(presence.setVisibility(userId, sessionId, visibility, clock.now()))
  }

  /**
   * Time passes. Returns whether there is more to do at once: a million users who are due are not handled in
   * one step.
   */
  advance(now: number, awake: number): boolean {
    if (this.#stopped) return false
    const { presence, store } = this.#ports
    this.#publish(presence.advance(now, USERS_PER_STEP))
    const forgotten = presence.forgetStale(now, USERS_PER_STEP)
    this.#publish(forgotten)
    this.#sayForgotten(forgotten.forgotten.length, awake)
    if (presence.onlineCount > 0 && awake - this.#aliveAt >= ALIVE_EVERY_MS) {
      store.recordAlive(presence.storedTime(now), presence.knownTime(now))
      this.#aliveAt = awake
    }
    return presence.nextDeadline <= now
  }

  /** The wall clock was set by `ms` and says `now`; see `Presence.jumped`. */
  jumped(ms: number, now: number): void {
    const { presence, store } = this.#ports
    this.#publish(presence.jumped(ms, now))
    // What was stored as alive before is by another clock.
    if (presence.onlineCount > 0) store.recordAlive(presence.storedTime(now), presence.knownTime(now))
  }

  /** Leaves `ms` out of all durations; see `Presence.leaveOut`. */
  leaveOut(ms: number): void {
    this.#ports.presence.leaveOut(ms)
  }

  /** This process was suspended for `ms`; see `Presence.suspended`. */
  suspended(ms: number, now: number): void {
    this.#ports.presence.suspended(ms, now)
  }

  /** From now on nothing happens any more: what is saved next is the state that the next process finds. */
  stop(): void {
    this.#stopped = true
  }

  get isStopped(): boolean {
    return this.#stopped
  }

  #sayForgotten(users: number, awake: number): void {
    if (this.#forgotten === 0) this.#forgottenSince = awake
    this.#forgotten += users
    if (this.#forgotten === 0 || awake - this.#forgottenSince < FORGOT_COUNT_MS) return
    this.#ports.forgot(this.#forgotten)
    this.#forgotten = 0
  }

  /** The only exit: what was decided goes to the store and to the log, and from there to the feed. */
  #publish({ facts, records, forgotten, choices }: Decision, bySession?: string): void {
    const { store, feed, log } = this.#ports
    for (const record of records) store.put(record)
    for (const userId of forgotten) store.delete(userId)
    for (const choice of choices) feed.chosen(choice, bySession)
    log.append(facts)
  }
}
