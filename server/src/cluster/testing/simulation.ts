import type { UserId } from '@who-is-online/protocol/words'
import type { MemberEvent } from '../command.ts'
import type { Entry, Place, RegisterKey } from '../entry.ts'
import type { Member } from '../member.ts'
import { isBefore } from '../place.ts'
import type { RedisModel } from '../redis.model.ts'
import { type Session, SimulatedNode, type Surroundings } from './simulated-node.ts'
import { SimulatedRedis } from './simulated-redis.ts'
import { Random, VirtualTime } from './virtual-time.ts'

/** The code under test. Mutants replace it. */
export interface Parts {
  readonly Member: typeof Member
  readonly RedisModel: typeof RedisModel
}

const NODES = Number(process.env['SIM_NODES'] ?? 3)
const USERS: readonly UserId[] = ['ann', 'bob', 'eve', 'max', 'mia', '__proto__']
/** How long things happen, and then how long all is calm until the end. */
const BUSY_MS = 60_000
const REST_MS = 40_000
const CHECK_MS = 250
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
export function simulate(seed: number, parts: Parts): Result {
  return new Simulation(seed, parts).run()
}

/** One value that a register may have. */
interface Candidate {
  readonly value: string
  readonly at: number
  readonly node: SimulatedNode
  /**
   * Nobody knows it any more: Redis has lost it, and the nodes that knew it are gone. The greatest value that was known
   * then. A greater one may still be on its way to a node.
   */
  left?: string
}

/** What one node has shown, for a client that moves between nodes. */
interface Shown {
  readonly place: Place
  readonly userId: UserId
  readonly view: string
}

class Violation extends Error {}

class Simulation {
  readonly #random: Random
  readonly #time = new VirtualTime()
  readonly #redis: SimulatedRedis
  readonly #surroundings: Surroundings
  readonly #faults = new Map<Fault, number>()
  readonly #history: string[] = []
  #nodes: SimulatedNode[] = []
  #nodeCount = 0
  #sessionCount = 0
  readonly #sessions = new Set<Session>()
  readonly #candidates = new Map<RegisterKey, Candidate[]>()
  /** All values that registers have ever had. */
  readonly #values = new Set<string>([''])
  #isBusy = true
  /** When each epoch began. */
  readonly #epochs = new Map<number, number>()
  #applied = 0
  #resumed = 0
  /** What settled nodes show after an entry. */
  readonly #shownAt = new WeakMap<Entry, { readonly node: string; readonly views: string }>()
  readonly #views = new WeakMap<SimulatedNode, Map<UserId, string>>()
  readonly #entries = new WeakMap<SimulatedNode, Entry>()
  readonly #log = new WeakMap<SimulatedNode, Shown[]>()
  /** When nodes have ended. */
  readonly #endedAt = new Map<string, number>()
  readonly #present = new WeakMap<SimulatedNode, Set<UserId>>()

  constructor(seed: number, { Member, RedisModel }: Parts) {
    this.#random = new Random(seed)
    this.#redis = new SimulatedRedis(RedisModel, this.#time, this.#random)
    const happened = (node: SimulatedNode, event: MemberEvent) => this.#happened(node, event)
    this.#surroundings = { time: this.#time, random: this.#random, redis: this.#redis, Member, happened }
  }

