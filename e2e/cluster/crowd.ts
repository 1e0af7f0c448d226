import { WebSocket } from 'ws'

/** What a client or an observer is sent, as far as it is read here. */
interface Message {
  readonly type: string
  readonly users?: readonly { readonly userId: string; readonly status: string }[]
  readonly last?: boolean
  readonly seq?: number
  readonly prevSeq?: number
  readonly epoch?: string
  readonly recovered?: boolean
  readonly status?: string
  readonly timestamp?: string
  readonly retryAfterMs?: number
}

/** A difference that an observer was told. */
export interface Told {
  readonly at: number
  readonly userId: string
  readonly status: string
}

export type Choice = 'online' | 'away' | 'busy' | 'offline'

/** How long a client waits until it connects again, in ms: at random between these two. */
const BACK_MS = { least: 100, most: 600 } as const
/** A try to connect may take so long, in ms. */
const TRY_MS = 5_000
/** A user who has been connected for so long must not be seen offline, in ms. */
const SETTLED_MS = 1_000

/** Where a client connects next: the URL of a WebSocket. */
export type Pick = () => string

/** One user with one session, whose client comes back as a client library does. */
export class CrowdUser {
  readonly userId: string
  readonly #pick: Pick
  #socket: WebSocket | undefined
  #isWanted = true
  #url = ''
  /** Since when it is connected and welcomed; `undefined` if it is not. */
  liveSince: number | undefined
  /** Since when it is not connected. */
  goneSince = performance.now()
  /** The last choice that was acknowledged, and when it was made. */
  choice: Choice = 'online'
  #chosenAt: string | undefined
  readonly closes: number[] = []

  constructor(userId: string, pick: Pick) {
    this.userId = userId
    this.#pick = pick
  }

  /** The URL of the node where it is, or was last. */
  get url(): string {
    return this.#url
  }

  get isWanted(): boolean {
    return this.#isWanted
  }

