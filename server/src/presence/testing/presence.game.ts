import type { ShownStatus as Shown, Status, UserId } from '@who-is-online/protocol/words'
import fc from 'fast-check'
import type { BucketPlace } from '../buckets.ts'
import type { Change, EndedSession, OwnChoice } from '../change.ts'
import type { Choice, FirstChoice } from '../choice.ts'
import type { PresenceOptions } from '../options.ts'
import type { Presence } from '../presence.ts'
import type { PresenceRecord } from '../record.ts'
import type { SeenUser } from '../view.ts'
import { OneNode, type Outcome } from './one-node.ts'
import {
  BELIEVE_MS,
  type Event,
  isAheadAt,
  isForgettable,
  isHiding,
  isIdle,
  isInactive,
  isKeptHidden,
  isLost,
  isOver,
  isSame,
  Model,
  OFFLINE,
  ONLINE,
  returnMs,
  type UserState,
} from './presence.model.ts'

// Random games of presence: what can happen to users, clocks and processes, step by step. `play` takes each step
// with the core and with the model, and compares every answer.

export const USERS = ['ann', 'bob', '__proto__', 'constructor'] as const

export type Step =
  | {
      readonly do: 'open'
      readonly userId: UserId
      readonly id: string
      readonly named: boolean
      readonly username: string | undefined
      readonly choice?: StepChoice | undefined
    }
  | {
      readonly do: 'lease'
      readonly userId: UserId
      readonly id: string
      readonly ttlMs: number
      readonly activity: 'active' | 'idle' | undefined
      readonly username: string | undefined
    }
  | { readonly do: 'leave' | 'lose' | 'endSession'; readonly userId: UserId; readonly id: string }
  | { readonly do: 'endSessions'; readonly userId: UserId }
  | { readonly do: 'heard'; readonly userId: UserId; readonly ago: number }
  /** `forMs` is how long the choice lasts. With 0 it has ended at once. */
  | {
      readonly do: 'setStatus'
      readonly userId: UserId
      readonly status: Status
      readonly text?: string | undefined
      readonly forMs?: number | undefined
    }
  | {
      readonly do: 'setActivity'
      readonly userId: UserId
      readonly id: string
      readonly isIdle: boolean
      readonly forMs?: number | undefined
    }
  | {
      readonly do: 'setVisibility'
      readonly userId: UserId
      readonly id: string
      readonly isInactive: boolean
    }
  | { readonly do: 'identify'; readonly userId: UserId; readonly username: string }
  /**
   * Time passes without an `advance`, as when timers are late. `waitToDue` waits until about the next
   * deadline.
   */
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'waitToDue'; readonly off: number }
  /** Time passes, and the core is advanced by `limit` users at a time. */
  | { readonly do: 'advance'; readonly ms: number; readonly limit: number }
  /** The same, until just before, at or just after the next deadline. */
  | { readonly do: 'advanceToDue'; readonly off: number; readonly limit: number }
  | { readonly do: 'suspended' | 'jumped'; readonly ms: number }
  /** The next process starts, perhaps with records of an older version of the server. */
  | { readonly do: 'restart'; readonly ms: number; readonly isFromOld?: boolean | undefined }
  | { readonly do: 'forgetStale'; readonly count: number }

/**
 * The choice that a session begins with. It was made `ago` ms ago. A negative `ago` is in the future: the
 * clock was set back since. Without `ago` it was made just now.
 */
interface StepChoice {
  readonly status: Status
  readonly text?: string | undefined
  readonly forMs?: number | undefined
  readonly ago?: number | undefined
}

export interface Game {
  readonly options: PresenceOptions
  readonly steps: readonly Step[]
}

const userId = fc.constantFrom(...USERS)
const small = fc.nat({ max: 12 })
const session = fc.constantFrom('s1', 's2')

