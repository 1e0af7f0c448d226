import type { Presence as Shown, Status, UserId } from '@who-is-online/protocol/words'
import fc from 'fast-check'
import type { Change } from './change.ts'
import type { Presence, PresenceOptions, PresenceRecord, SeenUser } from './presence.ts'

/**
 * The rules of presence a second time, told as slowly and plainly as they are written down: one list of all
 * that happened, read from its beginning for every question. `play` holds any `Presence` against it.
 */

type Event =
  | {
      readonly what: 'open' | 'leave' | 'lose'
      readonly userId: UserId
      readonly id: string
      readonly at: number
    }
  | { readonly what: 'heard'; readonly userId: UserId; readonly at: number }
  | { readonly what: 'choose'; readonly userId: UserId; readonly status: Status; readonly at: number }
  | { readonly what: 'identify'; readonly userId: UserId; readonly username: string }
  /** Others were told. When a change is told is the only thing that is taken from the core, after judging it. */
  | { readonly what: 'told'; readonly userId: UserId; readonly status: Shown; readonly at: number }
  | { readonly what: 'forgotten'; readonly userId: UserId }
  /** To everybody: somebody looked at the clock; the process stood still; it is another process from here. */
  | { readonly what: 'look'; readonly at: number }
  | { readonly what: 'pause'; readonly ms: number }
  | { readonly what: 'restart'; readonly at: number }

/** What is so of one user after all events. A live session has no end: `until` is Infinity. */
interface Story {
  known: boolean
  sessions: { id: string; until: number }[]
  choice: Status
  /** What others see, and what they should see by the rule of presence. */
  shown: Shown
  due: Shown
  lastSeen: number | null
  username: string | undefined
  /** A name taken while nobody was to see it. */
  newName: string | undefined
}

class Model {
  readonly #events: Event[] = []
  readonly #options: PresenceOptions
  /** A question that was asked already since the last event: what is read again would be the same. */
  readonly #asked = new Map<UserId, Story>()

  constructor(options: PresenceOptions) {
    this.#options = options
  }

  add(event: Event): void {
    this.#events.push(event)
    this.#asked.clear()
  }

  story(userId: UserId): Story {
    const story = this.#asked.get(userId) ?? this.#read(userId)
    this.#asked.set(userId, story)
    return story
  }

