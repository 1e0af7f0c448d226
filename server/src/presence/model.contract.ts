import type { Presence as Shown, Status, UserId } from '@who-is-online/protocol/words'
import fc from 'fast-check'
import { type Change, NOTHING, type Outcome } from './change.ts'
import type { Choice, Presence, PresenceOptions, PresenceRecord, SeenUser } from './presence.ts'

/**
 * The rules of presence a second time, told as slowly and plainly as they are written down: one list of all
 * that happened, read from its beginning for every question. `play` holds any `Presence` against it.
 */

type Event =
  | {
      readonly what: 'open'
      readonly userId: UserId
      readonly id: string
      readonly named: boolean
      readonly username: string | undefined
      readonly at: number
    }
  | {
      readonly what: 'leave' | 'lose'
      readonly userId: UserId
      readonly id: string
      readonly at: number
    }
  | { readonly what: 'heard'; readonly userId: UserId; readonly at: number }
  | { readonly what: 'choose'; readonly userId: UserId; readonly choice: Choice; readonly at: number }
  | { readonly what: 'activity'; readonly userId: UserId; readonly id: string; readonly isIdle: boolean }
  | { readonly what: 'identify'; readonly userId: UserId; readonly username: string }
  /** Others were told. When a change is told is the only thing that is taken from the core, after judging it. */
  | { readonly what: 'told'; readonly userId: UserId; readonly at: number }
  | { readonly what: 'forgotten'; readonly userId: UserId }
  /** To everybody: somebody looked at the clock; the process stood still; it is another process from here. */
  | { readonly what: 'look'; readonly at: number }
  | { readonly what: 'pause'; readonly ms: number }
  | { readonly what: 'restart'; readonly at: number }

interface StorySession {
  readonly id: string
  readonly named: boolean
  readonly isIdle: boolean
  /** A live session has no end: Infinity. */
  readonly until: number
}

interface View {
  readonly status: Shown
  readonly text: string | undefined
  readonly expiresAt: number | undefined
}

