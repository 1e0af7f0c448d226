import { messages } from '@who-is-online/protocol/v2'
import type { ManualClock } from './clock.fake.ts'
import type { WebSocketConstructor, WebSocketLike } from './platform.ts'
import { type Position, type ServerErrorCode, STATUSES, type Status, type User } from './protocol.ts'
import type { Message, SentRequest } from './wire.ts'

// A server of protocol v2, as docs/protocol-v2.md has it and no further, over pairs of sockets that are no sockets: what
// is said arrives later, in order, or never; what closes is known on each side at another time.

/** The state of one user, small pages and a short memory, so that a few steps meet every border. */
const PAGE_USERS = 3
const REMEMBERED = 10
const WINDOW_MS = 10

/** How long a choice outlives the last connection of its user, in ms, and how long one that hides the user. */
const GRACE_MS = 5_000
const HIDDEN_KEEP_MS = 3_600_000

/** What a client says again by itself. */
const REFUSED: readonly SentRequest['type'][] = [
  'subscribe',
  'unsubscribe',
  'client_state',
  'set_activity',
  'get_users',
  'set_status',
]

/** What a user chose, and when. */
export interface Choice {
  readonly status: Status
  readonly text?: string | undefined
  readonly expiresAt?: string | undefined
  readonly at: number
}

/** How the world behaves at the moment. */
export interface Weather {
  /** Longest way of a message, in ms. */
  delayMs: number
  /** What share of the attempts is refused, and what share vanishes without a word. */
  refused: number
  vanished: number
  /** What share of what the client repeats by itself is refused for now. */
  tooFast: number
  /** With which code. */
  refusal: ServerErrorCode
}

export class FakeServer {
  readonly weather: Weather = { delayMs: 0, refused: 0, vanished: 0, tooFast: 0, refusal: 'too_fast' }
  readonly clock: ManualClock
  random: () => number
  readonly connections = new Set<Connection>()
  /** Those that no client has closed, nor heard of that they are closed. */
  readonly held = new Set<Connection>()
  readonly users = new Map<string, User>()
  epoch = 'e1'
  seq = 100
  /** Every version of a user has a number, which their text shows. */
  #version = 0
  #log: { readonly seq: number; readonly userId: string }[] = []
  #lives = 1
  #flushDue = false
  attempts = 0
  /** How often it has said that a session has another connection. */
  replaced = 0
  /** Who was refused or let in, by URL. */
  readonly urls: string[] = []
  readonly protocols: string[][] = []
  /** What the clients said, as it came. */
  readonly heard: SentRequest[] = []
  /** Hears what a client says when it says it. */
  overhear: (said: SentRequest) => void = () => {}
  readonly #choices = new Map<string, Choice>()
  /** When the last connection of a user was gone. */
  readonly #goneAt = new Map<string, number>()
  /** How often it has forgotten what users chose. */
  forgets = 0
  /** What others saw of each user who connects here, one after the other. */
  readonly shown = new Map<string, string[]>()

  constructor(clock: ManualClock, random: () => number = () => 0) {
    this.clock = clock
    this.random = random
  }

  /** What a client takes for the class `WebSocket`. */
  get WebSocket(): WebSocketConstructor {
    const server = this
    return class implements WebSocketLike {
      onmessage: WebSocketLike['onmessage'] = null
      onclose: WebSocketLike['onclose'] = null
      onerror: WebSocketLike['onerror'] = null
      readonly #far: Connection

      constructor(url: string, protocols: string[]) {
        server.urls.push(url)
        server.protocols.push(protocols)
        this.#far = new Connection(server, this, new URL(url, 'ws://fake'))
      }

      send(text: string): void {
        this.#far.fromClient(text)
      }

      close(code?: number): void {
        this.#far.closedByClient(code ?? 1005)
      }
    }
  }

  online(): User[] {
    return [...this.users.values()].filter(user => user.status !== 'offline')
  }

  get onlineCount(): number {
    return this.online().length
  }

  see(userId: string): User {
    return this.users.get(userId) ?? { userId, status: 'offline', lastSeen: null }
  }