  #read(userId: UserId): Story {
    let { known, sessions, choice, shown, lastSeen, username, newName } = UNKNOWN
    let proof = 0
    for (const event of this.#events) {
      if ('userId' in event && event.userId !== userId) continue
      const isHere = sessions.length > 0 || shown !== 'offline'
      switch (event.what) {
        case 'open': {
          // Whoever comes takes the place of the one lost longest ago: that is what "back" means.
          const back = sessions.filter(isLost).sort((a, b) => a.until - b.until)[0]
          sessions = [...sessions.filter(session => session !== back), { id: event.id, until: Infinity }]
          known = true
          lastSeen ??= event.at
          proof = event.at
          break
        }
        case 'leave':
          sessions = without(sessions, event.id)
          break
        case 'lose':
          if (!sessions.some(isLive(event.id))) break
          sessions = [
            ...without(sessions, event.id),
            { id: event.id, until: event.at + this.#options.graceMs },
          ]
          break
        case 'heard':
          if (isHere) proof = Math.max(proof, event.at)
          break
        case 'choose':
          if (sessions.length === 0) break
          choice = event.status
          break
        case 'identify':
          if (!known || event.username === (newName ?? username)) break
          if (sessions.length > 0 && shown === 'offline') newName = event.username
          else [username, newName] = [event.username, undefined]
          break
        case 'told':
          shown = event.status
          break
        case 'forgotten':
          ;({ known, sessions, choice, shown, lastSeen, username, newName } = UNKNOWN)
          break
        case 'look':
          sessions = sessions.filter(session => session.until > event.at)
          break
        case 'pause':
          sessions = sessions.map(({ id, until }) => ({ id, until: until + event.ms }))
          break
        case 'restart':
          sessions = isHere ? [{ id: 'any', until: event.at + this.#options.restartGraceMs }] : []
          shown = isHere ? choice : 'offline'
          proof = lastSeen ?? 0
          break
      }
      if (sessions.length === 0) choice = 'online'
      if (shown !== 'offline') [username, newName] = [newName ?? username, undefined]
      if (lastSeen !== null && shown !== 'offline') lastSeen = Math.max(lastSeen, proof)
    }
    const due = sessions.length === 0 ? 'offline' : choice
    return { known, sessions, choice, shown, due, lastSeen, username, newName }
  }

  /** From when on a change may be told: by a purse that holds `burst` coins and gets one every `everyMs`. */
  turn(userId: UserId): number {
    const { burst, everyMs } = this.#options.changePace
    if (everyMs === 0) return 0
    let coins = burst * everyMs
    let since = Number.NEGATIVE_INFINITY
    for (const { at } of this.#toldSinceRestart(userId)) {
      coins = Math.min(burst * everyMs, coins + at - since) - everyMs
      since = at
    }
    return since + everyMs - coins
  }

  /**
   * By when it must be told. After a pause of the process it may be late by as long: what waits is held like a
   * grace, and no grace runs down while the process stands still.
   */
  latest(userId: UserId): number {
    const last = this.#toldSinceRestart(userId).at(-1)
    const since = last ? this.#events.slice(this.#events.indexOf(last)) : []
    return since.reduce((at, event) => (event.what === 'pause' ? at + event.ms : at), this.turn(userId))
  }

  /** When the clock has to be looked at next: a lost session is over, or a change has its turn. */
  nextDue(userIds: readonly UserId[]): number {
    const times = userIds.flatMap(userId => {
      const { sessions, shown, due } = this.story(userId)
      const forReturn = due === 'offline' ? returnMs(this.#options.changePace) : 0
      return [
        ...sessions.map(({ until }) => until),
        shown === due ? Infinity : this.latest(userId) + forReturn,
      ]
    })
    return Math.min(...times)
  }

  #toldSinceRestart(userId: UserId): (Event & { what: 'told' })[] {
    return this.#events
      .slice(this.#events.findLastIndex(({ what }) => what === 'restart') + 1)
      .filter(event => event.what === 'told')
      .filter(event => event.userId === userId)
  }
}

const UNKNOWN: Story = {
  known: false,
  sessions: [],
  choice: 'online',
  shown: 'offline',
  due: 'offline',
  lastSeen: null,
  username: undefined,
  newName: undefined,
}

/** A leaving waits until the return can be paid as well; with a purse for one coin it never could. */
const returnMs = ({ burst, everyMs }: PresenceOptions['changePace']) => (burst > 1 ? everyMs : 0)

const isLost = (session: { until: number }) => session.until < Infinity
const isLive = (id: string) => (session: { id: string; until: number }) =>
  session.id === id && !isLost(session)
const isGone = ({ sessions, shown }: Story) => sessions.length === 0 && shown === 'offline'

/** Two live sessions of one id are two: each end ends one. */
function without<S extends { id: string; until: number }>(sessions: readonly S[], id: string): S[] {
  const ended = sessions.find(isLive(id))
  return sessions.filter(session => session !== ended)
}

// What is played

export const USERS = ['ann', 'bob', '__proto__', 'constructor'] as const

export type Step =
  | { readonly do: 'open' | 'leave' | 'lose'; readonly userId: UserId; readonly id: string }
  | { readonly do: 'heard'; readonly userId: UserId; readonly ago: number }
  | { readonly do: 'setStatus'; readonly userId: UserId; readonly status: Status }
  | { readonly do: 'identify'; readonly userId: UserId; readonly username: string }
  /** Time passes and nobody looks, as when timers are late. */
  | { readonly do: 'wait'; readonly ms: number }
  /** Time passes and is looked at, `limit` users at a time. */
  | { readonly do: 'advance'; readonly ms: number; readonly limit: number }
  /** The same, to just before, at or just after the next time at which something is due. */
  | { readonly do: 'advanceToDue'; readonly off: number; readonly limit: number }
  | { readonly do: 'paused' | 'restart'; readonly ms: number }
  | { readonly do: 'forgetStale'; readonly count: number }

export interface Game {
  readonly options: PresenceOptions
  readonly steps: readonly Step[]
}

const userId = fc.constantFrom(...USERS)
const small = fc.nat({ max: 12 })

const options: fc.Arbitrary<PresenceOptions> = fc.record({
  graceMs: fc.constantFrom(0, 1, 5, 20),
  restartGraceMs: fc.constantFrom(0, 3, 15),
  changePace: fc.record({ burst: fc.constantFrom(1, 2, 3, 10), everyMs: fc.constantFrom(0, 3, 10) }),
  maxKnown: fc.constantFrom(1, 2, 3, 100),
  keepMs: fc.constantFrom(5, 30, 1_000),
})

const limit = fc.integer({ min: 1, max: 4 })

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constantFrom('open', 'open', 'leave', 'lose', 'lose'),
      userId,
      id: fc.constantFrom('s1', 's2'),
    }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('heard'), userId, ago: fc.nat({ max: 3 }) }) },
  {
    weight: 5,
    arbitrary: fc.record({
      do: fc.constant('setStatus'),
      userId,
      status: fc.constantFrom('online', 'offline'),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('identify'), userId, username: fc.constantFrom('Ann', 'Bob') }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('wait'), ms: small }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('advance'), ms: small, limit }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('advanceToDue'), off: fc.integer({ min: -1, max: 1 }), limit }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('paused', 'restart'), ms: small }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('forgetStale'), count: fc.nat({ max: 6 }) }) },
)

