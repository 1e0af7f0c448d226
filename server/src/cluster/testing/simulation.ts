import type { UserId } from '@who-is-online/protocol/words'
import type { Change } from '../../presence/change.ts'
import type { Choice } from '../../presence/choice.ts'
import { presenceOf } from '../../presence/fact.ts'
import type { PresenceOptions } from '../../presence/options.ts'
import { UNPACED } from '../../presence/pace.ts'
import type { Presence } from '../../presence/presence.ts'
import type { ClusterLog } from '../cluster-log.ts'
import type { MemberEvent } from '../command.ts'
import { KINDS } from '../compose.ts'
import { type Entry, isRemoval, type NodeFact, type NodeId, type Place, type RegisterKey } from '../entry.ts'
import type { Member } from '../member.ts'
import { isBefore } from '../place.ts'
import type { RedisModel } from '../redis.model.ts'
import { splitValue } from '../registers.ts'
import { ChangeRates } from './change-rates.ts'
import { ChoiceTruth } from './choice-truth.ts'
import { SimulatedClient, toldOf } from './simulated-client.ts'
import { type Session, SimulatedNode, type Surroundings } from './simulated-node.ts'
import { SimulatedRedis } from './simulated-redis.ts'
import { Random, VirtualTime } from './virtual-time.ts'

/** The code under test. Mutants replace it. */
export interface Parts {
  readonly Member: typeof Member
  readonly RedisModel: typeof RedisModel
  readonly ClusterLog: typeof ClusterLog
  readonly Presence: typeof Presence
}

const NODES = Number(process.env['SIM_NODES'] ?? 3)
/** Users who never hide. So a node that shows them offline while they have a session is wrong. */
const OPEN_USERS: readonly UserId[] = ['ann', 'bob', '__proto__']
const USERS: readonly UserId[] = [...OPEN_USERS, 'eve', 'max', 'mia']
const CLIENTS = 4
/** How long things happen, and then how long all is calm until the end. */
const BUSY_MS = 60_000
const REST_MS = 40_000
const CHECK_MS = 250
/** In which visible changes are counted. */
const RATE_WINDOW_MS = 3_000
/** A node that has just started does not know the changes before. They count for so long. */
const CALM_BEFORE_RATES_MS = 10_000
/**
 * How long after a fault of Redis a node may need to connect. A connection that was opened at its beginning is silent,
 * and is given up after 3 s.
 */
const RECONNECT_MS = 4_000
/**
 * The users of a node that has ended are gone so long after the last fault: 15 beats after `left`. They are counted
 * from the epoch that begins when the nodes have connected again.
 */
const GHOST_MS = RECONNECT_MS + 16_500
/** Without faults, an entry is read on all nodes within this time. */
const READ_MS = 50
/** A node is ready with all sessions that were placed this long before. */
const READY_MS = 500
/**
 * Of two choices on two nodes, the later one may have the smaller stamp. Each node asks Redis for the time within 3 s,
 * and is wrong by half of that at most.
 */
const SAME_TIME_MS = 3_000

/** What users do, some of it more often. */
const ACTS = [
  'open',
  'open',
  'open',
  'leave',
  'leave',
  'lose',
  'lose',
  'move',
  'move',
  'same session',
  'choose',
  'choose',
  'choose',
  'choose',
  'flicker',
  'idle',
  'active',
  'name',
  'kick',
] as const
/** Of the choices of a user who hides. */
const HIDDEN_TOO = ['offline', 'offline', 'offline'] as const

export const FAULTS = [
  'kill',
  'stop',
  'pause 1-5 s',
  'pause 10-25 s',
  'cut 0.5-4 s',
  'cut 10-25 s',
  'slow',
  'Redis hung',
  'Redis away',
  'Redis restarted empty',
  'Redis loses writes',
  'Redis flushed',
  'loss of packets',
  'silent connections',
] as const
export type Fault = (typeof FAULTS)[number]

export interface Result {
  /** What was wrong first. */
  readonly violation: string | undefined
  readonly faults: ReadonlyMap<Fault, number>
  /** How many entries were applied, and resumes of a client that were accepted. */
  readonly applied: number
  readonly resumed: number
  /** The last things that happened. */
  readonly history: readonly string[]
}

/** Runs one seed: nodes, clients and faults for {@link BUSY_MS}, and then a calm time. */
export function simulate(seed: number, parts: Parts): Promise<Result> {
  return new Simulation(seed, parts).run()
}

/** The sessions of a user have ended on all nodes. */
interface Kick {
  readonly userId: UserId
  /** The sessions then, and how often their nodes had loaded. */
  readonly sessions: readonly { readonly session: Session; readonly loads: number }[]
  /** How often Redis had lost writes. */
  readonly losses: number
  readonly placedAt: number
}