  /** Somebody changes. */
  change(userId: string, status: User['status']): void {
    const at = new Date(this.clock.now()).toISOString()
    this.users.set(userId, { userId, status, lastSeen: at, text: `v${++this.#version}` })
    this.#log.push({ seq: ++this.seq, userId })
    this.#log = this.#log.slice(-REMEMBERED)
    if (this.#flushDue) return
    this.#flushDue = true
    this.clock.setTimeout(() => {
      this.#flushDue = false
      for (const connection of this.connections) connection.catchUp()
    }, WINDOW_MS)
  }

  recalls({ epoch, seq }: Position): boolean {
    return epoch === this.epoch && seq <= this.seq && seq >= (this.#log[0]?.seq ?? this.seq + 1) - 1
  }

  changedAfter(seq: number): Set<string> {
    return new Set(this.#log.filter(entry => entry.seq > seq).map(entry => entry.userId))
  }

  // What users choose

  /** What a user chose; undefined where that is nothing, or forgotten. */
  choice(userId: string): Choice | undefined {
    const choice = this.#choices.get(userId)
    const keepMs = choice?.status === 'offline' ? HIDDEN_KEEP_MS : GRACE_MS
    const isGone = this.#of(userId).length === 0
    if (isGone && this.clock.now() - (this.#goneAt.get(userId) ?? 0) > keepMs) this.#forget(userId)
    return this.#choices.get(userId)
  }

  /** A user chooses, now or at a time before. Returns whether that is the last choice that the server knows of. */
  choose(userId: string, choice: Omit<Choice, 'at'>, at = this.#later(userId), by?: Connection): boolean {
    const known = this.choice(userId)
    if (known && known.at >= at) return false
    const own = { ...choice, at }
    this.#put(userId, own, by)
    const { expiresAt } = choice
    if (!expiresAt) return true
    this.clock.setTimeout(() => {
      // The end of a choice is none by itself: one that was made meanwhile is newer.
      if (this.#choices.get(userId) === own) this.#put(userId, { status: 'online', at })
    }, Date.parse(expiresAt) - this.clock.now())
    return true
  }

  #put(userId: string, choice: Choice, by?: Connection): void {
    this.#choices.set(userId, choice)
    if (this.#of(userId).length === 0) this.#goneAt.set(userId, this.clock.now())
    for (const connection of this.#of(userId)) if (connection !== by) connection.tellChoice()
    this.show(userId)
  }

  /** After what the user chose before, though it may be the same ms. */
  #later(userId: string): number {
    return Math.max(this.clock.now(), (this.#choices.get(userId)?.at ?? 0) + 1)
  }

  #of(userId: string): Connection[] {
    return [...this.connections].filter(connection => connection.userId === userId)
  }

  /** A connection is gone; with `isClean` the user left. */
  left(userId: string, isClean: boolean): void {
    if (this.#of(userId).length > 0) return
    if (isClean) this.#forget(userId)
    this.#goneAt.set(userId, this.clock.now())
  }

  /** Notes what others see of a user who is connected. */
  show(userId: string): void {
    if (this.#of(userId).length === 0) return
    const { status = 'online', text } = this.#choices.get(userId) ?? {}
    const seen = status === 'offline' || !text ? status : `${status} ${text}`
    const all = this.shown.get(userId) ?? []
    if (all.at(-1) !== seen) this.shown.set(userId, [...all, seen])
  }

  /** Loses what users chose. */
  forgetChoices(): void {
    for (const userId of this.#choices.keys()) this.#forget(userId)
  }

  #forget(userId: string): void {
    if (this.#choices.delete(userId)) this.forgets++
  }

  /** A new life: numbers begin anew. Half of the users are gone, and nobody is told so. */
  restart(): void {
    this.epoch = `e${++this.#lives}`
    this.seq = Math.floor(this.random() * 200)
    this.#log = []
    for (const [userId, user] of this.users) {
      if (this.random() < 0.5)
        this.users.set(userId, { ...user, status: 'offline', text: `v${++this.#version}` })
    }
    for (const connection of [...this.connections]) connection.end(4503, 50)
  }
}

interface State {
  /** Asked for when the state's turn has come: before, it would miss who changes meanwhile. */
  readonly list: () => readonly string[]
  userIds: string[] | undefined
  readonly told: string[]
  readonly all: boolean
  readonly recovered: boolean
  readonly id: number | undefined
}

/** The server's side of one socket, and the way between the two. */
export class Connection {
  readonly #server: FakeServer
  readonly #client: WebSocketLike
  readonly sessionId: string
  readonly userId: string
  readonly #query: URLSearchParams
  #state: 'opening' | 'open' | 'over' = 'opening'
  /** Nothing gets through any more, and neither side knows. */
  #isStalled = false
  #toClientAt = 0
  #toServerAt = 0
  readonly topics = new Set<string>()
  #all = false
  #count: number | undefined
  #told = 0
  #seen = 0
  readonly #states: State[] = []
  #isActive = true
  /** A diff was lost, and nothing has shown it yet. */
  #hasHole = false
  #losesNextDiff = false

  constructor(server: FakeServer, client: WebSocketLike, url: URL) {
    this.#server = server
    this.#client = client
    this.sessionId = url.searchParams.get('sessionId') ?? ''
    this.userId = url.searchParams.get('userId') ?? 'token'
    this.#query = url.searchParams
    server.attempts++
    server.held.add(this)
    const luck = server.random()
    const { refused, vanished } = server.weather
    if (luck < vanished) this.#isStalled = true
    else if (luck < vanished + refused) this.#later(() => this.#closeAtClient(1006))
    else this.#later(() => this.#open())
  }

  // The way

  #way(): number {
    return this.#server.random() * this.#server.weather.delayMs
  }

  #later(task: () => void): void {
    this.#server.clock.setTimeout(task, this.#way())
  }

  say(message: Message | { type: string }): void {
    const { clock } = this.#server
    this.#toClientAt = Math.max(this.#toClientAt, clock.now() + this.#way())
    const text = JSON.stringify(message)
    clock.setTimeout(() => {
      if (!this.#isStalled) this.#client.onmessage?.({ data: text } as never)
    }, this.#toClientAt - clock.now())
  }

  fromClient(text: string): void {
    const server = this.#server
    const { clock } = server
    server.overhear(JSON.parse(text))
    this.#toServerAt = Math.max(this.#toServerAt, clock.now() + this.#way())
    clock.setTimeout(() => {
      if (this.#isStalled || this.#state !== 'open') return
      const said: SentRequest = JSON.parse(text)
      server.heard.push(said)
      if (!this.#isTooFast(said)) return this.#receive(said)
      // What is long is refused unread, so its number is not known.
      const { id } = text.length > 1_024 ? {} : said
      const { refusal } = server.weather
      this.say({ type: 'error', code: refusal, message: refusal, retryAfterMs: 300, id })
    }, this.#toServerAt - clock.now())
  }

  closedByClient(code: number): void {
    this.#server.held.delete(this)
    this.#later(() => this.#gone(code === 1000))
    // A client that has closed hears of it all the same, when it has long forgotten.
    this.#server.clock.setTimeout(() => this.#closeAtClient(code), Math.min(60_000, this.#way() * 20))
  }

  #closeAtClient(code: number): void {
    this.#server.held.delete(this)
    this.#client.onclose?.({ code } as never)
  }

  #gone(isClean = false): void {
    this.#state = 'over'
    if (this.#server.connections.delete(this)) this.#server.left(this.userId, isClean)
  }

  stall(): void {
    this.#isStalled = true
  }

  loseDiff(): void {
    this.#losesNextDiff = true
  }

  /** The line breaks: each side learns it in its own time, and what is on its way is lost. */
  cut(): void {
    this.#isStalled = true
    this.#later(() => this.#gone())
    this.#later(() => this.#closeAtClient(1006))
  }

  /** The server closes, in good order. */
  end(code: number, retryAfterMs = 0): void {
    if (code === 4409) this.#server.replaced++
    this.say({ type: 'disconnect', code, reason: 'because', retryAfterMs })
    this.#gone()
    const { clock } = this.#server
    clock.setTimeout(() => this.#closeAtClient(code), this.#toClientAt - clock.now() + this.#way())
  }

  // The server

  #open(): void {
    if (this.#state === 'over') return
    const server = this.#server
    for (const other of server.connections) {
      if (other.sessionId === this.sessionId && other.userId === this.userId) other.end(4409)
    }
    this.#state = 'open'
    server.connections.add(this)
    if (!this.#beginChoice()) return this.end(4400)
    this.#told = server.seq
    this.#seen = server.seq
    const { epoch, seq } = server
    this.say({
      type: 'welcome',
      epoch,
      seq,
      serverTime: new Date(server.clock.now()).toISOString(),
      heartbeatMs: 15_000,
      limits: { ...messages.welcome.example.limits, maxWatchedUsers: 10_000 },
    })
    const { status = 'online', text, expiresAt } = server.choice(this.userId) ?? {}
    if (status !== 'online' || text || expiresAt) this.tellChoice()
  }

  /** The connection begins with the choice in its URL, before anybody sees it. Returns whether the URL is well-formed. */
  #beginChoice(): boolean {
    const server = this.#server
    const [status, expiresAt, chosenAt] = ['status', 'expiresAt', 'chosenAt'].map(
      name => this.#query.get(name) ?? undefined,
    )
    const now = server.clock.now()
    const at = chosenAt === undefined ? undefined : Date.parse(chosenAt)
    const end = expiresAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(expiresAt)
    const isStatus = status === undefined ? !(expiresAt || chosenAt) : STATUSES.includes(status as Status)
    if (!isStatus || Number.isNaN(at ?? 0) || Number.isNaN(end) || this.#query.has('text')) return false
    if (status && end > now) server.choose(this.userId, { status: status as Status, expiresAt }, at, this)
    server.show(this.userId)
    return true
  }

  /** Tells what the user chose, unasked or as a reply. */
  tellChoice(id?: number): void {
    const {
      status = 'online',
      text,
      expiresAt,
      at = this.#server.clock.now(),
    } = this.#server.choice(this.userId) ?? {}
    this.say({ type: 'status_updated', status, timestamp: new Date(at).toISOString(), text, expiresAt, id })
  }

  #isTooFast({ type }: SentRequest): boolean {
    const { random, weather } = this.#server
    return REFUSED.includes(type) && random() < weather.tooFast
  }

  #receive(said: SentRequest): void {
    const server = this.#server
    const { id } = said
    switch (said.type) {
      case 'subscribe':
        return this.#subscribe(said)
      case 'unsubscribe':
        if ('userIds' in said) for (const userId of said.userIds) this.topics.delete(userId)
        else if ('all' in said) this.#all = false
        else this.#count = undefined
        return this.say({ type: 'ack', id })
      case 'client_state':
        this.#isActive = said.state === 'active'
        this.catchUp()
        return this.say({ type: 'ack', id })
      case 'get_users':
        return this.say({ type: 'users', users: said.userIds.map(userId => server.see(userId)), id })
      case 'set_status':
        return this.#setStatus(said)
      case 'ping':
        return this.say({ type: 'pong', id })
      default:
        return this.say({ type: 'ack', id })
    }
  }

  #setStatus({ status, text, expiresAt, id }: Extract<SentRequest, { type: 'set_status' }>): void {
    const server = this.#server
    if (expiresAt && Date.parse(expiresAt) <= server.clock.now()) {
      return this.say({
        type: 'error',
        code: 'bad_message',
        message: '"expiresAt" must be in the future',
        id,
      })
    }
    server.choose(this.userId, { status, text: text || undefined, expiresAt }, undefined, this)
    this.tellChoice(id)
  }

  #subscribe(said: Extract<SentRequest, { type: 'subscribe' }>): void {
    const server = this.#server
    const { id, since } = said
    if ('count' in said) {
      this.#count = server.onlineCount
      return this.say({ type: 'online_count', count: this.#count, id })
    }
    this.catchUp()
    const recovered = since !== undefined && server.recalls(since)
    const changed = recovered ? server.changedAfter(since.seq) : undefined
    if ('all' in said) {
      this.#all = true
      this.#begin(
        changed
          ? { list: () => [...changed], userIds: undefined, told: [], all: true, recovered: true, id }
          : this.#everybody(id),
      )
    } else {
      for (const userId of said.userIds) this.topics.add(userId)
      const list = () => said.userIds.filter(userId => changed?.has(userId) ?? true)
      this.#begin({ list, userIds: undefined, told: [], all: false, recovered, id })
    }
  }

  /** Everybody who is online, and those who are not but are followed by name or have been told before. */
  #everybody(id: number | undefined, told: readonly string[] = []): State {
    const server = this.#server
    const list = () => [...new Set([...server.online().map(user => user.userId), ...this.topics, ...told])]
    return { list, userIds: undefined, told: [...told], all: true, recovered: false, id }
  }

  #begin(state: State): void {
    this.#states.push(state)
    if (this.#states.length === 1) this.#tellPage()
  }

  /** Page by page, with time between; the last has what changed meanwhile. */
  #tellPage(): void {
    const [state] = this.#states
    const server = this.#server
    if (!state || this.#state !== 'open') return
    const { epoch, seq } = server
    const { recovered, id } = state
    if (this.#hasHole) this.#showHole()
    if (!state.userIds) {
      state.userIds = [...state.list()]
      // Of everybody, everybody's newest is told from here on: what was missed before does not matter any more.
      if (state.all && !recovered) this.#seen = seq
    }
    const page = state.userIds.splice(0, PAGE_USERS)
    state.told.push(...page)
    const say = (userIds: Iterable<string>, last: boolean): void => {
      const users = [...userIds].map(userId => server.see(userId))
      const all = (state.all && this.#all) || undefined
      this.say({ type: 'presence_state', epoch, seq, users, last, recovered, all, id })
    }
    if (state.userIds.length > 0) {
      say(page, false)
      server.clock.setTimeout(() => this.#tellPage(), server.random() * 100)
      return
    }
    if (this.#all && !server.recalls({ epoch, seq: this.#seen })) {
      // Too much changed meanwhile to know: everybody is told; a state by name comes after that, any other ends as that.
      state.userIds = undefined
      if (state.all) this.#states[0] = this.#everybody(id, recovered ? [] : state.told)
      else this.#states.unshift(this.#everybody(undefined))
      return this.#tellPage()
    }
    const last = new Set([...page, ...this.#changed()])
    this.#states.shift()
    this.#told = seq
    this.#seen = seq
    say(last, true)
    this.#tellPage()
  }

  #changed(): string[] {
    const server = this.#server
    const changed = server.changedAfter(this.#seen)
    if (this.#all) return [...changed]
    // Of those who are followed by name it is known as long as they are.
    const isKnown = server.recalls({ epoch: server.epoch, seq: this.#seen })
    return [...this.topics].filter(userId => !isKnown || changed.has(userId))
  }

  /** The window is over: what the client follows and has not been told, it is told now. */
  catchUp(): void {
    const server = this.#server
    if (this.#state !== 'open' || !this.#isActive) return
    if (this.#count !== undefined && this.#count !== server.onlineCount) {
      this.#count = server.onlineCount
      this.say({ type: 'online_count', count: this.#count })
    }
    if (this.#states.length > 0) return
    if (!server.recalls({ epoch: server.epoch, seq: this.#seen }))
      return this.#all ? this.#begin(this.#everybody(undefined)) : this.end(4508)
    const users = this.#changed().map(userId => server.see(userId))
    this.#seen = server.seq
    if (users.length === 0) return
    const diff = { type: 'presence_diff', prevSeq: this.#told, seq: server.seq, users } as const
    this.#told = server.seq
    this.#hasHole = this.#losesNextDiff
    if (!this.#losesNextDiff) this.say(diff)
    this.#losesNextDiff = false
  }

  /** Says nothing but what the number is by now. */
  #showHole(): void {
    this.#hasHole = false
    this.say({ type: 'presence_diff', prevSeq: this.#told, seq: this.#told, users: [] })
  }

  showHole(): void {
    if (this.#hasHole && this.#state === 'open' && this.#states.length === 0) this.#showHole()
  }
}