  /** Connects, and resolves when it is welcomed. It comes back by itself until `vanish` or `leave`. */
  connect(): Promise<void> {
    this.#isWanted = true
    return new Promise(resolve => this.#open(resolve))
  }

  /** Sets the choice. Resolves when it is acknowledged, and never if the connection ends before. */
  async choose(status: Choice): Promise<boolean> {
    const socket = this.#socket
    if (this.liveSince === undefined || !socket) return false
    socket.send(JSON.stringify({ type: 'set_status', status, id: status }))
    return true
  }

  /** The machine of the client dies: nothing is sent, and it does not come back. */
  vanish(): void {
    this.#isWanted = false
    this.#end()
    this.#socket?.terminate()
  }

  /** Closes the connection on purpose. */
  leave(): void {
    this.#isWanted = false
    this.#end()
    this.#socket?.close(1000)
  }

  #open(welcomed: () => void): void {
    if (!this.#isWanted) return
    this.#url = this.#pick()
    const chosen =
      this.#chosenAt === undefined
        ? ''
        : `&status=${this.choice}&chosenAt=${encodeURIComponent(this.#chosenAt)}`
    const url = `${this.#url}?userId=${this.userId}&sessionId=session-of-${this.userId}${chosen}`
    const socket = new WebSocket(url, 'who-is-online.v2', { handshakeTimeout: TRY_MS })
    this.#socket = socket
    let retryAfterMs: number | undefined
    socket.on('message', data => {
      const message = JSON.parse(`${data}`) as Message
      if (message.type === 'welcome') {
        this.liveSince = performance.now()
        welcomed()
      } else if (message.type === 'disconnect') retryAfterMs = message.retryAfterMs
      else if (message.type === 'status_updated') {
        this.choice = message.status as Choice
        this.#chosenAt = message.timestamp
      }
    })
    socket.on('error', () => {})
    socket.on('close', code => {
      if (socket !== this.#socket) return
      this.closes.push(code)
      this.#end()
      const wait = retryAfterMs ?? BACK_MS.least + Math.random() * (BACK_MS.most - BACK_MS.least)
      if (this.#isWanted) setTimeout(() => this.#open(welcomed), wait)
    })
  }

  #end(): void {
    if (this.liveSince !== undefined) this.goneSince = performance.now()
    this.liveSince = undefined
  }
}

/** Subscribes to all users on one node, and keeps what it is told. It comes back with the place where it was. */
export class Observer {
  readonly url: string
  readonly users = new Map<string, string>()
  told: Told[] = []
  /** How often it came back, and how often with `recovered: true`. */
  resumes = 0
  recovered = 0
  /** Faults of the protocol: gaps and numbers that go back. */
  readonly faults: string[] = []
  #socket: WebSocket | undefined
  #place: { epoch: string; seq: number } | undefined
  #isOver = false
  #isSynced = false
  #draft = new Map<string, string>()
  #waiting: (() => void)[] = []

  constructor(url: string) {
    this.url = url
  }

  /** Whether it is connected and has the state. */
  get isSynced(): boolean {
    return this.#isSynced
  }

  open(): Promise<void> {
    const synced = new Promise<void>(resolve => this.#waiting.push(resolve))
    this.#connect()
    return synced
  }

  close(): void {
    this.#isOver = true
    this.#socket?.terminate()
  }

  statusOf(userId: string): string {
    return this.users.get(userId) ?? 'offline'
  }

  #connect(): void {
    if (this.#isOver) return
    const url = `${this.url}?userId=observer-${this.url.replaceAll(/\W/g, '')}&status=offline`
    const socket = new WebSocket(url, 'who-is-online.v2', { handshakeTimeout: TRY_MS })
    this.#socket = socket
    this.#draft = new Map()
    socket.on('message', data => this.#take(JSON.parse(`${data}`) as Message, socket))
    socket.on('error', () => {})
    socket.on('close', () => {
      if (socket !== this.#socket) return
      this.#isSynced = false
      setTimeout(() => this.#connect(), BACK_MS.least)
    })
  }

  #take(message: Message, socket: WebSocket): void {
    const { type, users = [], seq = 0, prevSeq, epoch } = message
    if (type === 'welcome') {
      socket.send(
        JSON.stringify({ type: 'subscribe', all: true, ...(this.#place && { since: this.#place }) }),
      )
    } else if (type === 'presence_state') {
      for (const { userId, status } of users) this.#draft.set(userId, status)
      if (!message.last) return
      this.#synced(message.recovered === true)
      this.#place = { epoch: epoch ?? '', seq }
    } else if (type === 'presence_diff') {
      if (this.#place && prevSeq !== this.#place.seq) {
        this.faults.push(`a diff follows ${prevSeq}, and ${this.#place.seq} was told`)
      }
      if (this.#place) this.#place = { ...this.#place, seq }
      for (const { userId, status } of users) this.#show(userId, status)
    }
  }

  #synced(isRecovered: boolean): void {
    if (this.#place) {
      this.resumes++
      if (isRecovered) this.recovered++
    }
    const state = this.#draft
    this.#draft = new Map()
    if (!isRecovered) {
      for (const userId of [...this.users.keys()]) if (!state.has(userId)) this.#show(userId, 'offline')
    }
    for (const [userId, status] of state) this.#show(userId, status)
    this.#isSynced = true
    for (const synced of this.#waiting.splice(0)) synced()
  }

  #show(userId: string, status: string): void {
    if (this.statusOf(userId) === status) return
    this.users.set(userId, status)
    this.told.push({ at: performance.now(), userId, status })
  }
}

/** Many users on several nodes, and an observer on each, which are compared all the time. */
export class Crowd {
  readonly users: readonly CrowdUser[]
  readonly observers: readonly Observer[]
  /** Users who were seen offline although they were connected all the time. */
  readonly falseOffline: string[] = []
  /** Observers who may be wrong for now, because their node is in trouble. */
  readonly excused = new Set<Observer>()
  /** Users of a node in trouble: others may take them for offline. */
  readonly excusedUsers = new Set<string>()
  #timer: ReturnType<typeof setInterval> | undefined
  #checked = new Map<Observer, number>()

  constructor(users: readonly CrowdUser[], observers: readonly Observer[]) {
    this.users = users
    this.observers = observers
  }

  /** Connects all, `atOnce` at a time. */
  async start(atOnce = 100): Promise<void> {
    for (const observer of this.observers) await observer.open()
    for (let from = 0; from < this.users.length; from += atOnce) {
      await Promise.all(this.users.slice(from, from + atOnce).map(user => user.connect()))
    }
    this.#timer = setInterval(() => this.#check(), 20)
  }

  /** Lets random ones of the given users choose, so many times a second, until the returned function is called. */
  change(users: readonly CrowdUser[], perSecond: number): () => void {
    const choices: readonly Choice[] = ['online', 'away', 'busy']
    const timer = setInterval(() => {
      for (let i = 0; i < Math.max(1, perSecond / 50); i++) {
        const user = users[Math.floor(Math.random() * users.length)]
        void user?.choose(choices[Math.floor(Math.random() * 3)] as Choice)
      }
    }, 20)
    return () => clearInterval(timer)
  }

  /** Forgets what the observers were told so far. */
  forget(): void {
    this.#check()
    for (const observer of this.observers) {
      observer.told = []
      this.#checked.set(observer, 0)
    }
  }

  stop(): void {
    clearInterval(this.#timer)
    for (const user of this.users) user.vanish()
    for (const observer of this.observers) observer.close()
  }

  /** What is wrong now: users whose status an observer has otherwise than it is. */
  differences(observers: readonly Observer[] = this.observers): string[] {
    const wrong: string[] = []
    for (const observer of observers) {
      if (!observer.isSynced) wrong.push(`the observer of ${observer.url} is not connected`)
      for (const user of this.users) {
        const should = user.liveSince === undefined ? 'offline' : user.choice
        const is = observer.statusOf(user.userId)
        if (is !== should) wrong.push(`${observer.url} shows ${user.userId} as ${is}, should be ${should}`)
      }
    }
    return wrong
  }

  /** Waits until everybody is right, for at most `ms`. Returns after how many ms that was. @throws Error if not */
  async converged(ms: number, observers: readonly Observer[] = this.observers): Promise<number> {
    const begun = performance.now()
    for (;;) {
      const wrong = this.differences(observers)
      const passed = performance.now() - begun
      if (wrong.length === 0) return Math.round(passed)
      if (passed > ms) {
        throw new Error(
          `${wrong.length} differences after ${ms} ms, such as: ${wrong.slice(0, 5).join('; ')}`,
        )
      }
      await new Promise(resolve => setTimeout(resolve, 20))
    }
  }

  /** Looks at what the observers were told since the last time. */
  #check(): void {
    const byId = new Map(this.users.map(user => [user.userId, user]))
    for (const observer of this.observers) {
      const from = this.#checked.get(observer) ?? 0
      this.#checked.set(observer, observer.told.length)
      if (this.excused.has(observer)) continue
      for (const { userId, status, at } of observer.told.slice(from)) {
        const user = byId.get(userId)
        if (status !== 'offline' || !user || this.excusedUsers.has(userId) || user.choice === 'offline')
          continue
        const wasLive = user.liveSince !== undefined && at - user.liveSince > SETTLED_MS
        if (wasLive) this.falseOffline.push(`${observer.url} has shown ${userId} as offline`)
      }
    }
  }
}
