import type { UserId } from '@who-is-online/protocol/words'
import type { PresenceOptions } from '../../presence/options.ts'
import { UNPACED } from '../../presence/pace.ts'
import type { RedisModel } from '../redis.model.ts'
import { type Session, SimulatedNode, type Surroundings } from './simulated-node.ts'
import { SimulatedRedis } from './simulated-redis.ts'
import { Random, VirtualTime } from './virtual-time.ts'

/** The code under test. Mutants replace it. */
export interface Parts extends CodeOfNodes {
  readonly RedisModel: typeof RedisModel
}
type CodeOfNodes = Surroundings['parts']

/** How many nodes there are, without faults. */
export const NODES = Number(process.env['SIM_NODES'] ?? 3)
/** Users who never hide. So a node that shows them offline while they have a session is wrong. */
export const OPEN_USERS: readonly UserId[] = ['ann', 'bob', '__proto__']
export const USERS: readonly UserId[] = [...OPEN_USERS, 'eve', 'max', 'mia']
/** Users who have only leased sessions, if there are any. The lease of the first one is renewed until the end. */
export const BOTS: readonly [UserId, ...UserId[]] = ['steady-bot', 'bot-1', 'bot-2', '__proto__-bot']
export const SHOWN_USERS: readonly UserId[] = [...USERS, ...BOTS]

/** How many of the last things that happened are kept. */
const HISTORY = 400

/** A node that asks Redis for the time over a slow connection may be wrong by this much. */
const CLOCKS_DIFFER_MS = 2_000

/** Is told what happens on the nodes. */
export type ClusterListener = Pick<Surroundings, 'happened' | 'changed' | 'stored' | 'ended'>

/** What a check throws. The message says what is wrong. */
export class Violation extends Error {}

/** The nodes, their Redis, and the sessions of all users, in a virtual time. */
export class SimulatedCluster {
  readonly time = new VirtualTime()
  /** The only source of random numbers. The order in which they are drawn decides what a seed does. */
  readonly random: Random
  readonly redis: SimulatedRedis
  readonly options: PresenceOptions
  /** Whether users act and faults happen. After that, all is calm until the end. */
  isBusy = true
  /** Sessions that are over may stay here for a while. */
  readonly sessions = new Set<Session>()
  /** Where each session was opened last, by its id. */
  readonly newest = new Map<string, Session>()
  /** The last things that happened. */
  readonly history: string[] = []
  readonly #parts: CodeOfNodes
  #listener: ClusterListener | undefined
  #nodes: readonly SimulatedNode[] = []
  #nodeCount = 0

  constructor(seed: number, parts: Parts) {
    const random = new Random(seed)
    this.random = random
    this.redis = new SimulatedRedis(parts.RedisModel, this.time, random)
    this.options = {
      graceMs: 5_000,
      restartGraceMs: 8_000,
      inactiveGraceMs: 5_000,
      noticedMs: 5_000,
      hiddenKeepMs: 10_000,
      changePace: random.pick([UNPACED, { burst: 3, everyMs: 2_000 }]),
      maxKnown: 1_000,
      keepMs: 86_400_000,
    }
    this.#parts = parts
  }

  listen(listener: ClusterListener): void {
    this.#listener = listener
  }

  /** A new node starts. */
  start(): void {
    const id = `node${++this.#nodeCount}`
    const node = new SimulatedNode(id, this.#surroundings())
    this.#nodes = [...this.#nodes, node]
    node.start()
    this.note(`${id} starts`)
  }

  /** The process of a node ends at once. */
  kill(node: SimulatedNode): void {
    node.kill()
    this.#nodes = this.#nodes.filter(other => other !== node)
  }

  /** The nodes that were not killed. They may be paused, or about to stop. */
  get nodes(): readonly SimulatedNode[] {
    return this.#nodes
  }

  running(): SimulatedNode[] {
    return this.#nodes.filter(node => !node.isStopped && node.link.pausedUntil <= this.time.now)
  }

  /** Nodes to which a balancer sends clients. */
  open(): SimulatedNode[] {
    return this.running().filter(({ member }) => member.isReady)
  }

  /** Until when a user who hides and loses the last session now is hidden on returning, by the right clock. */
  get hiddenUntil(): number {
    return this.redis.rightClock + this.options.hiddenKeepMs - CLOCKS_DIFFER_MS
  }

  /** The places of the nodes in the log, as JSON. */
  places(): Set<string> {
    return new Set(this.#nodes.map(({ member }) => JSON.stringify(member.place)))
  }

  note(what: string): void {
    this.history.push(`${this.time.now} ${what}`)
    if (this.history.length > HISTORY) this.history.shift()
  }

  /** @throws Violation always */
  violated(what: string): never {
    throw new Violation(`at ${this.time.now}: ${what}`)
  }

  #surroundings(): Surroundings {
    const { time, random, redis, options } = this
    return {
      time,
      random,
      redis,
      parts: this.#parts,
      options,
      happened: (node, event) => this.#listener?.happened(node, event),
      changed: (node, changes) => this.#listener?.changed(node, changes),
      stored: (node, command) => this.#listener?.stored(node, command),
      ended: session => this.#listener?.ended(session),
      kicked: (node, userId) => this.note(`${node.id} ends the sessions of ${userId}`),
    }
  }
}
