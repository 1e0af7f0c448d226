import { Age } from './age.ts'
import type { Audit, Command, Host, ServerInfo } from './command.ts'
import type { AppendReply, Entry, Loaded, NodeId, Place } from './entry.ts'
import { Judge } from './judge.ts'
import { BEAT_MS, Members } from './members.ts'
import type { Changed } from './outbox.ts'
import { OwnEntries, WINDOW_MS } from './own-entries.ts'
import { OwnPlace } from './own-place.ts'
import { RETRY_MS, WatchedConnection } from './watched-connection.ts'

export interface MemberOptions {
  /** A random id of this process. */
  readonly node: NodeId
  readonly about: { readonly name: string; readonly version: string }
  /** How long the log keeps entries, in ms. */
  readonly keepMs?: number
  /**
   * How long clients may take to come back after all nodes have restarted, in ms: so long after its start, a node takes
   * no member for lost that was there before all others.
   */
  readonly restartGraceMs?: number
}

const READ_COUNT = 200
/** While entries arrive, the next read waits: each read that wakes this process up costs 0.5 ms. */
const READ_PAUSE_MS = 10
/** In a younger epoch, the other members may not have asserted what they know. */
const YOUNG_MS = 5_000
/** A node waits so long for the other members before it is ready, in ms: one of them may be dead. */
const SETTLE_MS = 5_000

/**
 * The protocol of a cluster, for one node, as a state machine: no clock, no timers, no I/O, no randomness. Each input
 * returns what the adapter has to do. `now` is in ms of a clock that also runs while the process is suspended, and that
 * is never set. The adapter calls `tick` at `nextTick` at the latest.
 *
 * The member takes the inputs, and reads the log. What it appends follows from that, in {@link OwnEntries}.
 */
export class Member {
  readonly #node: NodeId
  readonly #host: Host
  readonly #redis: WatchedConnection
  readonly #place: OwnPlace
  readonly #members = new Members()
  readonly #age: Age
  readonly #judge: Judge
  readonly #own: OwnEntries
  #now = 0

  // Reading
  #readId: number | undefined
  #readAt = 0
  #entriesAt = Number.NEGATIVE_INFINITY
  #loadId: number | undefined
  #isReady = false
  /** When the epoch began, by the clock of Redis. */
  #epochAt = 0