export const game: fc.Arbitrary<Game> = fc.record({
  options,
  steps: fc.array(step, { size: 'max', maxLength: 60 }),
})

/** Plays a game against a core and the model, and throws at the first difference. */
export function play(Core: typeof Presence, { options, steps }: Game): void {
  const table = new Table(Core, options)
  for (const step of steps) table.take(step)
  table.end()
}

const START = 1_000

class Table {
  readonly #Core: typeof Presence
  readonly #options: PresenceOptions
  readonly #model: Model
  readonly #lastSeen = new Map<UserId, number>()
  #core: Presence
  #now = START

  constructor(Core: typeof Presence, options: PresenceOptions) {
    this.#Core = Core
    this.#options = options
    this.#model = new Model(options)
    this.#core = new Core(options)
  }

  take(step: Step): void {
    const core = this.#core
    switch (step.do) {
      case 'open': {
        const isNew = !this.#story(step.userId).known
        const isFull = this.#known().length >= this.#options.maxKnown
        const gone = USERS.filter(user => this.#story(user).known && isGone(this.#story(user)))
        const outcome = this.#told(step.userId, { what: step.do, ...step, at: this.#now }, now =>
          core.open(step.userId, step.id, now),
        )
        const forgotten = outcome.touched.filter(user => user !== step.userId)
        same(forgotten.length, isNew && isFull && gone.length > 0 ? 1 : 0, 'forgotten for a newcomer')
        const oldest = Math.min(...gone.map(user => this.#story(user).lastSeen ?? 0))
        for (const user of forgotten) this.#forgotten(user, gone, oldest)
        break
      }
      case 'leave':
      case 'lose':
        this.#told(step.userId, { what: step.do, ...step, at: this.#now }, now =>
          core[step.do](step.userId, step.id, now),
        )
        break
      case 'heard': {
        const at = this.#now - step.ago
        this.#model.add({ what: 'heard', userId: step.userId, at })
        core.heard(step.userId, at)
        break
      }
      case 'setStatus':
        this.#told(step.userId, { what: 'choose', ...step, at: this.#now }, now =>
          core.setStatus(step.userId, step.status, now),
        )
        break
      case 'identify': {
        const { known, username, newName } = this.#story(step.userId)
        this.#model.add({ what: 'identify', ...step })
        const isNews = known && (newName ?? username) !== step.username
        const outcome = core.identify(step.userId, step.username)
        same(outcome.changes, [], 'changes by a name')
        same(outcome.touched, isNews ? [step.userId] : [], 'touched by a name')
        break
      }
      case 'wait':
        this.#now += step.ms
        break
      case 'advance':
        this.#now += step.ms
        this.#advance(step.limit)
        break
      case 'advanceToDue': {
        const due = this.#model.nextDue(USERS) + step.off
        if (due < Infinity) this.#now = Math.max(this.#now, due)
        this.#advance(step.limit)
        break
      }
      case 'paused':
        this.#now += step.ms
        this.#model.add({ what: 'pause', ms: step.ms })
        core.paused(step.ms)
        break
      case 'restart': {
        this.#now += step.ms
        const records = [...core.records()]
        this.#core = new this.#Core(this.#options)
        this.#core.restore(records, this.#now)
        this.#model.add({ what: 'restart', at: this.#now })
        break
      }
      case 'forgetStale': {
        const stale = USERS.filter(user => {
          const story = this.#story(user)
          return story.known && isGone(story) && (story.lastSeen ?? 0) < this.#now - this.#options.keepMs
        })
        const all = step.count >= this.#known().length
        const outcome = core.forgetStale(this.#now, step.count)
        same(outcome.changes, [], 'changes by forgetting')
        same(outcome.touched.length <= step.count, true, 'forgets no more than it may look at')
        if (all) same(outcome.touched.toSorted(), stale.toSorted(), 'forgotten by age')
        for (const user of outcome.touched) this.#forgotten(user, stale, Infinity)
        break
      }
    }
    this.#compare()
  }

  /** Everybody leaves, and all that could wait has its time: nothing is left but names and times, then nothing. */
  end(): void {
    for (const user of USERS) {
      for (const { id } of this.#story(user).sessions) this.take({ do: 'leave', userId: user, id })
    }
    this.take({ do: 'advance', ms: 10_000, limit: 4 })
    same(this.#core.onlineCount, 0, 'online after all have left')
    same(this.#core.nextDeadline === Infinity, true, 'nothing waits after all have left')
    this.take({ do: 'forgetStale', count: USERS.length })
    same(this.#core.knownCount, 0, 'known after the time of remembering')
    same([...this.#core.list(10), ...this.#core.records()], [], 'left over')
  }

  #advance(limit: number): void {
    const now = this.#now
    const before = this.#recordsNow()
    this.#model.add({ what: 'look', at: now })
    const changes: Change[] = []
    const touched: UserId[] = []
    for (let rounds = 0; rounds === 0 || this.#core.nextDeadline <= now; rounds++) {
      if (rounds === 1_000) throw new Error('advance never ends')
      const outcome = this.#core.advance(now, limit)
      if (outcome.touched.length > limit) throw new Error(`looked at more than ${limit}`)
      changes.push(...outcome.changes)
      touched.push(...outcome.touched)
    }
    this.#judge(changes, USERS)
    this.#judgeTouched(touched, before)
  }

  /** Something happens to one user: nobody else's presence may change by it. */
  #told(
    userId: UserId,
    event: Event,
    act: (now: number) => { changes: readonly Change[]; touched: readonly UserId[] },
  ): { touched: readonly UserId[] } {
    const before = this.#recordsNow()
    this.#model.add(event)
    const outcome = act(this.#now)
    this.#judge(outcome.changes, [userId])
    this.#judgeTouched(outcome.touched, before)
    return outcome
  }

  /**
   * Are these the changes of those users that have to be told now: each once, at this time, and no others? Since
   * a change is only expected of who is shown otherwise, online and offline alternate.
   */
  #judge(changes: readonly Change[], concerned: readonly UserId[]): void {
    const now = this.#now
    const expected = concerned.flatMap(userId => {
      const { shown, due, sessions } = this.#story(userId)
      const hides = sessions.length > 0 && due === 'offline'
      const isTold = changes.some(change => change.userId === userId)
      const forReturn = due === 'offline' ? returnMs(this.#options.changePace) : 0
      const must = hides || this.#model.latest(userId) + forReturn <= now
      const may = hides || this.#model.turn(userId) + forReturn <= now
      return shown !== due && (must || (may && isTold)) ? [{ userId, status: due, at: now }] : []
    })
    same(changes.map(asLine).toSorted(), expected.map(asLine).toSorted(), 'changes')
    for (const change of changes) this.#model.add({ what: 'told', ...change })
  }

  /** Whose record is another now has to be among the touched, or the disk would not learn of it. */
  #judgeTouched(touched: readonly UserId[], before: Map<UserId, string>): void {
    const after = this.#recordsNow()
    for (const user of USERS) {
      if (before.get(user) !== after.get(user)) same(touched.includes(user), true, `touched ${user}`)
    }
  }

  #forgotten(user: UserId, allowed: readonly UserId[], oldest: number): void {
    same(allowed.includes(user), true, `${user} may be forgotten`)
    same((this.#story(user).lastSeen ?? 0) <= oldest, true, `${user} is the oldest`)
    this.#model.add({ what: 'forgotten', userId: user })
    this.#lastSeen.delete(user)
  }

  /** Everything that can be asked, against the model. */
  #compare(): void {
    const core = this.#core
    const records = this.#recordsNow()
    const seen: SeenUser[] = []
    for (const userId of USERS) {
      const { known, sessions, choice, shown, lastSeen, username, newName } = this.#story(userId)
      const user = { userId, status: shown, lastSeen, username }
      same(asSeen(core.see(userId)), asSeen(user), 'see')
      same(core.record(userId) !== undefined, known, `${userId} is known`)
      if (!known || lastSeen === null) continue
      seen.push(user)
      same(lastSeen <= this.#now, true, `lastSeen of ${userId} is not ahead`)
      same(lastSeen >= (this.#lastSeen.get(userId) ?? 0), true, `lastSeen of ${userId} does not go back`)
      this.#lastSeen.set(userId, lastSeen)
      const isHeld = sessions.length > 0 || shown !== 'offline'
      const session = sessions.some(session => !isLost(session)) ? 'live' : isHeld ? 'held' : 'none'
      const kept = { userId, session, status: session === 'none' ? 'offline' : choice, lastSeen } as const
      same(records.get(userId), asKept({ ...kept, username, newUsername: newName }), 'record')
    }
    const online = seen.filter(({ status }) => status !== 'offline')
    same(core.knownCount, seen.length, 'knownCount')
    same(core.onlineCount, online.length, 'onlineCount')
    const listed = [...core.list(10)]
    same(listed.map(asSeen).toSorted(), seen.map(asSeen).toSorted(), 'list')
    const first = listed.slice(0, online.length)
    same(first.map(asSeen).toSorted(), online.map(asSeen).toSorted(), 'list has the online first')
    same([...core.list(2)].map(asSeen), listed.slice(0, 2).map(asSeen), 'list stops at its limit')
    const due = this.#model.nextDue(USERS)
    if (core.nextDeadline > due) throw new Error(`sleeps until ${core.nextDeadline}, due is ${due}`)
  }

  #story(user: UserId): Story {
    return this.#model.story(user)
  }

  #known(): UserId[] {
    return USERS.filter(user => this.#story(user).known)
  }

  #recordsNow(): Map<UserId, string> {
    return new Map(
      [...this.#core.records()].map(record => [
        record.userId,
        asKept({ username: undefined, newUsername: undefined, ...record }),
      ]),
    )
  }
}

const asLine = ({ userId, status, at }: Change) => `${userId} ${status} ${at}`
const asSeen = ({ userId, status, lastSeen, username }: SeenUser) =>
  `${userId} ${status} ${lastSeen} ${username}`
const asKept = ({ userId, session, status, lastSeen, username, newUsername }: Fields<PresenceRecord>) =>
  `${userId} ${session} ${status} ${lastSeen} ${username} ${newUsername}`

/** With a name that may be undefined instead of left out. */
type Fields<T> = { [Key in keyof T]-?: T[Key] | undefined }

/** Primitives as they are, lists by their parts. */
function same(actual: unknown, expected: unknown, what: string): void {
  if (actual === expected) return
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (is !== should) throw new Error(`${what}: is ${is}, should be ${should}`)
}
