import type { ManualClock } from './clock.fake.ts'
import type { FakeUsers } from './users.fake.ts'
import type { Message, SentRequest } from './wire.ts'

/** Users in one page of a state: few, so that most states have several pages. */
const PAGE_USERS = 3

/** A state that is being sent page by page. */
interface State {
  /** Returns the ids. Called when the state's turn comes: earlier, it would miss users who change meanwhile. */
  readonly list: () => readonly string[]
  /** The ids that are not sent yet; undefined before the first page. */
  rest: string[] | undefined
  readonly sent: string[]
  readonly all: boolean
  readonly recovered: boolean
  readonly id: number | undefined
}

/** What the feed needs of its connection. */
export interface FeedOutput {
  send(message: Message | { type: string }): void
  isOpen(): boolean
  /** Closes a connection that cannot catch up. */
  tooSlow(): void
}

/** The subscriptions of one connection of the fake server: states in pages, and diffs. */
export class FakeFeed {
  readonly topics = new Set<string>()
  readonly #users: FakeUsers
  readonly #clock: ManualClock
  readonly #random: () => number
  readonly #output: FeedOutput
  #all = false
  #count: number | undefined
  /** The number of the last message, and up to which number this connection has everything. */
  #sentSeq = 0
  #seq = 0
  readonly #states: State[] = []
  #isActive = true
  /** A diff was lost, and no later message has revealed the gap. */
  #hasGap = false
  #losesNextDiff = false

  constructor(users: FakeUsers, clock: ManualClock, random: () => number, output: FeedOutput) {
    this.#users = users
    this.#clock = clock
    this.#random = random
    this.#output = output
  }

  /** The connection begins at the current position. */
  begin(): void {
    this.#sentSeq = this.#users.seq
    this.#seq = this.#users.seq
  }

  /** Loses the next diff. */
  loseNextDiff(): void {
    this.#losesNextDiff = true
  }

  setActive(isActive: boolean): void {
    this.#isActive = isActive
    this.catchUp()
  }

  subscribe(request: Extract<SentRequest, { type: 'subscribe' }>): void {
    const users = this.#users
    const { id, since } = request
    if ('count' in request) {
      this.#count = users.onlineCount
      return this.#output.send({ type: 'online_count', count: this.#count, id })
    }
    this.catchUp()
    const recovered = since !== undefined && users.recalls(since)
    const changed = recovered ? users.changedAfter(since.seq) : undefined
    if ('all' in request) {
      this.#all = true
      this.#start(
        changed
          ? { list: () => [...changed], rest: undefined, sent: [], all: true, recovered: true, id }
          : this.#allUsers(id),
      )
    } else {
      for (const userId of request.userIds) this.topics.add(userId)
      const list = () => request.userIds.filter(userId => changed?.has(userId) ?? true)
      this.#start({ list, rest: undefined, sent: [], all: false, recovered, id })
    }
  }

  unsubscribe(request: Extract<SentRequest, { type: 'unsubscribe' }>): void {
    if ('userIds' in request) for (const userId of request.userIds) this.topics.delete(userId)
    else if ('all' in request) this.#all = false
    else this.#count = undefined
  }

  /** Sends what has changed since the last message, unless a state is being sent or the client is inactive. */
  catchUp(): void {
    const users = this.#users
    if (!this.#output.isOpen() || !this.#isActive) return
    if (this.#count !== undefined && this.#count !== users.onlineCount) {
      this.#count = users.onlineCount
      this.#output.send({ type: 'online_count', count: this.#count })
    }
    if (this.#states.length > 0) return
    if (!users.recalls({ epoch: users.epoch, seq: this.#seq }))
      return this.#all ? this.#start(this.#allUsers(undefined)) : this.#output.tooSlow()
    const changed = this.#changed().map(userId => users.get(userId))
    this.#seq = users.seq
    if (changed.length === 0) return
    const diff = { type: 'presence_diff', prevSeq: this.#sentSeq, seq: users.seq, users: changed } as const
    this.#sentSeq = users.seq
    this.#hasGap = this.#losesNextDiff
    if (!this.#losesNextDiff) this.#output.send(diff)
    this.#losesNextDiff = false
  }

  /** Sends an empty diff if the client cannot know of a gap yet. */
  revealGap(): void {
    if (this.#hasGap && this.#output.isOpen() && this.#states.length === 0) this.#sendEmptyDiff()
  }

  /** All users online, and those offline whom the client subscribed to by id or who are in an earlier page. */
  #allUsers(id: number | undefined, sent: readonly string[] = []): State {
    const list = () => [
      ...new Set([...this.#users.online().map(user => user.userId), ...this.topics, ...sent]),
    ]
    return { list, rest: undefined, sent: [...sent], all: true, recovered: false, id }
  }

  #start(state: State): void {
    this.#states.push(state)
    if (this.#states.length === 1) this.#sendPage()
  }

  /** Sends a page; more follow after a delay. The last page has what changed meanwhile. */
  #sendPage(): void {
    const [state] = this.#states
    const users = this.#users
    if (!state || !this.#output.isOpen()) return
    const { epoch, seq } = users
    const { recovered, id } = state
    if (this.#hasGap) this.#sendEmptyDiff()
    if (!state.rest) {
      state.rest = [...state.list()]
      // A state of all users has all changes before it.
      if (state.all && !recovered) this.#seq = seq
    }
    const page = state.rest.splice(0, PAGE_USERS)
    state.sent.push(...page)
    const send = (userIds: Iterable<string>, last: boolean): void => {
      const pageUsers = [...userIds].map(userId => users.get(userId))
      const all = (state.all && this.#all) || undefined
      this.#output.send({ type: 'presence_state', epoch, seq, users: pageUsers, last, recovered, all, id })
    }
    if (state.rest.length > 0) {
      send(page, false)
      this.#clock.setTimeout(() => this.#sendPage(), this.#random() * 100)
      return
    }
    if (this.#all && !users.recalls({ epoch, seq: this.#seq })) {
      // The log lacks changes since the first page: send all users. A state by id follows; another one ends
      // as this one.
      state.rest = undefined
      if (state.all) this.#states[0] = this.#allUsers(id, recovered ? [] : state.sent)
      else this.#states.unshift(this.#allUsers(undefined))
      return this.#sendPage()
    }
    const last = new Set([...page, ...this.#changed()])
    this.#states.shift()
    this.#sentSeq = seq
    this.#seq = seq
    send(last, true)
    this.#sendPage()
  }

  #changed(): string[] {
    const users = this.#users
    const changed = users.changedAfter(this.#seq)
    if (this.#all) return [...changed]
    // The server keeps the newest number of each subscribed user, also beyond its log.
    const isInLog = users.recalls({ epoch: users.epoch, seq: this.#seq })
    return [...this.topics].filter(userId => !isInLog || changed.has(userId))
  }

  #sendEmptyDiff(): void {
    this.#hasGap = false
    this.#output.send({ type: 'presence_diff', prevSeq: this.#sentSeq, seq: this.#sentSeq, users: [] })
  }
}
