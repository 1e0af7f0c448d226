import type { UserId } from '@who-is-online/protocol/words'
import type { Change, Decision } from '../change.ts'
import type { Choice } from '../choice.ts'
import type { Elsewhere } from '../elsewhere.ts'
import type { Arrival } from '../here.ts'
import type { LeaseRefusal, LeaseTerms } from '../lease.ts'
import type { PresenceOptions } from '../options.ts'
import { Presence } from '../presence.ts'
import type { PresenceRecord } from '../record.ts'
import type { SessionName } from '../user-sessions.ts'
import type { StoredTimes } from '../wall-clock.ts'

/** The decision of a command, and the changes that others saw. */
export interface Outcome extends Decision {
  readonly changes: readonly Change[]
  /** The users whose stored record has changed. */
  readonly dirty: readonly UserId[]
}

/** Presence on a server of one node: facts become visible at once. */
export class OneNode {
  readonly core: Presence

  constructor(options: PresenceOptions, Core: typeof Presence = Presence, elsewhere?: Elsewhere) {
    this.core = new Core(options, elsewhere)
  }

  restore(records: Iterable<PresenceRecord>, now: number, times?: StoredTimes): void {
    this.core.restore(records, now, times)
  }

  /** Makes visible what was decided. */
  protected publish({ facts }: Decision, _now: number): Change[] {
    return this.core.apply(facts)
  }

  open(userId: UserId, session: SessionName, now: number, arrival?: Arrival): Outcome {
    return this.#apply(this.core.open(userId, session, now, arrival), now)
  }

  lease(userId: UserId, sessionId: string, terms: LeaseTerms, now: number): Outcome | LeaseRefusal {
    const leased = this.core.lease(userId, sessionId, terms, now)
    return typeof leased === 'string' ? leased : this.#apply(leased.decision, now)
  }

  endSession(userId: UserId, sessionId: string, now: number): Outcome {
    return this.#apply(this.core.endSession(userId, sessionId, now), now)
  }

  leave(userId: UserId, sessionId: string, now: number): Outcome {
    return this.#apply(this.core.leave(userId, sessionId, now), now)
  }

  endSessions(userId: UserId, now: number): Outcome {
    return this.#apply(this.core.endSessions(userId, now), now)
  }

  lose(userId: UserId, sessionId: string, now: number): Outcome {
    return this.#apply(this.core.lose(userId, sessionId, now), now)
  }

  setStatus(userId: UserId, choice: Choice, now: number): Outcome {
    return this.#apply(this.core.setStatus(userId, choice, now), now)
  }

  setStatusAhead(userId: UserId, choice: Choice, now: number): Outcome | undefined {
    const decision = this.core.setStatusAhead(userId, choice, now)
    return decision && this.#apply(decision, now)
  }

  setActivity(
    userId: UserId,
    sessionId: string,
    activity: 'active' | 'idle',
    now: number,
    forMs?: number,
  ): Outcome {
    return this.#apply(this.core.setActivity(userId, sessionId, activity, now, forMs), now)
  }

  setVisibility(userId: UserId, sessionId: string, visibility: 'active' | 'inactive', now: number): Outcome {
    return this.#apply(this.core.setVisibility(userId, sessionId, visibility, now), now)
  }

  identify(userId: UserId, username: string, now: number): Outcome {
    return this.#apply(this.core.identify(userId, username, now), now)
  }

  advance(now: number, limit: number): Outcome {
    return this.#apply(this.core.advance(now, limit), now)
  }

  jumped(ms: number, now: number): Outcome {
    return this.#apply(this.core.jumped(ms, now), now)
  }

  forgetStale(now: number, count: number): Outcome {
    this.core.dropRecovered(now, count)
    return this.#apply(this.core.forgetStale(now, count), now)
  }

  heard(...args: Parameters<Presence['heard']>): void {
    this.core.heard(...args)
  }

  leaveOut(ms: number): void {
    this.core.leaveOut(ms)
  }

  suspended(ms: number, now: number): void {
    this.core.suspended(ms, now)
  }

  get nextDeadline(): number {
    return this.core.nextDeadline
  }

  get onlineCount(): number {
    return this.core.onlineCount
  }

  get knownCount(): number {
    return this.core.knownCount
  }

  see(userId: UserId): ReturnType<Presence['see']> {
    return this.core.see(userId)
  }

  list(limit: number): ReturnType<Presence['list']> {
    return this.core.list(limit)
  }

  page(...args: Parameters<Presence['page']>): ReturnType<Presence['page']> {
    return this.core.page(...args)
  }

  choice(userId: UserId): Choice {
    return this.core.choice(userId)
  }

  chosenAt(userId: UserId): number | undefined {
    return this.core.chosenAt(userId)
  }

  knownTime(now: number): number {
    return this.core.knownTime(now)
  }

  storedTime(now: number): number {
    return this.core.storedTime(now)
  }

  record(userId: UserId): PresenceRecord | undefined {
    return this.core.record(userId)
  }

  records(): Iterable<PresenceRecord> {
    return this.core.records()
  }

  #apply(decision: Decision, now: number): Outcome {
    const changes = this.publish(decision, now)
    const stored = decision.records.map(({ userId }) => userId)
    return { ...decision, changes, dirty: [...stored, ...decision.forgotten] }
  }
}