/** What is so of one user after all events. */
interface Story {
  known: boolean
  sessions: StorySession[]
  choice: Choice
  /** What others see, and what they should see by the rule of presence. */
  shown: View
  due: View
  /** Whether the two differ, a name that waits included. */
  isOwed: boolean
  lastSeen: number | null
  username: string | undefined
  /** A name that others don't see yet. */
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
    const rename = (name: string) => {
      newName = name === username ? undefined : name
    }
    const show = () => {
      shown = dueView(sessions, choice)
      if (shown.status !== 'offline') [username, newName] = [newName ?? username, undefined]
    }
    for (const event of this.#events) {
      if ('userId' in event && event.userId !== userId) continue
      const isHere = sessions.length > 0 || shown.status !== 'offline'
      switch (event.what) {
        case 'open': {
          if (sessions.length === 0 && isOver(choice, event.at)) choice = ONLINE
          // Its own place if it has one, else that of the nameless one lost longest ago: that is what "back" means.
          const own = event.named ? sessions.find(({ id }) => id === event.id) : undefined
          const lost = sessions.filter(isLost).filter(({ named }) => !named)
          const place = own ?? lost.sort((a, b) => a.until - b.until)[0]
          const { id, named } = event
          const session = { id, named, isIdle: place?.isIdle ?? false, until: Infinity }
          sessions = [...sessions.filter(session => session !== place), session]
          known = true
          lastSeen ??= event.at
          proof = event.at
          if (event.username !== undefined) rename(event.username)
          break
        }
        case 'leave':
          sessions = without(sessions, event.id)
          break
        case 'lose': {
          const lost = sessions.find(isLive(event.id))
          if (!lost) break
          sessions = [...without(sessions, event.id), { ...lost, until: event.at + this.#options.graceMs }]
          break
        }
        case 'heard':
          if (isHere) proof = Math.max(proof, event.at)
          break
        case 'choose':
          if (sessions.length > 0) choice = isOver(event.choice, event.at) ? ONLINE : event.choice
          break
        case 'activity': {
          const active = sessions.find(isLive(event.id))
          sessions = sessions.map(session =>
            session === active ? { ...session, isIdle: event.isIdle } : session,
          )
          break
        }
        case 'identify':
          if (known && event.username !== (newName ?? username)) rename(event.username)
          break
        case 'told':
          show()
          break
        case 'forgotten':
          ;({ known, sessions, choice, shown, lastSeen, username, newName } = UNKNOWN)
          break
        case 'look':
          sessions = sessions.filter(session => session.until > event.at)
          if (isOver(choice, event.at)) choice = ONLINE
          break
        case 'pause':
          sessions = sessions.map(session => ({ ...session, until: session.until + event.ms }))
          break
        case 'restart':
          if (isOver(choice, event.at)) choice = ONLINE
          sessions = isHere
            ? [
                {
                  id: 'any',
                  named: false,
                  isIdle: isIdle(sessions),
                  until: event.at + this.#options.restartGraceMs,
                },
              ]
            : []
          shown = OFFLINE
          if (isHere) show()
          proof = lastSeen ?? 0
          break
      }
      // Who is gone, and seen as gone, keeps no choice but one with an end.
      const isGone = sessions.length === 0 && shown.status === 'offline'
      if (isGone && choice.expiresAt === undefined) choice = ONLINE
      if (lastSeen !== null && shown.status !== 'offline') lastSeen = Math.max(lastSeen, proof)
    }
    const due = dueView(sessions, choice)
    const isOwed = !isSame(shown, due) || (due.status !== 'offline' && newName !== undefined)
    return { known, sessions, choice, shown, due, isOwed, lastSeen, username, newName }
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
      const { sessions, choice, due, isOwed } = this.story(userId)
      const forReturn = due.status === 'offline' ? returnMs(this.#options.changePace) : 0
      return [
        ...sessions.map(({ until }) => until),
        choice.expiresAt ?? Infinity,
        isOwed ? this.latest(userId) + forReturn : Infinity,
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

const OFFLINE: View = { status: 'offline', text: undefined, expiresAt: undefined }
const ONLINE: Choice = { status: 'online' }

const UNKNOWN: Story = {
  known: false,
  sessions: [],
  choice: ONLINE,
  shown: OFFLINE,
  due: OFFLINE,
  isOwed: false,
  lastSeen: null,
  username: undefined,
  newName: undefined,
}

/** The rule of presence. */
function dueView(sessions: readonly StorySession[], { status, text, expiresAt }: Choice): View {
  if (sessions.length === 0 || status === 'offline') return OFFLINE
  return { status: status === 'online' && isIdle(sessions) ? 'away' : status, text, expiresAt }
}

const isIdle = (sessions: readonly StorySession[]) =>
  sessions.length > 0 && sessions.every(session => session.isIdle)
const isOver = ({ expiresAt }: Choice, now: number) => expiresAt !== undefined && expiresAt <= now
const isSame = (one: Choice, other: Choice) =>
  one.status === other.status && one.text === other.text && one.expiresAt === other.expiresAt

/** A leaving waits until the return can be paid as well; with a purse for one coin it never could. */
const returnMs = ({ burst, everyMs }: PresenceOptions['changePace']) => (burst > 1 ? everyMs : 0)

const isLost = (session: { until: number }) => session.until < Infinity
const isLive = (id: string) => (session: { id: string; until: number }) =>
  session.id === id && !isLost(session)
const isGone = ({ sessions, shown }: Story) => sessions.length === 0 && shown.status === 'offline'

/** Two live sessions of one id are two: each end ends one. */
function without<S extends { id: string; until: number }>(sessions: readonly S[], id: string): S[] {
  const ended = sessions.find(isLive(id))
  return sessions.filter(session => session !== ended)
}

// What is played

export const USERS = ['ann', 'bob', '__proto__', 'constructor'] as const

export type Step =
  | {
      readonly do: 'open'
      readonly userId: UserId
      readonly id: string
      readonly named: boolean
      readonly username: string | undefined
    }
  | { readonly do: 'leave' | 'lose'; readonly userId: UserId; readonly id: string }
  | { readonly do: 'heard'; readonly userId: UserId; readonly ago: number }
  /** `forMs` is when the choice ends, from then on; it may be over at once. */
  | {
      readonly do: 'setStatus'
      readonly userId: UserId
      readonly status: Status
      readonly text?: string | undefined
      readonly forMs?: number | undefined
    }
  | { readonly do: 'setActivity'; readonly userId: UserId; readonly id: string; readonly isIdle: boolean }
  | { readonly do: 'identify'; readonly userId: UserId; readonly username: string }
  /** Time passes and nobody looks, as when timers are late; or passes to about the next time when something is due. */
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'waitToDue'; readonly off: number }
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
const session = fc.constantFrom('s1', 's2')

const options: fc.Arbitrary<PresenceOptions> = fc.record({
  graceMs: fc.constantFrom(0, 1, 5, 20),
  restartGraceMs: fc.constantFrom(0, 3, 15),
  changePace: fc.record({ burst: fc.constantFrom(1, 2, 3, 10), everyMs: fc.constantFrom(0, 3, 10) }),
  maxKnown: fc.constantFrom(1, 2, 3, 100),
  keepMs: fc.constantFrom(5, 30, 1_000),
})

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
    }),
  },
  {
    weight: 8,
    arbitrary: fc.record({ do: fc.constantFrom('leave', 'lose', 'lose'), userId, id: session }),
  },
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
    weight: 3,
    arbitrary: fc.record({ do: fc.constant('setActivity'), userId, id: session, isIdle: fc.boolean() }),
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
  readonly #paging = new Paging()
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
        const { userId, id, named, username } = step
        const outcome = this.#told(
          userId,
          { what: 'open', userId, id, named, username, at: this.#now },
          now => core.open(userId, { id, named }, now, username),
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
        this.#told(
          step.userId,
          { what: 'choose', userId: step.userId, choice: choiceOf(step, this.#now), at: this.#now },
          now => core.setStatus(step.userId, choiceOf(step, now), now),
        )
        break
      case 'setActivity':
        this.#told(step.userId, { what: 'activity', ...step }, now =>
          core.setActivity(step.userId, step.id, step.isIdle ? 'idle' : 'active', now),
        )
        break
      case 'identify': {
        const { known, username, newName } = this.#story(step.userId)
        // A name that the user has already, or will have, does nothing at all: what waits goes on waiting.
        if (!known || (newName ?? username) === step.username) {
          same(core.identify(step.userId, step.username, this.#now), NOTHING, 'no other name')
          break
        }
        const { touched } = this.#told(step.userId, { what: 'identify', ...step }, now =>
          core.identify(step.userId, step.username, now),
        )
        same(touched, [step.userId], 'touched by a name')
        break
      }
      case 'wait':
        this.#now += step.ms
        break
      case 'waitToDue':
        this.#waitToDue(step.off)
        break
      case 'advance':
        this.#now += step.ms
        this.#advance(step.limit)
        break
      case 'advanceToDue':
        this.#waitToDue(step.off)
        this.#advance(step.limit)
        break
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
        this.#paging.begin(this.#known())
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
    same([...this.#core.list(10), ...this.#core.records(), ...this.#core.page(0, 10).users], [], 'left over')
  }

  #waitToDue(off: number): void {
    const due = this.#model.nextDue(USERS) + off
    if (due < Infinity) this.#now = Math.max(this.#now, due)
  }

  #advance(limit: number): void {
    const now = this.#now
    const before = this.#recordsNow()
    const chosen = this.#choices()
    this.#model.add({ what: 'look', at: now })
    const changes: Change[] = []
    const touched: UserId[] = []
    const choices: UserId[] = []
    for (let rounds = 0; rounds === 0 || this.#core.nextDeadline <= now; rounds++) {
      if (rounds === 1_000) throw new Error('advance never ends')
      const outcome = this.#core.advance(now, limit)
      if (outcome.touched.length > limit) throw new Error(`looked at more than ${limit}`)
      changes.push(...outcome.changes)
      touched.push(...outcome.touched)
      choices.push(...outcome.choices)
    }
    this.#judge(changes, USERS)
    this.#judgeTouched(touched, before)
    this.#judgeChoices(choices, chosen)
  }

  /** Something happens to one user: nobody else's presence may change by it. */
  #told(userId: UserId, event: Event, act: (now: number) => Outcome): Outcome {
    const before = this.#recordsNow()
    const chosen = this.#choices()
    this.#model.add(event)
    const outcome = act(this.#now)
    this.#judge(outcome.changes, [userId])
    this.#judgeTouched(outcome.touched, before)
    if (event.what === 'choose') this.#judgeChoices(outcome.choices, chosen)
    else same(outcome.choices, [], 'choices by anything else')
    return outcome
  }

  /**
   * Are these the changes of those users that have to be told now: each once, at this time, and no others? Since
   * a change is only expected of who is shown otherwise, online and offline alternate.
   */
  #judge(changes: readonly Change[], concerned: readonly UserId[]): void {
    const now = this.#now
    const expected = concerned.flatMap(userId => {
      const { shown, due, isOwed, sessions, choice } = this.#story(userId)
      const hides = sessions.length > 0 && choice.status === 'offline'
      const isTold = changes.some(change => change.userId === userId)
      const forReturn = due.status === 'offline' ? returnMs(this.#options.changePace) : 0
      const must = hides || this.#model.latest(userId) + forReturn <= now
      const may = hides || this.#model.turn(userId) + forReturn <= now
      const change = { userId, status: due.status, previous: shown.status, at: now }
      return isOwed && (must || (may && isTold)) ? [change] : []
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

  /** Whose choice is another now, and who is there to be told: those and no others are named. */
  #judgeChoices(choices: readonly UserId[], before: Map<UserId, Choice>): void {
    const other = USERS.filter(user => {
      const { choice, sessions } = this.#story(user)
      return sessions.length > 0 && !isSame(choice, before.get(user) ?? ONLINE)
    })
    same(choices.toSorted(), other.toSorted(), 'choices')
  }

  #choices(): Map<UserId, Choice> {
    return new Map(USERS.map(user => [user, this.#story(user).choice]))
  }

  #forgotten(user: UserId, allowed: readonly UserId[], oldest: number): void {
    same(allowed.includes(user), true, `${user} may be forgotten`)
    same((this.#story(user).lastSeen ?? 0) <= oldest, true, `${user} is the oldest`)
    this.#model.add({ what: 'forgotten', userId: user })
    this.#lastSeen.delete(user)
    this.#paging.forget(user)
  }

  /** Everything that can be asked, against the model. */
  #compare(): void {
    const core = this.#core
    const records = this.#recordsNow()
    const seen: SeenUser[] = []
    for (const userId of USERS) {
      const { known, sessions, choice, shown, lastSeen, username, newName } = this.#story(userId)
      const user = { userId, ...shown, lastSeen, username }
      same(asSeen(core.see(userId)), asSeen(user), 'see')
      same(core.record(userId) !== undefined, known, `${userId} is known`)
      const own = sessions.length > 0 ? choice : ONLINE
      if (!isSame(core.choice(userId), own)) throw new Error(`choice of ${userId} is another`)
      if (!known || lastSeen === null) continue
      seen.push(user)
      same(lastSeen <= this.#now, true, `lastSeen of ${userId} is not ahead`)
      same(lastSeen >= (this.#lastSeen.get(userId) ?? 0), true, `lastSeen of ${userId} does not go back`)
      this.#lastSeen.set(userId, lastSeen)
      const isHeld = sessions.length > 0 || shown.status !== 'offline'
      const session = sessions.some(session => !isLost(session)) ? 'live' : isHeld ? 'held' : 'none'
      const isKept = session !== 'none' || choice.expiresAt !== undefined
      const { text, expiresAt } = choice
      const idle = isIdle(sessions) || undefined
      const kept = isKept ? { status: choice.status, text, expiresAt } : OFFLINE
      const record = { userId, session, ...kept, idle, lastSeen, username, newUsername: newName } as const
      same(records.get(userId), asKept(record), 'record')
    }
    const online = seen.filter(({ status }) => status !== 'offline')
    same(core.knownCount, seen.length, 'knownCount')
    same(core.onlineCount, online.length, 'onlineCount')
    const listed = [...core.list(10)]
    same(listed.map(asSeen).toSorted(), seen.map(asSeen).toSorted(), 'list')
    const first = listed.slice(0, online.length)
    same(first.map(asSeen).toSorted(), online.map(asSeen).toSorted(), 'list has the online first')
    same([...core.list(2)].map(asSeen), listed.slice(0, 2).map(asSeen), 'list stops at its limit')
    for (const limit of [1, 3]) {
      same(pages(core, limit).toSorted(), this.#known().toSorted(), `paged by ${limit}`)
    }
    const away = seen.filter(({ status }) => status === 'away').map(({ userId }) => userId)
    same(pages(core, 2, 'away').toSorted(), away.toSorted(), 'paged by status')
    this.#paging.step(core, this.#known())
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
      [...this.#core.records()].map(record => [record.userId, asKept({ ...NOTHING_KEPT, ...record })]),
    )
  }
}

/** Goes through everybody page by page, a page after each step, while users come, go and are forgotten. */
class Paging {
  #after = 0
  #met = new Set<UserId>()
  /** Known since the beginning of this paging. */
  #throughout = new Set<UserId>()

  begin(known: readonly UserId[]): void {
    this.#after = 0
    this.#met = new Set()
    this.#throughout = new Set(known)
  }

  /** Who is forgotten may return, and is another one then. */
  forget(user: UserId): void {
    this.#throughout.delete(user)
    this.#met.delete(user)
  }

  step(core: Presence, known: readonly UserId[]): void {
    const { users, next } = core.page(this.#after, 1)
    for (const { userId } of users) {
      same(this.#met.has(userId), false, `${userId} is met once`)
      this.#met.add(userId)
    }
    if (next !== undefined) {
      same(next > this.#after, true, 'a paging goes on')
      this.#after = next
      return
    }
    for (const userId of this.#throughout) same(this.#met.has(userId), true, `${userId} is met`)
    this.begin(known)
  }
}

/** Everybody, page by page. */
function pages(core: Presence, limit: number, status?: Shown): UserId[] {
  const met: UserId[] = []
  let after: number | undefined = 0
  while (after !== undefined) {
    const { users, next }: ReturnType<Presence['page']> = core.page(after, limit, status)
    same(users.length <= limit, true, 'a page stops at its limit')
    met.push(...users.map(({ userId }) => userId))
    same(next === undefined || next > after, true, 'a page leads on')
    after = next
  }
  return met
}

function choiceOf({ status, text, forMs }: Step & { do: 'setStatus' }, now: number): Choice {
  return { status, text, expiresAt: forMs === undefined ? undefined : now + forMs }
}

const asLine = ({ userId, status, previous, at }: Change) => `${userId} ${previous} → ${status} ${at}`
const asSeen = ({ userId, status, lastSeen, username, text, expiresAt }: SeenUser) =>
  `${userId} ${status} ${lastSeen} ${username} ${text} ${expiresAt}`
const asKept = (record: Fields<PresenceRecord>) =>
  [
    record.userId,
    record.session,
    record.status,
    record.text,
    record.expiresAt,
    record.idle,
    record.lastSeen,
    record.username,
    record.newUsername,
  ].join(' ')

const NOTHING_KEPT = {
  text: undefined,
  expiresAt: undefined,
  idle: undefined,
  username: undefined,
  newUsername: undefined,
}

/** With a name that may be undefined instead of left out. */
type Fields<T> = { [Key in keyof T]-?: T[Key] | undefined }

/** Primitives as they are, lists by their parts. */
function same(actual: unknown, expected: unknown, what: string): void {
  if (actual === expected) return
  const [is, should] = [JSON.stringify(actual), JSON.stringify(expected)]
  if (is !== should) throw new Error(`${what}: is ${is}, should be ${should}`)
}