/** The names that a user may have. */
interface Names {
  /** All names that were ever set. */
  readonly all: Set<string>
  /** The last one that all nodes were told, and those that were set since then; `undefined` if nobody may know it. */
  newest: { readonly name: string; readonly at: number }[] | undefined
}

class Violation extends Error {}

class Simulation {
  readonly #random: Random
  readonly #time = new VirtualTime()
  readonly #redis: SimulatedRedis
  readonly #surroundings: Surroundings
  readonly #options: PresenceOptions
  readonly #faults = new Map<Fault, number>()
  readonly #history: string[] = []
  #nodes: SimulatedNode[] = []
  #nodeCount = 0
  #sessionCount = 0
  #textCount = 0
  readonly #sessions = new Set<Session>()
  readonly #choices = new ChoiceTruth()
  readonly #names = new Map<UserId, Names>()
  readonly #clients = Array.from({ length: CLIENTS }, () => new SimulatedClient(USERS))
  #isBusy = true
  /** When each epoch began. */
  readonly #epochs = new Map<number, number>()
  #applied = 0
  #resumed = 0
  /** What settled nodes show after an entry. */
  readonly #shownAt = new WeakMap<Entry, { readonly node: string; readonly views: string }>()
  readonly #views = new WeakMap<SimulatedNode, string>()
  readonly #entries = new WeakMap<SimulatedNode, Entry>()
  /** The sessions that each node has read as shown. */
  readonly #seenSessions = new WeakMap<SimulatedNode, Set<Session>>()
  readonly #seqs = new WeakMap<SimulatedNode, number>()
  readonly #kicks: Kick[] = []
  /** The greatest last sign of life that a node has told of each user, from what other nodes have said. */
  readonly #toldSigns = new Map<UserId, number>()
  readonly #rates = new ChangeRates()
  /** When nodes have ended. */
  readonly #endedAt = new Map<string, number>()
  /** Until when nodes that have ended had a fault. After it they may have begun an epoch, in which all count again. */
  #goneFaultUntil = Number.NEGATIVE_INFINITY

