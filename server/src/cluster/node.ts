import { randomBytes } from 'node:crypto'
import type { Presence } from '../presence/presence.ts'
import { ClusterLog, type NodePresence } from './cluster-log.ts'
import type { NodeId } from './entry.ts'
import { Member } from './member.ts'
import {
  type NodeEvent,
  type NodeFigures,
  type NodeObserver,
  type NodeState,
  nameOf,
  type ReportedNode,
} from './node-state.ts'
import { connectRedis, type RedisConnection } from './redis.ts'
import { checkRedis, whyRefused } from './redis-check.ts'
import { RedisLink } from './redis-link.ts'
import { parseRedisUrl } from './redis-url.ts'

export interface NodeOptions {
  /** See `parseRedisUrl`. */
  readonly url: string
  /** What the names of all keys begin with. */
  readonly prefix: string
  /** A label for people. */
  readonly name: string
  readonly version: string
  /** How long clients may take to come back after all nodes have restarted, in ms. */
  readonly restartGraceMs: number
  /** For how long a user is known who does not come back, in ms. */
  readonly keepMs: number
  /** For how long a user whose connection was lost stays hidden, in ms. */
  readonly hiddenKeepMs: number
  /** A clock that is never set, in ms: `performance.now`. */
  readonly steady: () => number
}

/** One node of a cluster: its log of facts, its member, and the connection to Redis. */
export class ClusterNode implements ReportedNode {
  readonly id: NodeId = randomBytes(9).toString('base64url')
  readonly log: ClusterLog
  readonly #options: NodeOptions
  readonly #member: Member
  readonly #link: RedisLink
  #observer: NodeObserver | undefined
  #isChecked = false
  #isUnusable = false
  #awaySince: number | undefined
  #epochs = 0
  #lost = 0
  #stopped: (() => void) | undefined
  #isSeen: (userId: string) => boolean = () => false

  constructor(options: NodeOptions) {
    const { name, version, restartGraceMs, steady } = options
    this.#options = options
    this.log = new ClusterLog(this.id, event => this.#happened(event), options.keepMs, options.hiddenKeepMs)
    this.#member = new Member({ node: this.id, about: { name, version }, restartGraceMs }, this.log)
    this.#link = new RedisLink({
      member: this.#member,
      node: this.id,
      connect: () => this.#connect(),
      isTls: parseRedisUrl(options.url).tls,
      now: steady,
      report: failure => {
        // The process ends, and has told why.
        if (!this.#isUnusable) this.#observer?.failed(failure)
      },
    })
  }

  /** Starts to connect and to join, and goes on until `close`. */
  start(presence: NodePresence & Pick<Presence, 'isSeen'>, observer: NodeObserver): void {
    this.#isSeen = userId => presence.isSeen(userId)
    this.#observer = observer
    const access = {
      member: this.#member,
      changed: this.#link.changed.bind(this.#link),
      time: () => this.#stampTime ?? 0,
    }
    this.log.attach(access, presence)
    this.#link.start()
  }

  /** The wall clock of Redis, in ms since the epoch; `undefined` until Redis has told it. It may be set, back too. */
  get time(): number | undefined {
    return this.#member.knowsTime ? this.#member.wallTime(this.#options.steady()) : undefined
  }

  /** The time that entries have. It never goes back. */
  get #stampTime(): number | undefined {
    return this.#member.knowsTime ? this.#member.redisTime(this.#options.steady()) : undefined
  }

  get state(): NodeState {
    const { isReady } = this.#member
    const { lastFailure } = this.#link
    const now = this.#options.steady()
    return {
      isReady,
      awayMs: this.#awaySince === undefined ? undefined : now - this.#awaySince,
      epochs: this.#epochs,
      lost: this.#lost,
      lastFailure: lastFailure && { text: lastFailure.text, ageMs: now - lastFailure.at },
    }
  }

  get figures(): NodeFigures {
    const time = this.#stampTime
    const members = this.log.nodes.map(({ wroteAt, ...node }) => ({
      ...node,
      beatAgeMs: time === undefined || wroteAt === undefined ? undefined : Math.max(0, time - wroteAt),
      missedBeats: this.#member.missedBeats(node.id),
    }))
    members.sort((a, b) => compare(nameOf(a), nameOf(b)) || compare(a.id, b.id))
    const { appends, ignored } = this.#link
    return { members, appends, lagMs: this.log.lagMs, ignored }
  }

  /**
   * How long ago this node has composed the last own entry that it has read back, in ms. The time of a suspension
   * counts. `undefined` before the first one.
   */
  get ownEntryAgeMs(): number | undefined {
    const { ownWroteAt } = this.log
    const time = this.#stampTime
    return time === undefined || ownWroteAt === undefined ? undefined : time - ownWroteAt
  }

  usersSeenOn(member: NodeId): number {
    let users = 0
    for (const userId of this.log.usersWithSession(member)) if (this.#isSeen(userId)) users++
    return users
  }

  /** Runs a script in Redis; see `RedisConnection.run`. @throws Error also while there is no connection */
  run(script: string, key: string, args: readonly string[]): Promise<unknown> {
    return this.#link.run(script, key, args)
  }

  /** Resolves when other nodes have the leased sessions of this one; `undefined` if there is nothing to wait for. */
  handOver(): Promise<void> | undefined {
    return this.log.handOver()
  }

  /** Tells the other nodes that this one stops, so that they wait longer for its clients. Resolves when they know. */
  stop(): Promise<void> {
    return new Promise(resolve => {
      this.#stopped = resolve
      this.#link.stop()
    })
  }

  /** Closes the connections. Never rejects. */
  close(): Promise<void> {
    return this.#link.close()
  }

  async #connect(): Promise<RedisConnection> {
    const { url, prefix } = this.#options
    if (this.#isChecked) return connectRedis(url, prefix)
    const connection = await connectRedis(url, prefix).catch((error: unknown) => {
      // A password may also be changed later, so only the first one is checked.
      const reason = whyRefused(error)
      throw reason === undefined ? error : this.#unusable(reason)
    })
    try {
      const reason = await checkRedis(connection)
      if (reason !== undefined) throw this.#unusable(reason)
      this.#isChecked = true
      return connection
    } catch (error) {
      await connection.close()
      throw error
    }
  }

  #unusable(reason: string): Error {
    this.#isUnusable = true
    this.#observer?.unusable(reason)
    return new Error(reason)
  }

  #happened(event: NodeEvent): void {
    if (event.what === 'away') this.#awaySince = this.#options.steady()
    if (event.what === 'back') this.#awaySince = undefined
    if (event.what === 'epoch') this.#epochs++
    if (event.what === 'nodeLost' && event.node !== this.id && event.about?.left === undefined) this.#lost++
    // Read back, and not only appended: then this node has read all that was before it, and can store the changes.
    if (event.what === 'entry' && event.entry.node === this.id && event.entry.kind === 'left')
      this.#stopped?.()
    this.#observer?.happened(event)
  }
}

const names = new Intl.Collator('en', { numeric: true })

/** So that `node-2` comes before `node-10`. */
function compare(one: string, other: string): number {
  return names.compare(one, other)
}