  constructor({ node, about, keepMs, restartGraceMs }: MemberOptions, host: Host) {
    this.#node = node
    this.#host = host
    this.#redis = new WatchedConnection(host)
    this.#place = new OwnPlace(keepMs)
    this.#age = new Age(node, this.#members, restartGraceMs)
    this.#judge = new Judge(node, this.#members, this.#age)
    this.#own = new OwnEntries({
      node,
      about,
      host,
      redis: this.#redis,
      place: this.#place,
      members: this.#members,
      age: this.#age,
      judge: this.#judge,
    })
  }

  // Inputs

  start(now: number): Command[] {
    return this.#input(now, () => {
      this.#redis.startWaiting(now)
      this.#connect()
    })
  }

  tick(now: number): Command[] {
    return this.#input(now, () => {})
  }

  /** Something has changed on this node. */
  changed(changed: Changed, now: number): Command[] {
    return this.#input(now, () => this.#own.changed(changed))
  }

  /** Tells the others that this node stops. */
  stop(now: number): Command[] {
    return this.#input(now, () => this.#own.stop())
  }

  connected(id: number, { server, end }: ServerInfo, now: number): Command[] {
    return this.#input(now, () => {
      const { server: before } = this.#redis
      if (!this.#redis.connected(id, server, now)) return
      this.#readAt = now
      this.#own.connected(now)
      this.#place.connected(end, before !== undefined && before !== server)
      if (!this.#place.last) this.#load()
    })
  }

  /** A connection was closed or has failed. */
  disconnected(now: number): Command[] {
    return this.#input(now, () => {
      if (!this.#redis.isConnected) return
      this.#redis.startWaiting(now)
      this.#connect()
    })
  }

  /** A command could not be executed, or nobody knows whether it was. */
  failed(id: number, now: number): Command[] {
    return this.#input(now, () => {
      if (this.#own.isSent(id)) {
        this.#own.failed(now)
      } else if (id === this.#readId) {
        this.#readId = undefined
        this.#readAt = now + RETRY_MS
      } else if (id === this.#loadId) {
        this.#connect()
      } else {
        this.#redis.failed(id, now)
      }
    })
  }

  toldTime(id: number, time: number, now: number): Command[] {
    return this.#input(now, () => this.#redis.toldTime(id, time, now))
  }

  /** The script has answered an append. */
  answered(id: number, answer: AppendReply, now: number): Command[] {
    return this.#input(now, () => {
      if (this.#own.isSent(id)) this.#own.answered(answer, now)
    })
  }

  entriesRead(id: number, entries: readonly Entry[], now: number): Command[] {
    return this.#input(now, () => {
      if (id !== this.#readId) return
      this.#readId = undefined
      this.#readAt = entries.length > 0 && now - this.#entriesAt < WINDOW_MS ? now + READ_PAUSE_MS : now
      if (entries.length > 0) this.#entriesAt = now
      for (const entry of entries) {
        if (!this.#place.follows(entry)) return this.#load()
        this.#read(entry)
      }
    })
  }

  loaded(id: number, loaded: Loaded, now: number): Command[] {
    return this.#input(now, () => {
      if (id !== this.#loadId) return
      this.#loadId = undefined
      this.#readAt = now
      const place = this.#place.load(loaded, this.#redis.server)
      // Until an epoch has begun, the next read may lead here again.
      if (!place) this.#readAt = now + RETRY_MS
      if (!place) return
      // The number of the last entry may be that of another program.
      this.#redis.clock.seen(loaded.epoch ?? 0, now)
      this.#epochAt = this.#redis.clock.began(place.epoch, now)
      this.#members.load(loaded, this.#redis.clock.at(now))
      this.#judge.clear()
      this.#own.loaded(place, loaded.epoch)
      this.#host.happened({ what: 'loaded', loaded })
      this.#own.assert()
    })
  }

  audited(id: number, audit: Audit, now: number): Command[] {
    return this.#input(now, () => this.#own.audited(id, audit, now))
  }

  // Queries

  /** When `tick` must be called next. */
  get nextTick(): number {
    const times = [this.#now + BEAT_MS, this.#redis.deadline]
    if (this.#redis.isConnected) {
      if (this.#readId === undefined && this.#loadId === undefined) times.push(this.#readAt)
      times.push(this.#own.nextDue(this.#now))
    }
    return Math.max(Math.min(...times), this.#now + 1)
  }

  /** Whether Redis has ever told its time. */
  get knowsTime(): boolean {
    return this.#redis.clock.isKnown
  }

  /** The wall clock of Redis, in ms since the epoch: it follows what Redis tells, back too. */
  wallTime(now: number): number {
    return this.#redis.clock.wall(now)
  }

  /** The clock of Redis for stamps, in ms since the epoch: it never goes back. */
  redisTime(now: number): number {
    return this.#redis.clock.at(now)
  }

  /** The last entry that was applied; `undefined` before the first load. */
  get place(): Place | undefined {
    return this.#place.last
  }

  get isAway(): boolean {
    return this.#redis.isAway
  }

  /** Whether the view is complete. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** Whether this node shows what all others show at the same place. */
  get isSettled(): boolean {
    return this.#place.isSettled
  }

  /** Since when that is so; `undefined` if it is not. */
  get settledSince(): Place | undefined {
    return this.#place.settledSince
  }

  /** Whether this node has told the others all it knows, and nothing has to be appended. */
  get isQuiet(): boolean {
    return this.#own.isQuiet
  }

  /**
   * How many own beats were read back since the last entry of a member. While Redis or this node stands still, it does
   * not grow.
   */
  missedBeats(node: NodeId): number {
    return this.#members.missedBeats(node)
  }

  /** Whether this node does what one node has to do for all: the member that joined first. */
  get isEldest(): boolean {
    return this.#age.isEldest
  }

  /** Whether this node stores the changes for all, and tells backends of them. See `Age.isEldestToStay`. */
  get isEldestToStay(): boolean {
    return this.#age.isEldestToStay
  }

  /**
   * Whether a client that knows everything up to a place can continue from there: this node shows what all others
   * showed at that place.
   */
  canResumeFrom(place: Place): boolean {
    return this.#place.canResumeFrom(place)
  }

  // Connection

  #input(now: number, take: () => void): Command[] {
    this.#redis.passed(now - this.#now)
    this.#now = now
    take()
    if (this.#redis.watch(now)) this.#connect()
    this.#advance()
    return this.#redis.takeCommands()
  }

  /** Gives up all commands on their way and connects. */
  #connect(): void {
    this.#own.disconnected()
    this.#readId = this.#loadId = undefined
    this.#place.disconnected()
    this.#redis.connect()
  }

  /** Does what is due. */
  #advance(): void {
    if (!this.#redis.isConnected) return
    this.#redis.askTimeIfDue(this.#now)
    const place = this.#place.last
    if (this.#loadId !== undefined || !place) return
    if (this.#readId === undefined && this.#now >= this.#readAt) {
      this.#readId = this.#redis.send({ do: 'read', after: place, count: READ_COUNT })
    }
    this.#own.advance(this.#now, place)
  }

  // Reading

  #load(): void {
    if (this.#isReady) this.#host.happened({ what: 'loading' })
    this.#isReady = false
    this.#place.unsettle()
    this.#redis.stopWaiting()
    this.#loadId = this.#redis.send({ do: 'load' })
  }

  #read(entry: Entry): void {
    const { place, node, batch, kind, body } = entry
    const { clock } = this.#redis
    const isOwn = node === this.#node
    this.#place.read(entry, this.#now)
    if (kind !== 'unknown') clock.seen(Math.max(body.at, place.epoch), this.#now)
    if (kind === 'epoch') this.#epochBegan(place.epoch)
    const wasWrittenBack = this.#members.isWrittenBack
    const isMissing = node !== '' && this.#members.read(entry, clock.at(this.#now))
    this.#judge.withdraw(node)
    if (kind !== 'unknown') this.#host.happened({ what: 'entry', entry })
    if (kind === 'lost' && body.subject !== undefined) this.#lost(body.subject, place)
    this.#own.passed(place, isOwn ? batch : undefined)
    if (isOwn) this.#own.readBack(entry, this.#now)
    if (isMissing) this.#place.wantEpoch(place.epoch)
    if (!wasWrittenBack && this.#members.isWrittenBack) this.#own.compareRegisters()
    this.#settleIfComplete()
    if (isOwn && kind === 'beat' && body.at - this.#epochAt >= YOUNG_MS) this.#readyIfSettled()
    this.#host.happened({ what: 'reached', place })
  }

  #epochBegan(epoch: number): void {
    this.#epochAt = this.#redis.clock.began(epoch, this.#now)
    this.#members.newEpoch(this.#epochAt)
    this.#host.happened({ what: 'epoch', epoch })
    this.#own.assert()
  }

  #lost(node: NodeId, place: Place): void {
    this.#members.lost(node)
    this.#judge.forget(node)
    this.#host.happened({ what: 'nodeLost', node })
    if (node !== this.#node || this.#own.isBeforeJoin(place)) return
    this.#host.happened({ what: 'lostMyself' })
    this.#own.assert()
  }

  /** All members have said what they know, and what Redis may have lost was written back. */
  #settleIfComplete(): void {
    const knowsEpoch = !this.#place.wantsEpoch && !this.#place.hasEpochToRead
    const isComplete = this.#members.areComplete && this.#members.isWrittenBack
    if (knowsEpoch && isComplete && this.#own.assertedAt !== undefined) this.#place.settle()
  }

  /** A client that is welcomed before this node is settled is told a place that no other node knows. */
  #readyIfSettled(): void {
    const { assertedAt } = this.#own
    if (this.#isReady || assertedAt === undefined) return
    if (!this.#place.isSettled && this.#now - assertedAt < SETTLE_MS) return
    this.#isReady = true
    this.#host.happened({ what: 'ready' })
  }
}