  constructor(seed: number, parts: Parts) {
    const random = new Random(seed)
    this.#random = random
    this.#redis = new SimulatedRedis(parts.RedisModel, this.#time, random)
    this.#options = {
      graceMs: 5_000,
      restartGraceMs: 8_000,
      inactiveGraceMs: 5_000,
      noticedMs: 5_000,
      hiddenKeepMs: 10_000,
      changePace: random.pick([UNPACED, { burst: 3, everyMs: 2_000 }]),
      maxKnown: 1_000,
      keepMs: 86_400_000,
    }
    this.#surroundings = {
      time: this.#time,
      random,
      redis: this.#redis,
      parts,
      options: this.#options,
      happened: (node, event) => this.#happened(node, event),
      changed: (node, changes) => this.#changed(node, changes),
      ended: session => this.#ended(session),
      kicked: (node, userId) => this.#note(`${node.id} ends the sessions of ${userId}`),
    }
  }

  async run(): Promise<Result> {
    let violation: string | undefined
    try {
      await this.#run()
    } catch (error) {
      // Whatever the code under test throws is wrong too.
      violation = error instanceof Violation ? error.message : String((error as Error).stack)
    }
    const { violated, ...result } = { violated: violation, faults: this.#faults, applied: this.#applied }
    return { ...result, violation: violated, resumed: this.#resumed, history: this.#history }
  }

  async #run(): Promise<void> {
    const time = this.#time
    for (let node = 0; node < NODES; node++) time.after(this.#random.between(0, 300), () => this.#start())
    time.after(8_000, () => this.#act())
    // Sometimes there is time without faults, in which the rate limit is exact.
    time.after(this.#random.pick([9_000, 9_000, 20_000]), () => this.#nextFault())
    for (const client of this.#clients) time.after(9_000, () => this.#moveClient(client))
    this.#checkAgain()
    await time.runUntil(BUSY_MS)
    this.#isBusy = false
    await time.runUntil(BUSY_MS + REST_MS)
    // The last entry may still be on its way. After a pause, a choice that is kept may also end at this moment.
    const isDone = () => this.#places().size === 1 && this.#nodes.every(({ member }) => member.isQuiet)
    for (let more = 0; more < 200 && !isDone(); more++) await time.runUntil(time.now + 5)
    this.#checkEnd()
  }

  #note(what: string): void {
    this.#history.push(`${this.#time.now} ${what}`)
    if (this.#history.length > 400) this.#history.shift()
  }

  #violated(what: string): never {
    throw new Violation(`at ${this.#time.now}: ${what}`)
  }

  // Nodes

  #start(): void {
    const id = `node${++this.#nodeCount}`
    const node = new SimulatedNode(id, this.#surroundings)
    this.#nodes.push(node)
    node.start()
    this.#note(`${id} starts`)
  }

  #running(): SimulatedNode[] {
    return this.#nodes.filter(node => !node.isStopped && node.link.pausedUntil <= this.#time.now)
  }

  /** Nodes to which a balancer sends clients. */
  #open(): SimulatedNode[] {
    return this.#running().filter(({ member }) => member.isReady)
  }

  // Acts

  #act(): void {
    if (!this.#isBusy) return
    this.#actOnce()
    this.#time.after(this.#random.between(20, 700), () => this.#act())
  }

  #actOnce(): void {
    const random = this.#random
    const nodes = this.#open()
    if (nodes.length === 0) return
    const running = this.#running()
    const sessions = [...this.#sessions].filter(({ node, isOver }) => !isOver && running.includes(node))
    const act = random.pick(ACTS)
    const live = sessions.filter(({ isHeld }) => !isHeld)
    if (act === 'open' || live.length === 0) {
      this.#openSession(random.pick(USERS), random.pick(nodes))
      return
    }
    const session = random.pick(live)
    switch (act) {
      case 'leave':
        this.#leave(session)
        break
      case 'lose':
        this.#note(`${session.id} of ${session.userId} is lost on ${session.node.id}`)
        session.node.lose(session)
        if (random.chance(0.5)) this.#time.after(random.between(50, 7_000), () => this.#reconnect(session))
        break
      case 'move':
        this.#move(session, random.pick(nodes))
        break
      case 'same session':
        this.#openSession(session.userId, random.pick(nodes), () => {}, session.id)
        break
      case 'choose':
        this.#choose(session)
        break
      case 'flicker':
        this.#flicker(session.userId)
        break
      case 'idle':
      case 'active':
        this.#note(`${session.id} of ${session.userId} is ${act} on ${session.node.id}`)
        session.node.setActivity(session, act)
        break
      case 'name':
        this.#rename(session)
        break
      case 'kick':
        this.#kick(session.userId, random.pick(nodes))
    }
  }

  #openSession(
    userId: UserId,
    node: SimulatedNode,
    placed: () => void = () => {},
    id = `s${++this.#sessionCount}`,
  ): Session {
    const session: Session = {
      id,
      userId,
      node,
      openedAt: 0,
      isHeld: false,
      isOver: false,
      placedAt: Number.POSITIVE_INFINITY,
    }
    this.#note(`${id} of ${userId} opens on ${node.id}`)
    this.#sessions.add(session)
    node.open(session, placed)
    return session
  }

  #leave(session: Session): void {
    if (session.isOver || session.isHeld) return
    this.#note(`${session.id} of ${session.userId} leaves ${session.node.id}`)
    session.node.leave(session)
  }

  /** The client of a lost session connects again, with the same session. */
  #reconnect(session: Session): void {
    const nodes = this.#open()
    if (nodes.length === 0) return
    this.#openSession(session.userId, this.#random.pick(nodes), () => {}, session.id)
  }

  /** The client connects to another node, and leaves the first one when it is welcomed: after 250 ms at most. */
  #move(session: Session, node: SimulatedNode): void {
    const leave = () => session.node.link.after(this.#random.between(0, 20), () => this.#leave(session))
    this.#openSession(session.userId, node, leave)
    this.#time.after(250, leave)
  }

  #choose({ userId, node, ...session }: Session): void {
    const random = this.#random
    const mayHide = !OPEN_USERS.includes(userId)
    const status = random.pick([...(mayHide ? HIDDEN_TOO : []), 'online', 'busy', 'away'] as const)
    const text = status !== 'offline' && random.chance(0.4) ? `text ${++this.#textCount}` : undefined
    const expiresAt = random.chance(0.3) ? this.#redis.rightClock + random.between(500, 15_000) : undefined
    this.#take({ userId, node, ...session }, { status, text, expiresAt })
  }

  #take(session: Session, choice: Choice): void {
    const { userId, node } = session
    this.#note(`${session.id} of ${userId} chooses ${JSON.stringify(choice)} on ${node.id}`)
    const placed = this.#choices.made(userId, choice, node)
    node.choose(session, choice, () => placed(this.#nodes))
  }

  /** A user changes the status often, on all devices. */
  #flicker(userId: UserId): void {
    const random = this.#random
    for (let count = 0; count < 12; count++) {
      this.#time.after(count * 150, () => {
        const running = this.#running()
        const own = [...this.#sessions].filter(
          one => one.userId === userId && !one.isOver && !one.isHeld && running.includes(one.node),
        )
        if (own.length > 0) this.#take(random.pick(own), { status: random.pick(['online', 'busy', 'away']) })
      })
    }
  }

  #rename({ userId, node }: Session): void {
    const username = `name ${++this.#textCount}`
    const names = this.#names.get(userId) ?? { all: new Set<string>(), newest: [] }
    this.#names.set(userId, names)
    names.all.add(username)
    names.newest?.push({ name: username, at: this.#time.now })
    this.#note(`${node.id} names ${userId} ${username}`)
    node.rename(userId, username)
  }

  #kick(userId: UserId, node: SimulatedNode): void {
    this.#note(`${node.id} is asked to end the sessions of ${userId}`)
    const own = [...this.#sessions].filter(one => one.userId === userId && !one.isOver)
    const sessions = own.map(session => ({ session, loads: session.node.loads }))
    const losses = this.#redis.losses.length
    node.kick(userId, () => {
      this.#kicks.push({ userId, sessions, losses, placedAt: this.#time.now })
      // A node that has not read it yet still has sessions, but the others have ended the choice.
      this.#choices.forget(userId)
    })
  }

  // Faults

  #nextFault(): void {
    if (!this.#isBusy) return
    this.#fault(this.#random.pick(FAULTS))
    this.#time.after(this.#random.between(300, 5_000), () => this.#nextFault())
  }

  #fault(fault: Fault): void {
    const random = this.#random
    const now = this.#time.now
    const node = random.pick(this.#nodes)
    const { link } = node
    const redis = this.#redis
    if (fault.startsWith('Redis') && redis.state !== 'up') return
    if (!fault.startsWith('Redis') && (node.isStopped || link.pausedUntil > now || link.cutUntil > now))
      return
    if ((fault === 'kill' || fault === 'stop') && this.#running().length < 2) return
    let ms = 0
    switch (fault) {
      case 'kill':
        this.#kill(node)
        break
      case 'stop':
        this.#stop(node)
        break
      case 'pause 1-5 s':
      case 'pause 10-25 s':
        ms = fault === 'pause 1-5 s' ? random.between(1_000, 5_000) : random.between(10_000, 25_000)
        link.pausedUntil = now + ms
        break
      case 'cut 0.5-4 s':
      case 'cut 10-25 s':
        ms = fault === 'cut 0.5-4 s' ? random.between(500, 4_000) : random.between(10_000, 25_000)
        link.cutUntil = now + ms
        break
      case 'slow':
        ms = random.between(1_000, 6_000)
        link.slowUntil = now + ms
        break
      case 'loss of packets':
        ms = random.between(1_000, 6_000)
        link.lossyUntil = now + ms
        break
      case 'silent connections':
        ms = 4_000
        link.silence()
        break
      case 'Redis hung':
        redis.hang(random.chance(0.7) ? random.between(500, 6_000) : random.between(6_000, 15_000))
        break
      case 'Redis away':
        this.#restart(0, random.chance(0.7) ? random.between(100, 3_000) : random.between(3_000, 15_000))
        break
      case 'Redis restarted empty':
        this.#restart('all', random.between(100, 3_000))
        break
      case 'Redis loses writes':
        this.#restart(random.between(1, 30), random.between(100, 3_000))
        if (random.chance(0.2)) this.#startAlone()
        break
      case 'Redis flushed':
        redis.flush()
        this.#findGone()
    }
    if (ms > 0) node.disturb(ms)
    this.#faults.set(fault, (this.#faults.get(fault) ?? 0) + 1)
    this.#note(
      `FAULT ${fault} ${fault.startsWith('Redis') ? `until ${redis.faultUntil}` : `${node.id} ${ms}`}`,
    )
  }

  #restart(lost: number | 'all', ms: number): void {
    for (const node of this.#nodes) node.link.breakConnections()
    this.#redis.restart(ms, lost)
    this.#findGone()
  }

  /** A node starts before the others notice that Redis has restarted. */
  #startAlone(): void {
    if (this.#nodes.length > NODES) return
    for (const node of this.#nodes) {
      const ms = this.#redis.faultUntil - this.#time.now + this.#random.pick([2_000, 16_000])
      node.link.cutUntil = Math.max(node.link.cutUntil, this.#time.now + ms)
      node.disturb(ms)
    }
    this.#start()
  }

  /** Finds names that nobody knows any more. */
  #findGone(): void {
    this.#toldSigns.clear()
    for (const [userId, names] of this.#names) {
      const known = [this.#redis.model, ...this.#nodes.map(({ log }) => log)].map(log => nameIn(log, userId))
      const name = names.newest?.[0]?.name
      if (name !== undefined && !known.includes(name)) names.newest = undefined
    }
  }

  #kill(node: SimulatedNode): void {
    this.#endedAt.set(node.id, this.#time.now)
    this.#goneFaultUntil = Math.max(this.#goneFaultUntil, Math.min(node.faults.until, this.#time.now))
    const users = new Set(Array.from(node.sessions.values(), ({ userId }) => userId))
    node.kill()
    this.#nodes = this.#nodes.filter(other => other !== node)
    this.#findGone()
    for (const userId of users) {
      this.#choices.ended(userId, this.#nodes)
      this.#comeBack(userId)
    }
    this.#time.after(this.#random.between(500, 4_000), () => this.#start())
  }

  /** A client whose node is gone connects to another node, or gives up. */
  #comeBack(userId: UserId): void {
    if (this.#random.chance(0.2)) return
    const attempt = () => {
      const nodes = this.#open()
      if (nodes.length > 0) this.#openSession(userId, this.#random.pick(nodes))
      else this.#time.after(500, attempt)
    }
    this.#time.after(this.#random.between(100, 2_000), attempt)
  }

  /** The node tells that it stops. Its clients connect to other nodes, and then it ends. */
  #stop(node: SimulatedNode): void {
    node.stop()
    this.#note(`${node.id} stops`)
    this.#time.after(3_000, () => {
      this.#note(`${node.id} ends`)
      this.#kill(node)
    })
  }

  // Always

  #happened(node: SimulatedNode, event: MemberEvent): void {
    const { what } = event
    if (what !== 'entry' && what !== 'placed' && what !== 'beat' && what !== 'reached') {
      this.#note(`${node.id} ${JSON.stringify(what === 'loaded' ? { what } : event)}`)
    }
    if (what === 'entry') {
      this.#entries.set(node, event.entry)
      this.#applied++
      const { node: from, body } = event.entry
      for (const [, fact] of body.facts) if (fact) this.#read(node, from, fact)
    }
    if (what === 'epoch' && !this.#epochs.has(event.epoch)) this.#epochs.set(event.epoch, this.#time.now)
    if (what === 'loaded') {
      // It drops the facts that Redis has lost together with their node.
      this.#toldSigns.clear()
      this.#views.delete(node)
      for (const [from, facts] of event.loaded.facts) {
        for (const fact of facts.values()) this.#read(node, from, fact)
      }
      this.#choices.read(node)
    }
    if (what === 'nodeLost') {
      this.#choices.lost(event.node)
      const lost = this.#nodes.find(({ id }) => id === event.node)
      if (lost?.isExcusedFor(node)) node.excused.add(event.node)
    }
    if (what === 'entry' && event.entry.kind === 'end') node.excused.delete(event.entry.node)
    if (what === 'reached') this.#show(node, event.place)
    if (what === 'ready') this.#checkReady(node)
  }

  /** A node reads that another one shows a user. */
  #read(node: SimulatedNode, from: NodeId, { p, s }: NodeFact): void {
    const seen = this.#seenSessions.get(node) ?? new Set<Session>()
    this.#seenSessions.set(node, seen)
    for (const session of this.#sessions) {
      if (session.node.id !== from || s[session.id] !== session.openedAt) continue
      // A user whom the rate limit delays there is not shown.
      if (p > 0) seen.add(session)
      else seen.delete(session)
    }
  }

  /** Compares what a node shows with what all others show at the same place. */
  #show(node: SimulatedNode, place: Place): void {
    const entry = this.#entries.get(node)
    if (!entry) return
    const { facts, registers } = entry.body
    if (facts.length > 0 || registers.length > 0 || entry.kind !== 'beat') this.#views.delete(node)
    if (registers.length > 0) {
      this.#choices.read(node)
      for (const [key] of registers) if (key.startsWith('n:')) this.#nameRead(key.slice(2))
    }
    this.#checkLeaks(node)
    if (!node.member.canResumeFrom(place)) return
    const views = this.#views.get(node) ?? USERS.map(userId => this.#viewOf(node, userId)).join('\n')
    this.#views.set(node, views)
    const other = this.#shownAt.get(entry)
    if (!other) this.#shownAt.set(entry, { node: node.id, views })
    else if (other.views !== views && !this.#redis.wasWrong) {
      this.#violated(
        `at ${JSON.stringify(place)} ${other.node} shows\n${other.views}\nbut ${node.id} shows\n${views}`,
      )
    }
  }

  /** All that others see of a user on a node. The time of a visible user is only a lower bound. */
  #viewOf(node: SimulatedNode, userId: UserId): string {
    const seen = node.see(userId)
    const { status, username, lastSeen } = seen
    if (status !== 'offline') return `${userId} ${toldOf(seen)}`
    return `${userId} ${toldOf(seen)} ${username} ${lastSeen}`
  }

  #changed(node: SimulatedNode, changes: readonly (Change & { readonly seq: number })[]): void {
    for (const { userId, status, previous, seq } of changes) {
      const before = this.#seqs.get(node) ?? 0
      if (seq < before) this.#violated(`${node.id} tells ${seq} after ${before}`)
      this.#seqs.set(node, seq)
      if (status === 'offline' && previous !== 'offline') this.#becameOffline(node, userId)
    }
    const userIds = changes.map(({ userId }) => userId)
    const entry = this.#entries.get(node)
    if (entry) this.#countChanges(entry, userIds)
    for (const client of this.#clients) if (client.node === node) client.told()
  }

  /** Visible changes keep the rate limit over all nodes. A fault may delay what nodes read of each other. */
  #countChanges(entry: Entry, userIds: readonly UserId[]): void {
    const { changePace } = this.#options
    const isYoung = (node: SimulatedNode) => node.startedAt > this.#time.now - CALM_BEFORE_RATES_MS
    const isCalm =
      this.#isRedisCalm &&
      this.#nodes.every(node => node.isCalm && (node.startedAt < 1_000 || !isYoung(node)))
    if (!isCalm) return this.#rates.clear()
    if (changePace.everyMs === 0) return
    // Each other node may have decided one change before it has read the others.
    const most = changePace.burst + Math.floor(RATE_WINDOW_MS / changePace.everyMs) + this.#nodes.length - 1
    for (const userId of userIds) {
      // A node on which a user is idle takes `away` for no visible change.
      const isIdle = this.#nodes.some(({ presence }) => presence.record(userId)?.idle)
      const isExact = OPEN_USERS.includes(userId) && !isIdle
      const count = isExact ? this.#rates.count(userId, entry, RATE_WINDOW_MS) : 0
      if (count > most) this.#violated(`${userId} has changed ${count} times within ${RATE_WINDOW_MS} ms`)
    }
  }

  /** A session that this node has seen must not go before it ends, unless its node was lost for good reason. */
  #becameOffline(node: SimulatedNode, userId: UserId): void {
    if (!node.member.isReady || !OPEN_USERS.includes(userId)) return
    for (const session of this.#sessions) {
      if (session.userId !== userId || session.isOver || session.node.isExcusedFor(node)) continue
      if (node.excused.has(session.node.id)) continue
      if (this.#seenSessions.get(node)?.has(session) !== true) continue
      this.#violated(`${node.id} shows ${userId} offline, who has ${session.id} on ${session.node.id}`)
    }
  }

  /** A node that has read that a user hides must not show the user. */
  #checkLeaks(node: SimulatedNode): void {
    for (const { userId, choice, knownBy } of this.#choices.certain(this.#redis.rightClock)) {
      if (choice.status !== 'offline' || !knownBy.has(node) || !node.isPresent(userId)) continue
      this.#violated(`${node.id} shows ${userId}, who hides`)
    }
  }

  #ended({ id, userId, node }: Session): void {
    this.#note(`${id} of ${userId} ends on ${node.id}`)
    this.#choices.ended(userId, this.#nodes)
    if (node.presence.hasSession(userId) || node.log.elsewhere.isPresent(userId)) return
    // A node that stands still while Redis loses its data is no member until it runs again. Others that have not read
    // its entries before don't know that the user is there.
    this.#choices.endedWithout(userId, home => this.#redis.model.nodes.has(home.id))
  }

  /** A name that a node shows was placed. */
  #nameRead(userId: UserId): void {
    const names = this.#names.get(userId)
    // With a clock that was set back, a name may win against a later one whose node did not know it.
    if (!names || this.#redis.wasWrong) return
    const name = nameIn(this.#redis.model, userId)
    const all = names.newest ?? []
    const placed = all.findLast(one => one.name === name)
    if (placed)
      names.newest = [placed, ...all.filter(({ at }) => at > placed.at - SAME_TIME_MS && at !== placed.at)]
  }

  #checkReady(node: SimulatedNode): void {
    if (!node.isCalm || this.#redis.state !== 'up') return
    const beganAt = this.#epochs.get(node.member.place?.epoch ?? 0)
    if (beganAt === undefined || this.#redis.faultUntil > beganAt) return
    for (const session of this.#lasting(READY_MS)) {
      if (node.isPresent(session.userId)) continue
      this.#violated(
        `${node.id} is ready without ${session.userId}, who has ${session.id} on ${session.node.id}`,
      )
    }
  }

  get #isRedisCalm(): boolean {
    return this.#redis.state === 'up' && this.#time.now > this.#redis.faultUntil + RECONNECT_MS
  }

  /** Sessions on calm nodes that were read back some time ago, and whose users are visible because of them. */
  *#lasting(ms: number): Generator<Session> {
    for (const session of this.#sessions) {
      const { isOver, node, placedAt, userId } = session
      if (isOver) this.#sessions.delete(session)
      else if (!OPEN_USERS.includes(userId)) continue
      else if (placedAt < this.#time.now - ms - this.#pacedMs && node.isCalm) yield session
    }
  }

  /** How long an arrival may wait for the rate limit, also on a node that was paused meanwhile. */
  get #pacedMs(): number {
    return this.#options.changePace.everyMs === 0 ? 0 : 55_000
  }

  #checkAgain(): void {
    this.#check()
    this.#time.after(CHECK_MS, () => this.#checkAgain())
  }

  #check(): void {
    for (const node of this.#nodes) {
      const { end } = this.#redis.model
      if (end && node.member.place && !isBefore(node.member.place, end)) node.caughtUpAt = this.#time.now
    }
    this.#checkGhosts()
    for (const node of this.#nodes) {
      if (!node.member.isReady) continue
      for (const userId of USERS) {
        const sign = node.isPresent(userId) ? (node.log.elsewhere.signOfLife(userId) ?? 0) : 0
        const isKept = [...this.#redis.model.facts.values()].some(
          facts => (facts.get(userId)?.h ?? 0) >= sign,
        )
        if (isKept && sign > (this.#toldSigns.get(userId) ?? 0)) this.#toldSigns.set(userId, sign)
      }
    }
    if (!this.#isRedisCalm) return
    for (const session of this.#lasting(READ_MS)) {
      for (const node of this.#nodes) {
        if (!node.isCalm || !node.member.isReady || node.isPresent(session.userId)) continue
        this.#violated(
          `${node.id} shows ${session.userId} offline, who has ${session.id} on ${session.node.id}`,
        )
      }
    }
  }

  /** The users of a node that has ended must go in time. */
  #checkGhosts(): void {
    const faults = this.#nodes.map(node => node.faults.until)
    const calmSince = Math.max(this.#redis.faultUntil, this.#goneFaultUntil, ...faults)
    for (const { id, log, startedAt } of this.#nodes) {
      for (const { id: node } of log.nodes) {
        const endedAt = this.#endedAt.get(node)
        if (endedAt === undefined || [...log.usersOf(node)].length === 0) continue
        // A node that has started since counts its own beats, if those that had counted before have ended too.
        if (this.#time.now <= Math.max(endedAt, calmSince, startedAt) + GHOST_MS) continue
        this.#violated(`${id} still shows users of ${node}, which has ended at ${endedAt}`)
      }
    }
  }

  /** A client leaves a node, and continues on another one from where it was. */
  #moveClient(client: SimulatedClient): void {
    if (this.#isBusy) this.#time.after(this.#random.between(500, 5_000), () => this.#moveClient(client))
    client.disconnect()
    this.#time.after(this.#random.between(0, 1_500), () => this.#connectClient(client))
  }

  #connectClient(client: SimulatedClient): void {
    const nodes = this.#open()
    if (nodes.length === 0) {
      this.#time.after(200, () => this.#connectClient(client))
      return
    }
    if (!client.connect(this.#random.pick(nodes))) return
    this.#resumed++
    const difference = client.difference()
    if (difference !== undefined) this.#violated(`resumed: ${difference}`)
  }

  // At the end

  #checkEnd(): void {
    const { model } = this.#redis
    if (this.#places().size > 1) this.#violated(`places ${[...this.#places()].join(' ')}`)
    for (const node of this.#nodes) {
      const { id, member, log } = node
      const { isReady, isAway, isQuiet, place } = member
      const canResume = place !== undefined && member.canResumeFrom(place)
      if (!isReady || isAway || !isQuiet || !canResume) {
        this.#violated(`${id} is not at rest: ${JSON.stringify({ isReady, isAway, isQuiet, canResume })}`)
      }
      this.#sameKeys(
        log.nodes.map(other => other.id),
        `facts on ${id}`,
      )
      for (const userId of USERS) this.#checkFact(node, userId)
      for (const key of USERS.flatMap(userId => KINDS.map(kind => `${kind}:${userId}` as const))) {
        // The log still has the values that have removed registers, to write them back. Redis has none of them.
        const [value, inRedis] = [log.register(key), model.registers.get(key)]
        const here = value !== undefined && isRemoval(value) ? undefined : value
        if (here !== inRedis) this.#violated(`register ${key} on ${id}: ${here}, in Redis ${inRedis}`)
      }
    }
    this.#sameKeys(model.facts.keys(), 'facts in Redis')
    this.#sameKeys(model.nodes.keys(), 'members in Redis')
    const eldest = this.#nodes.filter(({ member }) => member.isEldest)
    if (eldest.length !== 1) this.#violated(`${eldest.length} nodes are the eldest`)
    for (const userId of USERS) this.#checkUser(userId)
    for (const kick of this.#kicks) this.#checkKick(kick)
    for (const client of this.#clients) {
      const difference = client.node?.isDead === true ? undefined : client.difference()
      if (difference !== undefined) this.#violated(difference)
    }
  }

  /** What the sessions are, what the node has, and what Redis has, is the same. */
  #checkFact(node: SimulatedNode, userId: UserId): void {
    const own = [...this.#sessions].filter(one => one.node === node && one.userId === userId && !one.isOver)
    const ids = (sessions: Iterable<string>) => [...sessions].sort().join(' ')
    const truth = ids(own.map(({ id }) => id))
    const here = ids(Object.keys(node.presence.present(userId).sessions))
    const inRedis = ids(Object.keys(this.#redis.model.facts.get(node.id)?.get(userId)?.s ?? {}))
    if (truth === here && truth === inRedis) return
    this.#violated(`${userId} on ${node.id}: has ${truth}, on the node ${here}, in Redis ${inRedis}`)
  }

  /**
   * A node that has loaded may have missed it, and Redis may have lost it. After a loss, it may also have a place that
   * others have passed before. Then they read nothing of it but the epoch that begins because of that.
   */
  #checkKick({ userId, sessions, losses, placedAt }: Kick): void {
    const wasNoticed = (beganAt: number) => beganAt >= placedAt && beganAt <= placedAt + RECONNECT_MS
    const isPassed = losses > 0 && [...this.#epochs.values()].some(wasNoticed)
    if (isPassed || this.#redis.losses.length > losses) return
    for (const { session, loads } of sessions) {
      if (session.isOver || session.node.loads > loads) continue
      this.#violated(`${userId} still has ${session.id} on ${session.node.id} after all sessions were ended`)
    }
  }

  /** All nodes show a user as the sessions and choices are. */
  #checkUser(userId: UserId): void {
    const homes = this.#nodes.filter(({ presence }) => presence.hasSession(userId))
    const ids = homes.flatMap(({ presence }) => Object.keys(presence.present(userId).sessions))
    if (new Set(ids).size < ids.length) this.#violated(`a session of ${userId} is on two nodes`)
    const choices = new Set(homes.map(({ presence }) => JSON.stringify(presence.choice(userId))))
    const choice = homes[0]?.presence.choice(userId)
    const certain = choice && this.#choices.atRest(userId, this.#redis.rightClock)
    if (certain) choices.add(JSON.stringify({ ...choice, ...certain }))
    if (choices.size > 1) this.#violated(`the choices of ${userId} are ${[...choices].join(' and ')}`)
    const isIdle = homes.every(({ presence }) => presence.record(userId)?.idle === true)
    const sessions = homes.length === 0 ? 'none' : isIdle ? 'idle' : 'active'
    const due = presenceOf({ sessions, choice: choice ?? { status: 'online' } })
    const views = this.#nodes.map(node => this.#viewOf(node, userId))
    if (new Set(views).size > 1) this.#violated(`the nodes show ${[...new Set(views)].join(' and ')}`)
    for (const node of this.#nodes) {
      const { status, text, expiresAt, username } = node.see(userId)
      const isSame = status === due.status && text === due.text && expiresAt === due.expiresAt
      if (!isSame) this.#violated(`${node.id} shows ${views[0]} instead of ${JSON.stringify(due)}`)
      const lastSeen = node.see(userId).lastSeen
      const told = this.#toldSigns.get(userId) ?? 0
      if (
        OPEN_USERS.includes(userId) &&
        status === 'offline' &&
        (lastSeen ?? 0) < told &&
        !this.#redis.wasWrong
      ) {
        this.#violated(`${userId} was last seen at ${lastSeen}, but a sign of life at ${told} was told`)
      }
      const names = this.#names.get(userId)
      // A name may wait on its node, while the user is hidden or has changed too often.
      const isSaidAtOnce = OPEN_USERS.includes(userId) && this.#options.changePace.everyMs === 0
      const allowed = (isSaidAtOnce && names?.newest?.map(({ name }) => name)) || names?.all
      if (username !== undefined && allowed && !new Set(allowed).has(username))
        this.#violated(`${userId} is named ${username} instead of ${[...allowed].join(' or ')}`)
    }
  }

  #places(): Set<string> {
    return new Set(this.#nodes.map(({ member }) => JSON.stringify(member.place)))
  }

  #sameKeys(nodes: Iterable<string>, what: string): void {
    const alive = this.#nodes.map(({ id }) => id)
    for (const node of nodes) if (!alive.includes(node)) this.#violated(`${node} is gone, but is in ${what}`)
  }
}

/** The name of a user in Redis, or in the log of a node. */
function nameIn(
  log: { register(key: RegisterKey): string | undefined } | Pick<RedisModel, 'registers'>,
  userId: UserId,
): string | undefined {
  const key = `n:${userId}` as const
  const value = 'registers' in log ? log.registers.get(key) : log.register(key)
  const json = splitValue(value)?.json
  return json === undefined ? undefined : (JSON.parse(json) ?? undefined)
}