  run(): Result {
    let violation: string | undefined
    try {
      this.#run()
    } catch (error) {
      // Whatever the code under test throws is wrong too.
      violation = error instanceof Violation ? error.message : String((error as Error).stack)
    }
    const { violated, ...result } = { violated: violation, faults: this.#faults, applied: this.#applied }
    return { ...result, violation: violated, resumed: this.#resumed, history: this.#history }
  }

  #run(): void {
    const time = this.#time
    for (let node = 0; node < NODES; node++) time.after(this.#random.between(0, 300), () => this.#start())
    time.after(8_000, () => this.#act())
    time.after(9_000, () => this.#nextFault())
    time.after(9_000, () => this.#moveClient())
    this.#checkAgain()
    time.runUntil(BUSY_MS)
    this.#isBusy = false
    time.runUntil(BUSY_MS + REST_MS)
    // The last entry may still be on its way.
    for (let more = 0; more < 200 && this.#places().size > 1; more++) time.runUntil(time.now + 5)
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
    // The events of `start` come before the node is in the list.
    this.#nodes.push(new SimulatedNode(id, this.#surroundings))
    this.#note(`${id} starts`)
  }

  #running(): SimulatedNode[] {
    return this.#nodes.filter(node => !node.isStopped && node.pausedUntil <= this.#time.now)
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
    const sessions = [...this.#sessions].filter(
      ({ node, isOver, isHeld }) => !isOver && !isHeld && this.#running().includes(node),
    )
    const act = random.pick([
      'open',
      'open',
      'leave',
      'lose',
      'move',
      'move',
      'choose',
      'choose',
      'choose',
      'name',
    ])
    if (act === 'open' || sessions.length === 0) {
      this.#openSession(random.pick(USERS), random.pick(nodes))
      return
    }
    const session = random.pick(sessions)
    if (act === 'leave') this.#end(session)
    if (act === 'lose') {
      this.#note(`${session.id} is lost`)
      session.node.lose(session)
    }
    if (act === 'move') this.#move(session, random.pick(nodes))
    if (act === 'choose') {
      this.#set(
        session.node,
        `v:${session.userId}`,
        random.pick(['"offline"', '"online"', '"busy"', '"away"']),
      )
    }
    if (act === 'name') this.#set(session.node, `n:${session.userId}`, `"name ${random.between(1, 99)}"`)
  }

  #openSession(userId: UserId, node: SimulatedNode, placed: () => void = () => {}): Session {
    const session: Session = {
      id: `s${++this.#sessionCount}`,
      userId,
      openedAt: this.#redis.clock,
      node,
      isHeld: false,
      isOver: false,
      placedAt: Number.POSITIVE_INFINITY,
    }
    this.#note(`${session.id} of ${userId} opens on ${node.id}`)
    this.#sessions.add(session)
    node.open(session, placed)
    return session
  }

  #end(session: Session): void {
    if (session.isOver) return
    this.#note(`${session.id} of ${session.userId} leaves ${session.node.id}`)
    session.node.end(session, 'left')
  }

  /** The client connects to another node, and leaves the first one when it is welcomed: after 250 ms at most. */
  #move(session: Session, node: SimulatedNode): void {
    const leave = () => session.node.after(this.#random.between(0, 20), () => this.#end(session))
    this.#openSession(session.userId, node, leave)
    this.#time.after(250, leave)
  }

  #set(node: SimulatedNode, key: RegisterKey, content: string): void {
    const candidates = this.#candidates.get(key) ?? []
    // After the clock of Redis was wrong, a choice may win against a later one whose node did not know it.
    const known = node.register(key) ?? ''
    const isUnsure = this.#redis.wasWrong && candidates.some(other => other.value > known)
    const placed = () => {
      if (isUnsure) return
      const list = this.#candidates.get(key) ?? []
      const kept = list.filter(other => other.node !== node || other.at >= candidate.at)
      this.#candidates.set(
        key,
        kept.filter(other => other === candidate || other.at > candidate.at - SAME_TIME_MS),
      )
    }
    const value = node.set(key, content, placed)
    const candidate: Candidate = { value, at: this.#time.now, node }
    this.#values.add(value)
    this.#note(`${node.id} sets ${key} ${value}`)
    this.#candidates.set(key, [...candidates, candidate])
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
    const redis = this.#redis
    if (fault.startsWith('Redis') && redis.state !== 'up') return
    if (!fault.startsWith('Redis') && (node.isStopped || node.pausedUntil > now || node.cutUntil > now))
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
        node.pausedUntil = now + ms
        break
      case 'cut 0.5-4 s':
      case 'cut 10-25 s':
        ms = fault === 'cut 0.5-4 s' ? random.between(500, 4_000) : random.between(10_000, 25_000)
        node.cutUntil = now + ms
        break
      case 'slow':
        ms = random.between(1_000, 6_000)
        node.slowUntil = now + ms
        break
      case 'loss of packets':
        ms = random.between(1_000, 6_000)
        node.lossyUntil = now + ms
        break
      case 'silent connections':
        ms = 4_000
        node.silence()
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
    for (const node of this.#nodes) node.breakConnections()
    this.#redis.restart(ms, lost)
    this.#findGone()
  }

  /** A node starts before the others notice that Redis has restarted. */
  #startAlone(): void {
    if (this.#nodes.length > NODES) return
    for (const node of this.#nodes) {
      const ms = this.#redis.faultUntil - this.#time.now + this.#random.pick([2_000, 16_000])
      node.cutUntil = Math.max(node.cutUntil, this.#time.now + ms)
      node.disturb(ms)
    }
    this.#start()
  }

  /** Finds choices that nobody knows any more. */
  #findGone(): void {
    for (const [key, candidates] of this.#candidates) {
      const known = this.#nodes.map(node => node.register(key) ?? '')
      const [left = ''] = [...known, this.#redis.model.registers.get(key) ?? ''].sort().reverse()
      for (const candidate of candidates) {
        if (candidate.value > left && left < (candidate.left ?? candidate.value)) candidate.left = left
      }
    }
  }

  #kill(node: SimulatedNode): void {
    this.#endedAt.set(node.id, this.#time.now)
    const users = [...node.users()]
    node.kill()
    this.#nodes = this.#nodes.filter(other => other !== node)
    this.#findGone()
    for (const userId of users) this.#comeBack(userId)
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
    node.isStopped = true
    this.#time.after(3_000, () => {
      this.#note(`${node.id} ends`)
      this.#kill(node)
    })
  }