const options: fc.Arbitrary<PresenceOptions> = fc.record({
  graceMs: fc.constantFrom(0, 1, 5, 20),
  restartGraceMs: fc.constantFrom(0, 3, 15),
  inactiveGraceMs: fc.constantFrom(0, 4, 30),
  noticedMs: fc.constantFrom(1, 6, 100),
  hiddenKeepMs: fc.constantFrom(1, 8, 40),
  changePace: fc.record({ burst: fc.constantFrom(1, 2, 3, 10), everyMs: fc.constantFrom(0, 3, 10) }),
  maxKnown: fc.constantFrom(1, 2, 3, 100),
  keepMs: fc.constantFrom(5, 30, 1_000),
})

/** By how much a very wrong clock is wrong, in ms: about twice the longest time without a server. */
const LONG = [180_000_000, -180_000_000]

const limit = fc.integer({ min: 1, max: 4 })
const off = fc.integer({ min: -1, max: 1 })

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('open'),
      userId,
      id: session,
      named: fc.boolean(),
      username: fc.constantFrom(undefined, undefined, undefined, 'Ann'),
      choice: fc.option(
        fc.record({
          status: fc.constantFrom('online', 'busy', 'offline'),
          text: fc.constantFrom(undefined, 'at lunch'),
          forMs: fc.constantFrom(undefined, undefined, 0, 9),
          ago: fc.constantFrom(undefined, -6_000, -3, 0, 2, 20),
        }),
        { nil: undefined, freq: 3 },
      ),
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constantFrom('leave', 'lose', 'lose'), userId, id: session }),
  },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('lease'),
      userId,
      // `s1` is the id of a connection too.
      id: fc.constantFrom('s1', 'l1', 'l2'),
      ttlMs: fc.constantFrom(2, 6, 14),
      activity: fc.constantFrom(undefined, undefined, 'active', 'idle'),
      username: fc.constantFrom(undefined, undefined, 'Ann'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant('endSession'),
      userId,
      id: fc.constantFrom('s1', 's2', 'l1', 'l1'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('endSessions'), userId }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('heard'), userId, ago: fc.nat({ max: 3 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('setStatus'),
      userId,
      status: fc.constantFrom('online', 'online', 'away', 'busy', 'offline', 'offline'),
      text: fc.constantFrom(undefined, undefined, 'at lunch'),
      forMs: fc.constantFrom(undefined, undefined, 0, 4, 15),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('setActivity'),
      userId,
      id: session,
      isIdle: fc.boolean(),
      forMs: fc.constantFrom(undefined, 3, 4, 12),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('setVisibility'), userId, id: session, isInactive: fc.boolean() }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('identify'), userId, username: fc.constantFrom('Ann', 'Bob') }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait'), ms: small }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('waitToDue'), off }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('advance'), ms: small, limit }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('advanceToDue'), off, limit }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('suspended'), ms: small }) },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('restart'),
      ms: fc.oneof(
        { weight: 5, arbitrary: small },
        { weight: 1, arbitrary: fc.constantFrom(...LONG, -10_000) },
      ),
      isFromOld: fc.constantFrom(false, false, true),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('jumped'),
      ms: fc.constantFrom(10_000, -10_000, 6_000, -6_000, ...LONG),
    }),
  },
  // Long enough for a wrong clock to be believed.
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('advance'), ms: fc.constantFrom(BELIEVE_MS, 1_000_000), limit }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('forgetStale'), count: fc.nat({ max: 6 }) }) },
)

export const game: fc.Arbitrary<Game> = fc.record({
  options,
  steps: fc.array(step, { size: 'max', maxLength: 60 }),
})

/**
 * Plays a game with a core and with the model.
 *
 * @param Node how the facts of the core become visible
 * @throws Error at the first difference
 */
export function play(Core: typeof Presence, { options, steps }: Game, Node = OneNode): void {
  const comparison = new Comparison(Core, options, Node)
  for (const step of steps) comparison.take(step)
  comparison.end()
}

const START = Date.UTC(2030, 0, 1)

class Comparison {
  readonly #Core: typeof Presence
  readonly #Node: typeof OneNode
  readonly #options: PresenceOptions
  readonly #model: Model
  readonly #paging = new Paging()
  /** Users whose record was changed by a jump. The next `advance` has to report them. */
  readonly #unreported = new Set<UserId>()
  #core: OneNode
  #now = START
  /** The real time, as far as processes measured it, and the latest time that the wall clock has shown. */
  #knownTime = START
  #latestTime = START

