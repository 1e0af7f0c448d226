import { WebSocket } from 'ws'
import type { Nodes } from './chaos-user.ts'
import type { Oracle, Shown } from './oracle.ts'
import type { Status } from './truth.ts'

interface User {
  readonly userId: string
  readonly status: Status
  readonly username?: string
}

interface Message {
  readonly type: string
  readonly users?: readonly User[]
  readonly last?: boolean
  readonly seq?: number
  readonly prevSeq?: number
  readonly epoch?: string
  readonly recovered?: boolean
}

const OFFLINE: Shown = { status: 'offline', name: undefined }
const BACK_MS = 100
const TRY_MS = 3_000

/** Subscribes to all users, keeps what it is told, and comes back with the place where it was. */
export class ChaosObserver {
  readonly name: string
  readonly #oracle: Oracle
  readonly #nodes: Nodes
  readonly #random: () => number
  #node = -1
  #users = new Map<string, Shown>()
  #socket: WebSocket | undefined
  #place: { epoch: string; seq: number } | undefined
  #isSynced = false
  #isOver = false
  /** The answer that was requested last, until the differences up to its place have arrived. */
  #answer: Message | undefined
  resumes = 0
  recovered = 0

  constructor(name: string, oracle: Oracle, nodes: Nodes, random: () => number) {
    this.name = name
    this.#oracle = oracle
    this.#nodes = nodes
    this.#random = random
  }

  get node(): number {
    return this.#node
  }

  /** Whether it is connected and has the state. */
  get isSynced(): boolean {
    return this.#isSynced
  }

  shown = (userId: string): Shown => this.#users.get(userId) ?? OFFLINE

  /** Goes to another node, with the place where it is. */
  hop(): void {
    if (!this.#isSynced) return
    this.#isSynced = false
    this.#socket?.terminate()
  }

  /** Asks for all users, to compare the answer with what it was told. */
  ask(): void {
    if (!this.#isSynced) return
    this.#socket?.send(JSON.stringify({ type: 'get_users', userIds: this.#oracle.userIds, id: 'ask' }))
  }

  close(): void {
    this.#isOver = true
    this.#socket?.terminate()
  }

  connect(): void {
    if (this.#isOver) return
    const picked = this.#nodes.pick(this.#random())
    if (!picked) {
      setTimeout(() => this.connect(), BACK_MS)
      return
    }
    const { node, url } = picked
    this.#node = node
    const query = `userId=${this.name}&status=offline`
    const socket = new WebSocket(`${url}?${query}`, 'who-is-online.v2', { handshakeTimeout: TRY_MS })
    this.#socket = socket
    const draft: User[] = []
    socket.on('message', data => this.#take(JSON.parse(`${data}`) as Message, socket, draft))
    socket.on('error', () => {})
    socket.on('close', code => {
      if (this.#isSynced && !this.#isOver) this.#oracle.closed(this.#witness, code, performance.now())
      this.#isSynced = false
      this.#answer = undefined
      setTimeout(() => this.connect(), BACK_MS)
    })
  }

  get #witness() {
    return { name: this.name, node: this.#node }
  }

  #take(message: Message, socket: WebSocket, draft: User[]): void {
    const { type, users = [], seq = 0, prevSeq = 0, epoch = '' } = message
    if (type === 'welcome') {
      const since = this.#place
      socket.send(JSON.stringify({ type: 'subscribe', all: true, ...(since && { since }) }))
    } else if (type === 'presence_state') {
      draft.push(...users)
      if (message.last) this.#synced(draft, message.recovered === true, { epoch, seq })
    } else if (type === 'presence_diff' && this.#place) {
      this.#oracle.diff(this.#witness, this.#place.seq, { prevSeq, seq }, performance.now())
      // An answer from within this difference can't be compared.
      this.#answer = undefined
      this.#place = { ...this.#place, seq }
      for (const user of users) this.#show(user)
    } else if (type === 'users' && this.#isSynced) {
      this.#answer = message
      for (const { userId, status } of users) {
        this.#oracle.told(this.#witness, userId, status, performance.now())
      }
    }
    this.#compare()
  }

  #synced(state: readonly User[], isRecovered: boolean, place: { epoch: string; seq: number }): void {
    if (this.#place) {
      this.resumes++
      if (isRecovered) this.recovered++
    }
    this.#place = place
    this.#isSynced = true
    if (!isRecovered) {
      const known = new Set(state.map(({ userId }) => userId))
      for (const userId of [...this.#users.keys()]) {
        if (!known.has(userId)) this.#show({ userId, status: 'offline' })
      }
    }
    for (const user of state) this.#show(user)
  }

  #show({ userId, status, username }: User): void {
    const before = this.shown(userId).status
    this.#users.set(userId, { status, name: username })
    if (before !== status) this.#oracle.changed(this.#witness, userId, status, performance.now())
  }

  /** An answer from the same place must say the same as what was told. */
  #compare(): void {
    const answer = this.#answer
    if (!answer || answer.seq !== this.#place?.seq) return
    this.#answer = undefined
    for (const { userId, status, username } of answer.users ?? []) {
      const shown = { status, name: username }
      this.#oracle.answered(this.#witness, userId, this.shown(userId), shown, performance.now())
    }
  }
}