  // Always

  #happened(node: SimulatedNode, event: MemberEvent): void {
    if (
      event.what !== 'entry' &&
      event.what !== 'placed' &&
      event.what !== 'beat' &&
      event.what !== 'reached'
    ) {
      this.#note(`${node.id} ${JSON.stringify(event.what === 'loaded' ? { what: 'loaded' } : event)}`)
    }
    if (event.what === 'entry') {
      this.#entries.set(node, event.entry)
      this.#applied++
    }
    if (event.what === 'epoch' && !this.#epochs.has(event.epoch))
      this.#epochs.set(event.epoch, this.#time.now)
    if (event.what === 'loaded') this.#show(node, undefined)
    if (event.what === 'nodeLost') {
      const lost = this.#nodes.find(({ id }) => id === event.node)
      if (lost?.isExcusedFor(node)) node.excused.add(event.node)
    }
    if (event.what === 'assertionEnded') node.excused.delete(event.node)
    if (event.what === 'reached') this.#show(node, event.place)
    if (event.what === 'ready') this.#checkReady(node)
  }

  /** Compares what a node shows with what it, and all others, have shown before. */
  #show(node: SimulatedNode, place: Place | undefined): void {
    const { fold, member } = node
    const views = this.#views.get(node) ?? new Map<UserId, string>()
    const log = this.#log.get(node) ?? []
    const present = this.#present.get(node) ?? new Set<UserId>()
    this.#views.set(node, views)
    this.#log.set(node, log)
    this.#present.set(node, present)
    for (const userId of fold.takeChanged()) {
      const view = fold.view(userId)
      views.set(userId, view)
      if (place) log.push({ place, userId, view })
      if (fold.isPresent(userId)) present.add(userId)
      else if (present.delete(userId)) this.#becameOffline(node, userId)
    }
    if (!place || !member.canResumeFrom(place)) return
    const entry = this.#entries.get(node)
    if (!entry) return
    const all = USERS.map(userId => views.get(userId) ?? fold.view(userId)).join('\n')
    const other = this.#shownAt.get(entry)
    if (!other) this.#shownAt.set(entry, { node: node.id, views: all })
    else if (other.views !== all) {
      this.#violated(
        `at ${JSON.stringify(place)} ${other.node} shows\n${other.views}\nbut ${node.id} shows\n${all}`,
      )
    }
  }

  /** A session that this node has seen must not go before it ends, unless its node was lost for good reason. */
  #becameOffline(node: SimulatedNode, userId: UserId): void {
    if (!node.member.isReady) return
    for (const session of this.#sessions) {
      if (session.userId !== userId || session.isOver || session.node.isExcusedFor(node)) continue
      if (node.excused.has(session.node.id)) continue
      if (!node.fold.seenSessions.has(session.id)) continue
      this.#violated(`${node.id} shows ${userId} offline, who has ${session.id} on ${session.node.id}`)
    }
  }

  #checkReady(node: SimulatedNode): void {
    if (!node.isCalm || this.#redis.state !== 'up') return
    const beganAt = this.#epochs.get(node.member.place?.epoch ?? 0)
    if (beganAt === undefined || this.#redis.faultUntil > beganAt) return
    for (const session of this.#lasting(READY_MS)) {
      if (node.fold.isPresent(session.userId)) continue
      this.#violated(
        `${node.id} is ready without ${session.userId}, who has ${session.id} on ${session.node.id}`,
      )
    }
  }

  get #isRedisCalm(): boolean {
    return this.#redis.state === 'up' && this.#time.now > this.#redis.faultUntil + RECONNECT_MS
  }

  /** Sessions on calm nodes that were read back some time ago. */
  *#lasting(ms: number): Generator<Session> {
    for (const session of this.#sessions) {
      const { isOver, node, placedAt } = session
      if (isOver) this.#sessions.delete(session)
      else if (placedAt < this.#time.now - ms && node.isCalm) yield session
    }
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
    if (!this.#isRedisCalm) return
    for (const session of this.#lasting(READ_MS)) {
      for (const node of this.#nodes) {
        if (!node.isCalm || !node.member.isReady || node.fold.isPresent(session.userId)) continue
        this.#violated(
          `${node.id} shows ${session.userId} offline, who has ${session.id} on ${session.node.id}`,
        )
      }
    }
  }

  /** The users of a node that has ended must go in time. */
  #checkGhosts(): void {
    const faults = this.#nodes.map(({ faultsUntil }) => faultsUntil)
    const calmSince = Math.max(this.#redis.faultUntil, ...faults)
    for (const { id, fold } of this.#nodes) {
      for (const [node, users] of fold.facts) {
        const endedAt = this.#endedAt.get(node)
        if (endedAt === undefined || users.size === 0) continue
        if (this.#time.now <= Math.max(endedAt, calmSince) + GHOST_MS) continue
        this.#violated(`${id} still shows users of ${node}, which has ended at ${endedAt}`)
      }
    }
  }

  /** A client leaves a node, and continues on another one from where it was. */
  #moveClient(): void {
    if (!this.#isBusy) return
    const nodes = this.#open()
    if (nodes.length >= 2) {
      const [from, to] = this.#random.shuffled(nodes) as [SimulatedNode, SimulatedNode]
      const { place } = from.member
      const known = new Map(this.#views.get(from))
      const isPlaceKnown = place !== undefined && from.member.canResumeFrom(place)
      if (isPlaceKnown) this.#time.after(this.#random.between(0, 1_500), () => this.#resume(known, place, to))
    }
    this.#time.after(this.#random.between(100, 800), () => this.#moveClient())
  }

  #resume(known: Map<UserId, string>, since: Place, node: SimulatedNode): void {
    if (node.isDead || !node.member.isReady || !node.member.canResumeFrom(since)) return
    this.#resumed++
    for (const { place, userId, view } of this.#log.get(node) ?? []) {
      if (isBefore(since, place)) known.set(userId, view)
    }
    for (const userId of USERS) {
      const view = node.fold.view(userId)
      if ((known.get(userId) ?? '  ') === view) continue
      this.#violated(`a client resumed on ${node.id} and has\n${known.get(userId)}\ninstead of\n${view}`)
    }
  }

  // At the end

  #checkEnd(): void {
    const { model } = this.#redis
    if (this.#places().size > 1) this.#violated(`places ${[...this.#places()].join(' ')}`)
    for (const node of this.#nodes) {
      const { id, member, fold } = node
      const { isReady, isAway, isQuiet, place } = member
      const canResume = place !== undefined && member.canResumeFrom(place)
      if (!isReady || isAway || !isQuiet || !canResume) {
        this.#violated(`${id} is not at rest: ${JSON.stringify({ isReady, isAway, isQuiet, canResume })}`)
      }
      for (const userId of USERS) {
        for (const other of this.#nodes) {
          const truth = JSON.stringify(other.factOf(userId) ?? undefined)
          const inRedis = JSON.stringify(model.facts.get(other.id)?.get(userId))
          const inFold = JSON.stringify(fold.facts.get(other.id)?.get(userId)?.fact)
          if (truth === inRedis && truth === inFold) continue
          this.#violated(`${userId} on ${other.id}: is ${truth}, in Redis ${inRedis}, on ${id} ${inFold}`)
        }
      }
      this.#sameKeys(
        [...fold.facts].filter(([, users]) => users.size > 0).map(([node]) => node),
        `facts on ${id}`,
      )
      for (const key of new Set([...fold.registers.keys(), ...model.registers.keys()])) {
        const [here, inRedis] = [fold.registers.get(key), model.registers.get(key)]
        if (here !== inRedis) this.#violated(`register ${key} on ${id}: ${here}, in Redis ${inRedis}`)
      }
    }
    this.#sameKeys(model.facts.keys(), 'facts in Redis')
    this.#sameKeys(model.nodes.keys(), 'members in Redis')
    const eldest = this.#nodes.filter(({ member }) => member.isEldest)
    if (eldest.length !== 1) this.#violated(`${eldest.length} nodes are the eldest`)
    for (const [key, candidates] of this.#candidates) this.#checkRegister(key, candidates)
  }

  #places(): Set<string> {
    return new Set(this.#nodes.map(({ member }) => JSON.stringify(member.place)))
  }

  #sameKeys(nodes: Iterable<string>, what: string): void {
    const alive = this.#nodes.map(({ id }) => id)
    for (const node of nodes) if (!alive.includes(node)) this.#violated(`${node} is gone, but is in ${what}`)
  }

  /** The last choice counts, unless nobody knew it any more. Then an earlier one counts. */
  #checkRegister(key: RegisterKey, candidates: readonly Candidate[]): void {
    const value = this.#redis.model.registers.get(key) ?? ''
    const isSet = this.#values.has(value)
    const isLeft = ({ left }: Candidate) => isSet && left !== undefined && value >= left
    if (candidates.some(candidate => candidate.value === value || isLeft(candidate))) return
    this.#violated(
      `${key} is ${value} instead of ${candidates.map(candidate => candidate.value).join(' or ')}`,
    )
  }
}