  constructor(Core: typeof Presence, options: PresenceOptions, Node: typeof OneNode) {
    this.#Core = Core
    this.#Node = Node
    this.#options = options
    this.#model = new Model(options)
    this.#core = new Node(options, Core)
    this.#core.restore([], START)
    this.#model.add({ what: 'restart', at: START, knownTime: START, latestTime: START, isFromOld: false })
  }

  #pass(ms: number): void {
    this.#now += ms
    this.#knownTime += ms
  }

  take(step: Step): void {
    this.#take(step)
    this.#latestTime = this.#now
    this.#compare()
  }

  #take(step: Step): void {
    const core = this.#core
    switch (step.do) {
      case 'open': {
        const isNew = !this.#state(step.userId).known
        const excess = Math.max(0, this.#known().length + 1 - this.#options.maxKnown)
        const forgettable = USERS.filter(user => this.#state(user).known && isForgettable(this.#state(user)))
        const { userId, id, named, username } = step
        const choice = firstChoiceOf(step.choice, this.#now)
        const outcome = this.#command(
          userId,
          { what: 'open', userId, id, named, username, choice, at: this.#now },
          now => core.open(userId, { id, named }, now, { username, choice }),
        )
        const forgotten = outcome.dirty.filter(user => user !== step.userId)
        // Only if no other user can be forgotten, the user who has been kept hidden longest is.
        const hidden = USERS.filter(user => isKeptHidden(this.#state(user)))
        const keptLongest = Math.min(...hidden.map(user => this.#state(user).keptUntil))
        const allowed =
          forgettable.length > 0
            ? forgettable
            : hidden.filter(user => this.#state(user).keptUntil === keptLongest)
        expectSame(
          forgotten.length,
          // Of those who are kept hidden, only one is forgotten at a time.
          isNew ? Math.min(excess, forgettable.length || Math.min(1, allowed.length)) : 0,
          'forgotten for a new user',
        )
        const seen = forgettable.map(user => this.#state(user).lastSeen ?? 0).sort((a, b) => a - b)
        const latest = seen[forgotten.length - 1] ?? Infinity
        for (const user of forgotten) this.#checkForgotten(user, allowed, latest)
        break
      }
      case 'lease':
        this.#lease(step)
        break
      case 'leave':
      case 'lose':
      case 'endSession':
        this.#command(step.userId, { what: step.do, ...step, at: this.#now }, now =>
          core[step.do](step.userId, step.id, now),
        )
        break
      case 'endSessions':
        this.#command(step.userId, { what: 'endSessions', userId: step.userId, at: this.#now }, now =>
          core.endSessions(step.userId, now),
        )
        break
      case 'heard': {
        const at = this.#now - step.ago
        this.#model.add({ what: 'heard', userId: step.userId, at })
        core.heard(step.userId, at)
        break
      }
      case 'setStatus':
        this.#setStatus(step)
        break
      case 'setActivity':
        this.#command(
          step.userId,
          { what: 'activity', ...step, activeUntil: this.#now + (step.forMs ?? Infinity), at: this.#now },
          now => core.setActivity(step.userId, step.id, step.isIdle ? 'idle' : 'active', now, step.forMs),
        )
        break
      case 'setVisibility':
        this.#command(step.userId, { what: 'visibility', ...step }, now =>
          core.setVisibility(step.userId, step.id, step.isInactive ? 'inactive' : 'active', now),
        )
        break
      case 'identify': {
        const { known, username, newName } = this.#state(step.userId)
        // A name that the user has already, or will have, changes nothing. A name that waits still waits.
        if (!known || (newName ?? username) === step.username) {
          const nothing = core.identify(step.userId, step.username, this.#now)
          expectSame(
            [...nothing.facts, ...nothing.records, ...nothing.forgotten],
            [],
            'identify without a new name',
          )
          break
        }
        const { dirty } = this.#command(step.userId, { what: 'identify', ...step }, now =>
          core.identify(step.userId, step.username, now),
        )
        expectSame(dirty, [step.userId], 'dirty after identify')
        break
      }
      case 'wait':
        this.#pass(step.ms)
        break
      case 'waitToDue':
        this.#waitToDue(step.off)
        break
      case 'advance':
        this.#pass(step.ms)
        this.#advance(step.limit)
        break
      case 'advanceToDue':
        this.#waitToDue(step.off)
        this.#advance(step.limit)
        break
      case 'suspended':
        this.#now += step.ms
        this.#model.add({ what: 'suspension', ms: step.ms, at: this.#now })
        core.suspended(step.ms, this.#now)
        break
      case 'jumped': {
        const before = this.#recordsNow()
        this.#now += step.ms
        this.#model.add({ what: 'jump', ms: step.ms, at: this.#now, knownTime: this.#knownTime })
        const outcome = core.jumped(step.ms, this.#now)
        expectSame(outcome.changes, [], 'changes after a jump')
        this.#checkRecords(outcome)
        for (const user of this.#changedSince(before))
          if (!outcome.dirty.includes(user)) this.#unreported.add(user)
        break
      }
      case 'restart': {
        this.#now += step.ms
        expectSame(core.knownTime(this.#now - step.ms), this.#knownTime, 'knownTime')
        const isFromOld = step.isFromOld === true
        const records = Array.from(core.records(), record => (isFromOld ? asOldVersion(record) : record))
        this.#core = new this.#Node(this.#options, this.#Core)
        this.#unreported.clear()
        const times = { knownTime: this.#knownTime, latestTime: this.#latestTime }
        this.#core.restore(records, this.#now, times)
        this.#model.add({ what: 'restart', at: this.#now, ...times, isFromOld })
        break
      }
      case 'forgetStale': {
        const stale = USERS.filter(user => {
          const state = this.#state(user)
          const before = Math.min(this.#now, this.#knownTime) - this.#options.keepMs
          const chosenAt = isAheadAt(state, this.#now) ? Math.min(this.#now, state.chosenAt) : 0
          const since = Math.max(state.storedLastSeen ?? 0, chosenAt)
          return state.known && isForgettable(state) && since < before
        })
        const all = step.count >= this.#known().length
        const outcome = core.forgetStale(this.#now, step.count)
        expectSame(outcome.changes, [], 'changes after forgetStale')
        expectSame(outcome.dirty.length <= step.count, true, 'forgetStale respects its count')
        if (all) expectSame(outcome.dirty.toSorted(), stale.toSorted(), 'forgotten because of their age')
        for (const user of outcome.dirty) this.#checkForgotten(user, stale, Infinity)
        break
      }
    }
  }

  /**
   * All users leave, and all deadlines pass. Then only names and times are left, and after `keepMs` nothing.
   */
  end(): void {
    for (const user of USERS) {
      for (const { id, isLeased } of this.#state(user).sessions)
        this.take({ do: isLeased ? 'endSession' : 'leave', userId: user, id })
    }
    // Longer than all jumps together. So each timestamp of a clock that was ahead is in the past then.
    this.take({ do: 'advance', ms: 20_000_000_000, limit: 4 })
    // A user who became offline only then is kept for `hiddenKeepMs`.
    this.take({ do: 'advance', ms: 1_000, limit: 4 })
    expectSame(this.#core.onlineCount, 0, 'onlineCount at the end')
    expectSame(this.#core.nextDeadline === Infinity, true, 'no deadline at the end')
    this.take({ do: 'forgetStale', count: USERS.length })
    expectSame(this.#core.knownCount, 0, 'knownCount after keepMs')
    expectSame(
      [...this.#core.list(10), ...this.#core.records(), ...this.#core.page(undefined, 10).users],
      [],
      'users at the end',
    )
  }

  /** A choice of a client, or of a backend for a user without a session. */
  #setStatus(step: Step & { readonly do: 'setStatus' }): void {
    const { userId } = step
    const { sessions, known, clockAhead } = this.#state(userId)
    const choice = choiceOf(step, this.#now)
    if (sessions.length === 0 && !isAheadAt({ choice, clockAhead }, this.#now)) {
      expectSame(
        this.#core.setStatusAhead(userId, choice, this.#now),
        undefined,
        'a choice without a session',
      )
      return
    }
    // See `#lease`.
    if (!known && this.#known().length >= this.#options.maxKnown) return
    this.#command(userId, { what: 'choose', userId, choice, at: this.#now }, now => {
      if (sessions.length > 0) return this.#core.setStatus(userId, choice, now)
      const outcome = this.#core.setStatusAhead(userId, choice, now)
      if (!outcome) throw new Error('a choice with an end was refused')
      return outcome
    })
  }

  #lease(step: Step & { readonly do: 'lease' }): void {
    const { userId, id, ttlMs, activity, username } = step
    const { sessions, known } = this.#state(userId)
    const core = this.#core
    const terms = { ttlMs, activity, username }
    if (sessions.some(session => session.id === id && !isLost(session))) {
      expectSame(core.lease(userId, id, terms, this.#now), 'connected', 'lease of a connected session')
      return
    }
    // Which user is forgotten for a new one is checked where a connection opens.
    if (!known && this.#known().length >= this.#options.maxKnown) return
    const isIdle = activity && activity === 'idle'
    this.#command(userId, { what: 'lease', userId, id, ttlMs, isIdle, username, at: this.#now }, now => {
      const outcome = core.lease(userId, id, terms, now)
      if (typeof outcome === 'string') throw new Error(`the lease was refused: ${outcome}`)
      return outcome
    })
  }

  #waitToDue(off: number): void {
    const due = this.#model.nextDue(USERS) + off
    if (due < Infinity) this.#pass(Math.max(0, due - this.#now))
  }

  #advance(limit: number): void {
    const now = this.#now
    const before = this.#recordsNow()
    const present = this.#sessions()
    const chosen = this.#choices()
    this.#model.add({ what: 'advance', at: now, knownTime: this.#knownTime })
    const changes: Change[] = []
    const dirty: UserId[] = []
    const choices: OwnChoice[] = []
    const ended: EndedSession[] = []
    for (let rounds = 0; rounds === 0 || this.#core.nextDeadline <= now; rounds++) {
      if (rounds === 1_000) throw new Error('advance has no end')
      const outcome = this.#core.advance(now, limit)
      if (outcome.dirty.length > limit) {
        throw new Error(`advance changed more than ${limit} users`)
      }
      changes.push(...outcome.changes)
      this.#checkRecords(outcome)
      dirty.push(...outcome.dirty)
      choices.push(...outcome.choices)
      ended.push(...outcome.ended)
    }
    this.#checkEnded(ended, present)
    this.#checkChanges(changes, USERS)
    this.#checkStored(dirty, before)
    for (const user of this.#unreported)
      expectSame(dirty.includes(user), true, `${user} is stored after a jump`)
    this.#unreported.clear()
    this.#checkChoices(choices, chosen)
  }

  /** Takes a command for one user, and checks that no other user changes. */
  #command(userId: UserId, event: Event, act: (now: number) => Outcome): Outcome {
    const before = this.#recordsNow()
    const present = this.#sessions()
    const chosen = this.#choices()
    const { sessions, choice, ahead } = this.#state(userId)
    // The end of a choice is not reported for a user without a session, so it is not reported on the return
    // either.
    if (sessions.length === 0 && isOver(choice, this.#now - ahead)) chosen.set(userId, ONLINE)
    this.#model.add(event)
    const outcome = act(this.#now)
    this.#checkChanges(outcome.changes, [userId])
    this.#checkDirty(outcome, before)
    const mayEnd = ['leave', 'endSessions', 'endSession'].includes(event.what)
    this.#checkEnded(outcome.ended, mayEnd ? present : this.#sessions())
    if (event.what === 'choose' || (event.what === 'open' && event.choice)) {
      this.#checkChoices(outcome.choices, chosen)
    } else expectSame(outcome.choices, [], 'choices of another command')
    return outcome
  }

  /**
   * Checks that each pending change of these users that is allowed now came once and with this time, and that
   * no other change came. A change is only expected if the user looks different, so online and offline
   * alternate.
   */
  #checkChanges(changes: readonly Change[], concerned: readonly UserId[]): void {
    const now = this.#now
    const expected = concerned.flatMap(userId => {
      const { shown, due, isPending, sessions, choice, cause } = this.#state(userId)
      const hides = sessions.length > 0 && choice.status === 'offline'
      const forReturn = due.status === 'offline' ? returnMs(this.#options.changePace) : 0
      const must = hides || this.#model.turn(userId) + forReturn <= now
      const change = { userId, status: due.status, previousStatus: shown.status, at: now, cause }
      return isPending && must ? [change] : []
    })
    expectSame(changes.map(changeLine).toSorted(), expected.map(changeLine).toSorted(), 'changes')
    for (const change of changes) this.#model.add({ what: 'shown', ...change })
  }

  #checkDirty(outcome: Outcome, before: Map<UserId, string>): void {
    this.#checkRecords(outcome)
    this.#checkStored(outcome.dirty, before)
  }

  /** Checks that the reported record of each user is the newest one. */
  #checkRecords({ records, forgotten }: Outcome): void {
    const newest = new Map(records.map(record => [record.userId, record]))
    for (const [userId, record] of newest) {
      if (!forgotten.includes(userId))
        expectSame(record, this.#core.record(userId), `reported record of ${userId}`)
    }
    for (const userId of forgotten) expectSame(this.#core.record(userId), undefined, `record of ${userId}`)
  }

  /**
   * Checks that each user whose record has changed is reported: otherwise the new record would not be stored.
   */
  #checkStored(dirty: readonly UserId[], before: Map<UserId, string>): void {
    for (const user of this.#changedSince(before)) expectSame(dirty.includes(user), true, `dirty ${user}`)
  }

  #changedSince(before: Map<UserId, string>): UserId[] {
    const after = this.#recordsNow()
    return USERS.filter(user => before.get(user) !== after.get(user))
  }

  /**
   * Checks that the choice is reported of exactly those users who have a session and another choice than
   * before.
   */
  #checkChoices(choices: readonly OwnChoice[], before: Map<UserId, Choice>): void {
    const other = USERS.filter(user => {
      const { choice, sessions } = this.#state(user)
      return sessions.length > 0 && !isSame(choice, before.get(user) ?? ONLINE)
    })
    const named = choices.map(({ userId }) => userId)
    expectSame(named.toSorted(), other.toSorted(), 'choices')
    for (const { userId, choice, madeAt } of choices) {
      const state = this.#state(userId)
      expectSame(isSame(choice, state.choice), true, `choice of ${userId}`)
      expectSame(madeAt ?? 0, state.chosenAt, `time of the choice of ${userId}`)
    }
  }

  /** Checks that each session that has ended is reported, except sessions from before a restart. */
  #checkEnded(ended: readonly EndedSession[], before: readonly string[]): void {
    const left = [...before]
    for (const session of this.#sessions()) {
      const place = left.indexOf(session)
      if (place >= 0) left.splice(place, 1)
    }
    const expected = left.filter(session => !session.endsWith(' any'))
    expectSame(
      ended.map(({ userId, sessionId }) => `${userId} ${sessionId}`).toSorted(),
      expected.toSorted(),
      'ended',
    )
  }

  #sessions(): string[] {
    return USERS.flatMap(user => this.#state(user).sessions.map(({ id }) => `${user} ${id}`))
  }

  #choices(): Map<UserId, Choice> {
    return new Map(USERS.map(user => [user, this.#state(user).choice]))
  }

  #checkForgotten(user: UserId, allowed: readonly UserId[], latest: number): void {
    expectSame(allowed.includes(user), true, `${user} can be forgotten`)
    expectSame((this.#state(user).lastSeen ?? 0) <= latest, true, `${user} is one of the oldest`)
    this.#model.add({ what: 'forgotten', userId: user })
    this.#unreported.delete(user)
    this.#paging.forget(user)
  }

  /** Compares the answer to every query with the model. */
  #compare(): void {
    const core = this.#core
    // A sign of life of an unknown user changes nothing, but tells the core the time.
    core.heard('nobody', this.#now)
    const records = this.#recordsNow()
    const seen: SeenUser[] = []
    for (const userId of USERS) {
      const state = this.#state(userId)
      const { known, sessions, choice, shown, lastSeen, username, newName, wasSeen } = state
      const publicLastSeen = lastSeen === null || !wasSeen ? null : Math.min(lastSeen, this.#now)
      const user = { userId, ...shown, lastSeen: publicLastSeen, username, since: undefined }
      expectSame(seenLine(core.see(userId)), seenLine(user), 'see')
      expectSame(core.record(userId) !== undefined, known, `${userId} is known`)
      const own = sessions.length > 0 ? choice : ONLINE
      if (!isSame(core.choice(userId), own)) throw new Error(`choice of ${userId} differs`)
      if (!known) continue
      if (wasSeen) seen.push(user)
      const isHeld = sessions.length > 0 || shown.status !== 'offline'
      const leased = sessions.filter(({ isLeased }) => isLeased)
      const isOnlyLeased = sessions.length > 0 && sessions.length === leased.length
      const isLive = sessions.some(session => !isLost(session))
      const session = isLive ? 'live' : isOnlyLeased ? 'leased' : isHeld ? 'held' : 'none'
      const leases = leased.map(({ id, openedAt, until, isIdle }) => {
        const lease = { sessionId: id, openedAt, endsAt: until }
        return isIdle ? { ...lease, idle: true as const } : lease
      })
      const keptHidden = (state.keptUntil > 0 && isHiding(choice)) || undefined
      const isKept = session !== 'none' || choice.expiresAt !== undefined || keptHidden
      const { text, expiresAt } = choice
      const idle = isIdle(sessions) || undefined
      const inactive = isInactive(sessions) || undefined
      const kept = isKept ? { status: choice.status, text, expiresAt } : OFFLINE
      const chosenAt = state.chosenAt || undefined
      const names = { username, newUsername: newName }
      const record = {
        userId,
        session,
        leases: leases.length > 0 ? leases : undefined,
        ...kept,
        chosenAt,
        keptHidden,
        idle,
        inactive,
        lastSeen: state.storedLastSeen ?? 0,
        unseen: wasSeen ? undefined : true,
        aheadMs: state.aheadMs,
        ...names,
      } as const
      expectSame(records.get(userId), recordLine(record), 'record')
    }
    const online = seen.filter(({ status }) => status !== 'offline')
    expectSame(core.knownCount, this.#known().length, 'knownCount')
    expectSame(core.onlineCount, online.length, 'onlineCount')
    const listed = [...core.list(10)]
    expectSame(listed.map(seenLine).toSorted(), seen.map(seenLine).toSorted(), 'list')
    const first = listed.slice(0, online.length)
    expectSame(
      first.map(seenLine).toSorted(),
      online.map(seenLine).toSorted(),
      'list begins with online users',
    )
    expectSame([...core.list(2)].map(seenLine), listed.slice(0, 2).map(seenLine), 'list respects its limit')
    for (const limit of [1, 3]) {
      expectSame(
        pages(core, limit).toSorted(),
        seen.map(({ userId }) => userId).toSorted(),
        `paged by ${limit}`,
      )
    }
    const away = seen.filter(({ status }) => status === 'away').map(({ userId }) => userId)
    expectSame(pages(core, 2, 'away').toSorted(), away.toSorted(), 'paged by status')
    this.#paging.step(core, this.#seen())
    const due = this.#model.nextDue(USERS)
    if (core.nextDeadline > due)
      throw new Error(`nextDeadline is ${core.nextDeadline}, should be at most ${due}`)
  }

  #state(user: UserId): UserState {
    return this.#model.state(user)
  }

  #known(): UserId[] {
    return USERS.filter(user => this.#state(user).known)
  }

  #seen(): UserId[] {
    return USERS.filter(user => this.#state(user).wasSeen)
  }

  #recordsNow(): Map<UserId, string> {
    return new Map(
      [...this.#core.records()].map(record => [record.userId, recordLine({ ...EMPTY_RECORD, ...record })]),
    )
  }
}

/** Reads all users page by page, one page after each step, while users come, go and are forgotten. */
class Paging {
  #after: BucketPlace | undefined
  #met = new Set<UserId>()
  /** The users who have been known since the paging began. */
  #knownThroughout = new Set<UserId>()

  begin(known: readonly UserId[]): void {
    this.#after = undefined
    this.#met = new Set()
    this.#knownThroughout = new Set(known)
  }

  /** A forgotten user who returns counts as another user. */
  forget(user: UserId): void {
    this.#knownThroughout.delete(user)
    this.#met.delete(user)
  }

  step(core: OneNode, known: readonly UserId[]): void {
    const { users, next } = core.page(this.#after, 1)
    for (const { userId } of users) {
      expectSame(this.#met.has(userId), false, `${userId} is on one page only`)
      this.#met.add(userId)
    }
    if (next !== undefined) {
      expectSame(isLater(next, this.#after), true, 'paging makes progress')
      this.#after = next
      return
    }
    for (const userId of this.#knownThroughout)
      expectSame(this.#met.has(userId), true, `${userId} is on a page`)
    this.begin(known)
  }
}

/** The ids of all users, read page by page. */
function pages(core: OneNode, limit: number, status?: Shown): UserId[] {
  const met: UserId[] = []
  let after: BucketPlace | undefined
  for (;;) {
    const { users, next } = core.page(after, limit, status)
    expectSame(users.length <= limit, true, 'a page respects its limit')
    met.push(...users.map(({ userId }) => userId))
    if (!next) return met
    expectSame(isLater(next, after), true, 'paging makes progress')
    after = next
  }
}

function isLater(next: BucketPlace, before: BucketPlace | undefined): boolean {
  if (!before || next.bucket > before.bucket) return true
  return next.bucket === before.bucket && next.after > before.after
}

function choiceOf({ status, text, forMs }: Step & { do: 'setStatus' }, now: number): Choice {
  return { status, text, expiresAt: forMs === undefined ? undefined : now + forMs }
}

/**
 * The record as an older version wrote it. That version did not store when a choice was made, and stored no
 * hidden or inactive state of users without a session.
 */
function asOldVersion({
  chosenAt,
  inactive,
  keptHidden,
  unseen,
  aheadMs,
  ...record
}: PresenceRecord): PresenceRecord {
  const { text, ...withoutText } = record
  return keptHidden ? withoutText : record
}

export function firstChoiceOf(choice: StepChoice | undefined, now: number): FirstChoice | undefined {
  if (!choice) return undefined
  const { status, text, forMs, ago } = choice
  const expiresAt = forMs === undefined ? undefined : now + forMs
  return { status, text, expiresAt, madeAt: ago === undefined ? undefined : now - ago }
}

type ExpectedChange = Pick<Change, 'userId' | 'status' | 'previousStatus' | 'at' | 'cause'>

const changeLine = ({ userId, status, previousStatus, at, cause }: ExpectedChange) =>
  `${userId} ${previousStatus} → ${status} ${at} ${cause}`
const seenLine = ({ userId, status, lastSeen, username, text, expiresAt }: SeenUser) =>
  `${userId} ${status} ${lastSeen} ${username} ${text} ${expiresAt}`
const recordLine = (record: Fields<PresenceRecord>) =>
  [
    record.userId,
    record.session,
    record.status,
    record.text,
    record.expiresAt,
    record.chosenAt,
    record.keptHidden,
    record.idle,
    record.inactive,
    record.unseen,
    record.aheadMs,
    record.lastSeen,
    record.username,
    record.newUsername,
    JSON.stringify(record.leases),
  ].join(' ')

const EMPTY_RECORD = {
  leases: undefined,
  text: undefined,
  expiresAt: undefined,
  chosenAt: undefined,
  keptHidden: undefined,
  idle: undefined,
  inactive: undefined,
  unseen: undefined,
  aheadMs: undefined,
  username: undefined,
  newUsername: undefined,
}

/** All fields of `T`, each of which may be undefined. */
type Fields<T> = { [Key in keyof T]-?: T[Key] | undefined }

/** Compares two primitives, or two lists by their JSON. */
function expectSame(actual: unknown, expected: unknown, label: string): void {
  if (actual === expected) return
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (is !== should) throw new Error(`${label}: is ${is}, should be ${should}`)
}
