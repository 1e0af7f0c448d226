import { type SessionEvents, SessionSocket } from './chaos-session.ts'
import { HEALED_MS, type Oracle } from './oracle.ts'
import type { Ending, Status } from './truth.ts'

/** The nodes, as a balancer knows them. */
export interface Nodes {
  /** A node that accepts connections; `undefined` if no node does. */
  pick(random: number): { readonly node: number; readonly url: string } | undefined
}

export interface UserOptions {
  readonly userId: string
  readonly oracle: Oracle
  readonly nodes: Nodes
  readonly random: () => number
  /** Whether the URL repeats the choice; otherwise the cluster must remember it. */
  readonly repeats: boolean
  readonly tabs: number
}

const STATUSES: readonly Status[] = ['online', 'away', 'busy', 'offline']
/** The code with which the server closes a connection whose session is on another one. */
const REPLACED = 4409
const BACK_MS = [100, 600] as const
/** How far apart two choices of a user are at least, in ms: choices on two nodes at the same time have no order. */
const APART_MS = 4_000
/** A choice of a user who is away for longer may be gone, in ms. */
const KEPT_MS = 4_000
/** What was acknowledged in the last moment before its node ended may be lost, in ms. */
const DURABLE_MS = 1_000

/** One user with one or two sessions. It tells the oracle what it does, and what the cluster has acknowledged. */
export class ChaosUser {
  readonly #options: UserOptions
  readonly #tabs: Tab[]
  /** The last choice that was acknowledged, and when it was made. */
  #choice: Acknowledged | undefined
  #pending: { id: string; status: Status } | undefined
  #pendingName: { id: string; name: string } | undefined
  #choseAt = 0
  #acknowledgedAt = 0
  /** When and where a session ended last. */
  #lastLive = 0
  #lastNode = 0
  #count = 0
  /** The nodes that may have requests of connections that have ended, and read them when they work again. */
  readonly #late = new Map<number, number>()
  /** Whether it is not known which choice holds. Then it chooses again. */
  #isUncertain = false
  isOver = false

  constructor(options: UserOptions) {
    this.#options = options
    this.#tabs = Array.from({ length: options.tabs }, (_, i) => new Tab(`tab-${i}-of-${options.userId}`))
  }

  start(): void {
    for (const tab of this.#tabs) this.#connect(tab)
  }

  /** Does one thing at random: it chooses, is renamed, leaves, is lost, falls silent, or changes the node. */
  act(): void {
    const { random } = this.#options
    const tab = this.#tabs[Math.floor(random() * this.#tabs.length)]
    const dice = random()
    if (!tab?.socket?.isUsable) return
    if (dice < 0.35) this.#choose(tab, STATUSES[Math.floor(random() * 4)] ?? 'online')
    else if (dice < 0.45) this.#rename(tab)
    else if (dice < 0.57) this.#end(tab, 'left', [100, 12_000])
    else if (dice < 0.72) this.#end(tab, 'reset', [100, 12_000])
    else if (dice < 0.77) this.#end(tab, 'silent', [1_500, 40_000])
    else this.#connect(tab)
  }

  /** Ends all sessions without a word, and does not come back. */
  stop(): void {
    this.isOver = true
    for (const tab of this.#tabs) {
      tab.socket?.reset()
      tab.silent?.reset()
    }
  }

  #choose(tab: Tab, status: Status): void {
    const now = performance.now()
    if (this.#pending || now - this.#choseAt < APART_MS || this.#isLate(now)) return
    this.#pending = { id: `c${++this.#count}`, status }
    this.#choseAt = now
    this.#truth.mayHave([status], now)
    tab.socket?.send({ type: 'set_status', status, id: this.#pending.id })
    tab.isChoosing = true
  }

  #rename(tab: Tab): void {
    // The name of a hidden user stays on the node until others may see it.
    const isHidden = this.#truth.possible.has('offline')
    if (this.#pendingName || isHidden || this.#isLate(performance.now())) return
    const name = `name-${++this.#count}`
    this.#pendingName = { id: `n${this.#count}`, name }
    this.#truth.named(undefined, performance.now())
    tab.socket?.send({ type: 'identify', username: name, id: this.#pendingName.id })
    tab.isNaming = true
  }

  #end(tab: Tab, how: 'left' | 'reset' | 'silent', [least, most]: readonly [number, number]): void {
    const { socket } = tab
    if (!socket) return
    this.#lost(tab, how)
    if (how === 'left') {
      socket.leave()
      const endsChoice = !this.#truth.isLive && !this.#options.repeats
      // A client whose connection to a lost node stays open repeats nothing.
      if (endsChoice || this.#truth.isLostForOthers(performance.now(), HEALED_MS)) this.#doubt()
    } else if (how === 'reset') socket.reset()
    else {
      socket.fallSilent()
      tab.silent?.reset()
      tab.silent = socket
    }
    tab.socket = undefined
    this.#later(tab, least + this.#options.random() * (most - least))
  }

  /** A session has ended, and with it what it has asked for. */
  #lost(tab: Tab, how: Ending): void {
    const now = performance.now()
    this.#truth.ended(tab.sessionId, how, now)
    this.#lastLive = now
    this.#lastNode = tab.socket?.node ?? 0
    this.#forgetRequests(tab)
  }

  /** Whether a node may still read a request that was sent before: it would be newer than a later one. */
  #isLate(now: number): boolean {
    for (const [node, at] of this.#late) {
      const healed = this.#options.oracle.troubles.healedIn(node, at - KEPT_MS, now) ?? 0
      if (Math.max(at, healed) + DURABLE_MS < now) this.#late.delete(node)
    }
    return this.#late.size > 0
  }

  #forgetRequests(tab: Tab): void {
    if (tab.socket && (tab.isChoosing || tab.isNaming)) this.#late.set(tab.socket.node, performance.now())
    if (tab.isChoosing) {
      this.#pending = undefined
      this.#doubt()
    }
    if (tab.isNaming) this.#pendingName = undefined
    tab.isChoosing = false
    tab.isNaming = false
  }

  #later(tab: Tab, ms: number): void {
    setTimeout(() => this.#connect(tab), ms)
  }

  /** Connects a session, or connects it to another node while the old connection is still there. */
  #connect(tab: Tab): void {
    const { nodes, random, userId, repeats } = this.#options
    if (this.isOver || tab.isConnecting) return
    const picked = nodes.pick(random())
    if (!picked) return this.#later(tab, 200)
    const repeated = repeats ? this.#choice : undefined
    const choice = repeated ? `&status=${repeated.status}&chosenAt=${encodeURIComponent(repeated.at)}` : ''
    const url = `${picked.url}?userId=${userId}&sessionId=${tab.sessionId}${choice}`
    tab.isConnecting = true
    this.#truth.tries(true)
    const socket = new SessionSocket(
      picked.node,
      url,
      this.#events(tab, () => socket, repeated),
    )
  }

  #events(tab: Tab, own: () => SessionSocket, repeated: Acknowledged | undefined): SessionEvents {
    const { oracle, random, userId } = this.#options
    return {
      welcomed: node => this.#welcomed(tab, own(), node),
      replied: (id, isDone, timestamp) => this.#replied(tab, id, isDone, timestamp),
      choiceApplies: (node, status) => {
        // The node may not know yet what was chosen meanwhile.
        if (repeated && repeated === this.#choice)
          oracle.choiceApplies(userId, node, status, performance.now())
      },
      closed: (node, code, retryAfterMs) => {
        const now = performance.now()
        // The server may close the old connection before the welcome on the new one has arrived.
        if (code === REPLACED && tab.isConnecting) {
          this.#forgetRequests(tab)
          tab.socket = undefined
          return
        }
        // A node that stood still takes a connection for the newest that was given up meanwhile.
        if (code !== REPLACED || !tab.hasFailed) oracle.closed({ name: userId, node }, code, now)
        if (
          now - this.#acknowledgedAt < DURABLE_MS ||
          oracle.troubles.healedIn(node, this.#acknowledgedAt, now)
        ) {
          this.#doubt()
          this.#truth.named(undefined, now)
        }
        this.#lost(tab, 'cut')
        tab.socket = undefined
        this.#later(tab, retryAfterMs ?? BACK_MS[0] + random() * (BACK_MS[1] - BACK_MS[0]))
      },
      failed: node => {
        tab.isConnecting = false
        tab.hasFailed = true
        this.#truth.tries(false)
        this.#truth.failed(node, performance.now())
        if (!tab.socket) this.#truth.ended(tab.sessionId, 'cut', performance.now())
        if (!tab.socket) this.#later(tab, BACK_MS[0] + random() * (BACK_MS[1] - BACK_MS[0]))
      },
    }
  }

  #welcomed(tab: Tab, socket: SessionSocket, node: number): void {
    const now = performance.now()
    const { oracle } = this.#options
    tab.isConnecting = false
    this.#truth.tries(false)
    if (this.isOver) return socket.reset()
    if (tab.socket) {
      tab.socket.abandon()
      this.#forgetRequests(tab)
    }
    const before = tab.socket?.node ?? this.#lastNode
    tab.socket = socket
    const wasAway = !this.#truth.isLive && now - this.#lastLive > KEPT_MS
    // A choice and a name that only a node in trouble knows stay there, unless the client repeats them.
    const knownFor = Math.min(this.#lastLive, this.#acknowledgedAt) - KEPT_MS
    const wasInTrouble = [node, before].some(
      one => oracle.troubles.healedIn(one, knownFor, now) !== undefined,
    )
    if (wasInTrouble) this.#truth.named(undefined, now)
    if (this.#count > 0 && (wasAway || wasInTrouble) && !this.#options.repeats) this.#doubt()
    this.#truth.welcomed(tab.sessionId, node, now)
    if (this.#isUncertain) this.#choose(tab, this.#choice?.status ?? 'online')
  }

  #replied(tab: Tab, id: string, isDone: boolean, timestamp: string | undefined): void {
    const now = performance.now()
    this.#acknowledgedAt = now
    if (id === this.#pending?.id) {
      const { status } = this.#pending
      this.#pending = undefined
      tab.isChoosing = false
      if (!isDone) return this.#doubt()
      this.#choice = { status, at: timestamp ?? '' }
      this.#isUncertain = false
      this.#truth.acknowledged(status, now)
    } else if (id === this.#pendingName?.id) {
      this.#truth.named(isDone ? this.#pendingName.name : undefined, now)
      this.#pendingName = undefined
      tab.isNaming = false
    }
  }

  /** It is not known which choice holds, until the next one is acknowledged. */
  #doubt(): void {
    this.#isUncertain = true
    this.#truth.mayHave(STATUSES, performance.now())
  }

  /** Chooses again if it is not known which choice holds. */
  resolveDoubts(): void {
    const tab = this.#tabs.find(({ socket }) => socket?.isUsable)
    if (this.#isUncertain && tab) this.#choose(tab, this.#choice?.status ?? 'online')
  }

  get #truth() {
    return this.#options.oracle.user(this.#options.userId)
  }
}

/** A choice that was acknowledged, and when the server has made it. */
interface Acknowledged {
  readonly status: Status
  readonly at: string
}

/** One tab of a user: its session, and the connection that it has now. */
class Tab {
  readonly sessionId: string
  socket: SessionSocket | undefined
  /** The connection that has fallen silent. */
  silent: SessionSocket | undefined
  isConnecting = false
  /** Whether a try to connect has ever failed. */
  hasFailed = false
  isChoosing = false
  isNaming = false

  constructor(sessionId: string) {
    this.sessionId = sessionId
  }
}
