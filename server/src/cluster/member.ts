import type { Audit, Command, Host, ServerInfo } from './command.ts'
import type {
  AppendReply,
  AppendRequest,
  Entry,
  EntryBody,
  EntryKind,
  Loaded,
  NodeId,
  Place,
  RegisterKey,
} from './entry.ts'
import { BEAT_MS, Members, RESTART_GRACE_MS } from './members.ts'
import { type Changed, Outbox } from './outbox.ts'
import { isBefore } from './place.ts'
import { RedisClock } from './redis-clock.ts'

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

/** Changes wait at most this long for others. The first change after a quiet time does not wait. */
const WINDOW_MS = 50
/** Without an own entry for this long, Redis is away. */
const AWAY_MS = 3_000
/** While Redis is away, a new connection gets this long. */
const TRY_MS = 1_500
const RETRY_MS = 100
/** A longer time between two inputs means that the process did not run. */
const SUSPENDED_MS = 2_000
const READ_COUNT = 200
/** While entries arrive, the next read waits: each read that wakes this process up costs 0.5 ms. */
const READ_PAUSE_MS = 10
const ASK_TIME_MS = 30_000
const AUDIT_MS = 60_000
const AUDIT_AFTER_ASSERTION_MS = 2_000
/** In a younger epoch, the other members may not have asserted what they know. */
const YOUNG_MS = 5_000
/** A node waits so long for the other members before it is ready, in ms: one of them may be dead. */
const SETTLE_MS = 5_000
const KEEP_MS = 120_000
/** After a longer absence, a node counts as one that joins for the first time. */
const ABSENT_MS = 9_000
/** So many registers are written back in one step. */
const WRITE_BACK = 500
/** Clients may have been told so many numbers after the greatest one, while the numbers of the log went back. */
const RESERVED = 1_000
const BEFORE_ALL: Place = { epoch: 0, seq: 0 }

/** An append that was sent and not answered. */
interface Sent {
  readonly id: number
  readonly batch: number
  readonly kind: EntryKind
  readonly assertion: number
  readonly subject: NodeId | undefined
  /** The place of this node when it was sent. */
  readonly from: Place
}

/**
 * The protocol of a cluster, for one node, as a state machine: no clock, no timers, no I/O, no randomness. Each input
 * returns what the adapter has to do. `now` is in ms of a clock that also runs while the process is suspended, and that
 * is never set. The adapter calls `tick` at `nextTick` at the latest.
 */
export class Member {
  readonly #options: MemberOptions
  readonly #host: Host
  readonly #outbox = new Outbox()
  readonly #members = new Members()
  readonly #clock = new RedisClock()
  #commands: Command[] = []
  #lastId = 0
  #now = 0

  // Connection
  #connectId = 0
  #isConnected = false
  #server: string | undefined
  #isAway = false
  /** Since when an own entry has not come back. */
  #waitingSince: number | undefined
  #timeId = 0
  /** Whether Redis has told its time on this connection. After a restart, its clock may be another one. */
  #isTimeKnown = false
  #askedTimeAt = Number.NEGATIVE_INFINITY

  // Reading
  #place: Place | undefined
  #greatestSeq = 0
  #readId: number | undefined
  #readAt = 0
  #entriesAt = Number.NEGATIVE_INFINITY
  #loadId: number | undefined
  #isReady = false
  #settledSince: Place | undefined
  /** Places, and when they were read: about one per second. */
  #past: { readonly place: Place; readonly at: number }[] = []

  // Writing
  #batch = 0
  /** How often the next batch number was sent. */
  #attempts = 0
  #sent: Sent | undefined
  #sentAt = Number.NEGATIVE_INFINITY
  #retryAt = Number.NEGATIVE_INFINITY
  /** The last own batch that is in the log with the content that was composed last. */
  #confirmed = 0
  #readBatch = 0
  /** The own batches that are in the log and were not read back, and what to say again if Redis loses them before. */
  readonly #unread = new Map<number, { readonly place: Place; readonly said: Changed }>()
  #placed = 0
  #beat: 'none' | 'due' | 'sent' = 'none'
  #beatAt = Number.NEGATIVE_INFINITY
  /** `join` and `end` are the next entries; `ending`: `end` was appended; `done`: `end` was read back. */
  #assertion: 'join' | 'end' | 'ending' | 'done' = 'join'
  #assertions = 0
  #joinPlace = BEFORE_ALL
  /** When this process joined, by the clock of Redis: first, or after a long absence. */
  #since: number | undefined
  /** When this process joined first, also after a long absence. */
  #startedAt: number | undefined
  #endBatch = 0
  /** When the last assertion was read back. */
  #assertedAt = 0
  /** An epoch has to begin. `current` is the epoch that it must replace. */
  #epochWanted: { readonly current: number | undefined } | undefined
  /** An epoch has begun that this node has not read yet. Nothing can be appended before. */
  #epochToRead: number | undefined
  readonly #toLose = new Set<NodeId>()
  /** The lost node whose users' last signs of life are said, or were. */
  #lastSignsOf: NodeId | undefined
  /** The registers that this node still writes back, before its `end`. */
  #writesBack: Iterator<RegisterKey> | undefined
  /** Whether the assertion contains all registers. */
  #isComplete = false
  /** When an own entry was read back last. */
  #ownReadAt = Number.POSITIVE_INFINITY
  #auditAt = Number.POSITIVE_INFINITY
  #audit: { readonly id: number; readonly facts: number } | undefined
  #stop: 'no' | 'wanted' | 'done' = 'no'

  constructor(options: MemberOptions, host: Host) {
    this.#options = options
    this.#host = host
  }

  // Inputs

  start(now: number): Command[] {
    return this.#input(now, () => {
      this.#waitingSince = now
      this.#connect()
    })
  }

  tick(now: number): Command[] {
    return this.#input(now, () => {})
  }

  /** Something has changed on this node. */
  changed(changed: Changed, now: number): Command[] {
    return this.#input(now, () => this.#outbox.add(changed))
  }

  /** Tells the others that this node stops. */
  stop(now: number): Command[] {
    return this.#input(now, () => {
      if (this.#stop === 'no') this.#stop = 'wanted'
    })
  }

  connected(id: number, { server, end }: ServerInfo, now: number): Command[] {
    return this.#input(now, () => {
      if (id !== this.#connectId || this.#isConnected) return
      this.#isConnected = true
      this.#askTime()
      this.#readAt = this.#retryAt = now
      const isOther = this.#server !== undefined && this.#server !== server
      this.#server = server
      if (!this.#place) return this.#load()
      this.#waitingSince = now
      if (this.#assertion === 'done') this.#beat = 'due'
      if (isOther || !end || isBefore(end, this.#place)) this.#wantEpoch(this.#place.epoch)
    })
  }

  /** A connection was closed or has failed. */
  disconnected(now: number): Command[] {
    return this.#input(now, () => {
      if (!this.#isConnected) return
      this.#waitingSince ??= now
      this.#connect()
    })
  }

  /** A command could not be executed, or nobody knows whether it was. */
  failed(id: number, now: number): Command[] {
    return this.#input(now, () => {
      if (id === this.#sent?.id) {
        this.#refused()
        this.#retryAt = now + RETRY_MS
      } else if (id === this.#readId) {
        this.#readId = undefined
        this.#readAt = now + RETRY_MS
      } else if (id === this.#loadId) {
        this.#connect()
      } else if (id === this.#timeId) {
        this.#askedTimeAt = now + RETRY_MS - ASK_TIME_MS
      }
    })
  }

  toldTime(id: number, time: number, now: number): Command[] {
    return this.#input(now, () => {
      if (id !== this.#timeId) return
      this.#clock.answered(this.#askedTimeAt, now, time)
      this.#isTimeKnown = true
    })
  }

  /** The script has answered an append. */
  answered(id: number, answer: AppendReply, now: number): Command[] {
    return this.#input(now, () => {
      const sent = this.#sent
      if (id !== sent?.id) return
      if (answer.reply === 'appended') return this.#landed(sent, answer.place)
      this.#refused()
      switch (answer.reply) {
        case 'duplicate':
          // The content of an earlier attempt is in the log. It may differ, so all of it is said again.
          this.#batch = Math.max(this.#batch, answer.batch)
          this.#attempts = 0
          break
        case 'epoch':
          this.#foundEpoch(answer.epoch)
          break
        case 'lost':
          this.#assert()
          break
        case 'alive':
          // It lives, or this node does not know all that it has written.
          if (sent.subject !== undefined) this.#toLose.delete(sent.subject)
          this.#lastSignsOf = undefined
          this.#auditAt = now
      }
    })
  }

  entriesRead(id: number, entries: readonly Entry[], now: number): Command[] {
    return this.#input(now, () => {
      if (id !== this.#readId) return
      this.#readId = undefined
      this.#readAt = entries.length > 0 && now - this.#entriesAt < WINDOW_MS ? now + READ_PAUSE_MS : now
      if (entries.length > 0) this.#entriesAt = now
      for (const entry of entries) {
        if (!this.#follows(entry)) return this.#load()
        this.#read(entry)
      }
    })
  }

  loaded(id: number, loaded: Loaded, now: number): Command[] {
    return this.#input(now, () => {
      if (id !== this.#loadId) return
      this.#loadId = undefined
      this.#readAt = now
      this.#epochToRead = undefined
      const { end, epoch, server } = loaded
      if (this.#place && (!end || isBefore(end, this.#place))) {
        // Redis has lost what this node knows, so this node keeps it.
        return this.#wantEpoch(epoch)
      }
      if (!end || epoch === undefined || server !== this.#server) this.#wantEpoch(epoch)
      else if (this.#place && epoch > this.#place.epoch) this.#epochWanted = undefined
      this.#place = end ?? BEFORE_ALL
      // What is loaded contains what was appended in the same epoch.
      for (const [batch, { place }] of this.#unread) if (place.epoch === epoch) this.#unread.delete(batch)
      this.#sayLostAgain()
      if (end) this.#passed(end)
      this.#clock.seen(this.#place.epoch, now)
      this.#members.load(loaded, this.#clock.at(now))
      this.#toLose.clear()
      this.#host.happened({ what: 'loaded', loaded })
      this.#assert()
    })
  }

  audited(id: number, { nodes, ownFacts }: Audit, now: number): Command[] {
    return this.#input(now, () => {
      if (id !== this.#audit?.id) return
      const { facts } = this.#audit
      this.#audit = undefined
      if (this.#assertion !== 'done') return
      this.#members.audit(nodes, this.#clock.at(now))
      if (!nodes.has(this.#options.node) || ownFacts !== facts) this.#assert()
    })
  }

  // Queries

  /** When `tick` must be called next. */
  get nextTick(): number {
    const times = [this.#now + BEAT_MS]
    if (this.#waitingSince !== undefined) times.push(this.#waitingSince + this.#patience)
    if (this.#isConnected) {
      if (this.#readId === undefined && this.#loadId === undefined) times.push(this.#readAt)
      if (this.#retryAt > this.#now) times.push(this.#retryAt)
      if (this.#assertion === 'done' && !this.#sent && this.#epochToRead === undefined) {
        if (this.#hasContent) times.push(this.#sentAt + WINDOW_MS)
        if (this.#beat === 'none') times.push(this.#beatAt + BEAT_MS)
      }
    }
    return Math.max(Math.min(...times), this.#now + 1)
  }

  /** Whether Redis has ever told its time. */
  get knowsTime(): boolean {
    return this.#clock.isKnown
  }

  /** The clock of Redis, in ms since the epoch. */
  redisTime(now: number): number {
    return this.#clock.at(now)
  }

  /** The last entry that was applied; `undefined` before the first load. */
  get place(): Place | undefined {
    return this.#place
  }

  get isAway(): boolean {
    return this.#isAway
  }

  /** Whether the view is complete. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** Whether this node shows what all others show at the same place. */
  get isSettled(): boolean {
    return this.#settledSince !== undefined
  }

  /** Whether this node has told the others all it knows, and nothing has to be appended. */
  get isQuiet(): boolean {
    return this.#assertion === 'done' && !this.#hasContent && this.#sent?.kind !== 'say' && !this.#epochWanted
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
    return this.#since !== undefined && this.#members.isEldest(this.#options.node, this.#since)
  }

  /**
   * Whether a client that knows everything up to a place can continue from there: this node shows what all others
   * showed at that place.
   */
  canResumeFrom(place: Place): boolean {
    const since = this.#settledSince
    if (!since || !this.#place) return false
    return !isBefore(place, since) && !isBefore(this.#place, place)
  }

  // Connection

  #input(now: number, take: () => void): Command[] {
    const passed = now - this.#now
    if (passed >= SUSPENDED_MS && this.#waitingSince !== undefined) this.#waitingSince += passed
    this.#now = now
    take()
    this.#watch()
    this.#advance()
    const commands = this.#commands
    this.#commands = []
    return commands
  }

  #command(command: { readonly do: Command['do'] } & Record<string, unknown>): number {
    const id = ++this.#lastId
    this.#commands.push({ ...command, id } as Command)
    return id
  }

  /** Gives up all commands on their way and connects. The outcome of an append on its way is not known. */
  #connect(): void {
    if (this.#sent) this.#refused()
    // What was appended may be lost.
    if (this.#assertion === 'ending') this.#assertion = 'end'
    if (this.#beat === 'sent') this.#beat = 'due'
    this.#isConnected = false
    this.#readId = this.#loadId = this.#audit = undefined
    this.#timeId = 0
    this.#isTimeKnown = false
    this.#epochToRead = undefined
    this.#connectId = this.#command({ do: 'connect' })
  }

  get #patience(): number {
    return this.#isAway && this.#isConnected ? TRY_MS : AWAY_MS
  }

  #watch(): void {
    if (this.#waitingSince === undefined || this.#now < this.#waitingSince + this.#patience) return
    this.#waitingSince = undefined
    if (!this.#isAway) {
      this.#isAway = true
      this.#host.happened({ what: 'away' })
    }
    if (this.#isConnected) this.#connect()
  }

  /** Whether an own entry has to come back. */
  get #expectsEntry(): boolean {
    const isWaiting = this.#sent !== undefined || this.#epochToRead !== undefined || !this.#isTimeKnown
    return isWaiting || this.#beat !== 'none' || this.#assertion === 'ending'
  }

  #askTime(): void {
    this.#askedTimeAt = this.#now
    this.#timeId = this.#command({ do: 'time' })
  }

  /** Does what is due. */
  #advance(): void {
    if (!this.#isConnected) return
    if (this.#now >= this.#askedTimeAt + ASK_TIME_MS) this.#askTime()
    if (this.#loadId !== undefined || !this.#place) return
    if (this.#readId === undefined && this.#now >= this.#readAt) {
      this.#readId = this.#command({ do: 'read', after: this.#place, count: READ_COUNT })
    }
    if (this.#assertion === 'done') {
      if (this.#beat === 'none' && this.#now >= this.#beatAt + BEAT_MS && this.#stop !== 'done') {
        this.#beat = 'due'
      }
      // An older member was lost before it has written back.
      if (this.isEldest && !this.#members.isWrittenBack) this.#assert()
      this.#auditIfDue()
    }
    this.#append(this.#place)
    if (this.#expectsEntry) this.#waitingSince ??= this.#now
  }

  #auditIfDue(): void {
    if (this.#now < this.#auditAt || this.#audit || this.#sent || this.#hasContent) return
    this.#auditAt = this.#now + AUDIT_MS
    let facts = 0
    for (const _ of this.#host.users()) facts++
    this.#audit = { id: this.#command({ do: 'audit' }), facts }
  }

  // Reading

  #load(): void {
    if (this.#isReady) this.#host.happened({ what: 'loading' })
    this.#isReady = false
    this.#settledSince = undefined
    this.#waitingSince = undefined
    this.#loadId = this.#command({ do: 'load' })
  }

  /** Whether an entry is the next one. Before an epoch begins again, entries may be missing: all members assert. */
  #follows({ place, kind, body }: Entry): boolean {
    const { epoch, seq } = this.#place as Place
    if (place.epoch === epoch) return place.seq === seq + 1
    return kind === 'epoch' && body.again === true
  }

  #read(entry: Entry): void {
    const { place, node, batch, kind, body } = entry
    const isOwn = node === this.#options.node
    this.#place = place
    this.#clock.seen(Math.max(body.at, place.epoch), this.#now)
    if (kind === 'epoch') this.#epochBegan(place.epoch)
    this.#passed(place)
    const wasWrittenBack = this.#members.isWrittenBack
    const isMissing = node !== '' && this.#members.read(entry, this.#clock.at(this.#now))
    this.#toLose.delete(node)
    if (kind !== 'unknown') this.#host.happened({ what: 'entry', entry })
    if (kind === 'lost' && body.subject !== undefined) this.#lost(body.subject, place)
    if (isOwn) this.#unread.delete(batch)
    this.#sayLostAgain()
    if (isOwn) this.#readBack(entry)
    if (isMissing) this.#wantEpoch(place.epoch)
    if (!wasWrittenBack && this.#members.isWrittenBack) this.#compareRegisters()
    const knowsEpoch = !this.#epochWanted && this.#epochToRead === undefined && this.#members.isWrittenBack
    const isSettled = this.#assertion === 'done' && this.#members.areComplete && knowsEpoch
    if (isSettled) this.#settledSince ??= place
    if (isOwn && kind === 'beat' && body.at - place.epoch >= YOUNG_MS) this.#readyIfSettled()
    this.#host.happened({ what: 'reached', place })
    if (this.#now - (this.#past.at(-1)?.at ?? Number.NEGATIVE_INFINITY) >= BEAT_MS) {
      this.#past.push({ place, at: this.#now })
    }
  }

  /** A client that is welcomed before this node is settled is told a place that no other node knows. */
  #readyIfSettled(): void {
    if (this.#isReady || this.#assertion !== 'done') return
    if (!this.#settledSince && this.#now - this.#assertedAt < SETTLE_MS) return
    this.#isReady = true
    this.#host.happened({ what: 'ready' })
  }

  /**
   * Numbers grow over all epochs, because clients are told only numbers while they are connected. An epoch that began
   * with a smaller one is replaced: Redis has lost writes, and its clock was set back.
   */
  #passed({ epoch, seq }: Place): void {
    if (seq >= this.#greatestSeq) {
      this.#greatestSeq = seq
    } else if (!this.#epochWanted) {
      this.#wantEpoch(epoch)
      this.#greatestSeq += RESERVED
    }
  }

  #epochBegan(epoch: number): void {
    this.#members.newEpoch(epoch)
    this.#epochWanted = undefined
    if (epoch >= (this.#epochToRead ?? 0)) this.#epochToRead = undefined
    this.#settledSince = undefined
    this.#host.happened({ what: 'epoch', epoch })
    this.#assert()
  }

  #lost(node: NodeId, place: Place): void {
    this.#members.lost(node)
    this.#toLose.delete(node)
    if (node === this.#lastSignsOf) this.#lastSignsOf = undefined
    this.#host.happened({ what: 'nodeLost', node })
    if (node !== this.#options.node || isBefore(place, this.#joinPlace)) return
    this.#host.happened({ what: 'lostMyself' })
    this.#assert()
  }

  /** An own entry was read back. */
  #readBack({ place, batch, kind, body }: Entry): void {
    this.#readBatch = Math.max(this.#readBatch, batch)
    // If it was sent only once, it is what was composed. Otherwise the answer decides.
    if (batch === this.#sent?.batch && this.#attempts === 1) this.#landed(this.#sent, place)
    if (batch > this.#batch && !this.#sent) {
      this.#batch = batch
      this.#attempts = 0
    }
    this.#waitingSince = undefined
    this.#wasAbsent()
    this.#ownReadAt = this.#now
    if (this.#isAway) {
      this.#isAway = false
      this.#host.happened({ what: 'back' })
    }
    this.#tellPlaced()
    if (kind === 'beat') {
      this.#beat = 'none'
      this.#members.beat(body.at)
      this.#host.happened({ what: 'beat' })
      for (const node of this.#members.silent(this.#graceBeats(body.at))) {
        if (node !== this.#options.node) this.#toLose.add(node)
      }
    }
    if (kind === 'end' && this.#assertion === 'ending' && batch === this.#endBatch) {
      this.#assertion = 'done'
      this.#assertedAt = this.#now
      this.#beat = 'none'
      this.#auditAt = this.#now + AUDIT_AFTER_ASSERTION_MS
    }
  }

  /**
   * How many beats a member may miss at least. If all nodes have just restarted, the former ones are still members, so
   * that their users are not shown as offline before they are back.
   */
  #graceBeats(now: number): number {
    const { restartGraceMs = RESTART_GRACE_MS } = this.#options
    const after = now - restartGraceMs
    const isRestart = (this.#startedAt ?? 0) > after && this.#members.haveJoinedAfter(after)
    return isRestart ? restartGraceMs / BEAT_MS : 0
  }

  /** A member has written back all that it knows. If this node knows more, Redis may have lost that. */
  #compareRegisters(): void {
    for (const _ of this.#host.unrepeatedRegisters()) return this.#assert()
  }

  /** Says again what was in the log at a place that this node has passed without reading it: Redis has lost it. */
  #sayLostAgain(): void {
    for (const [batch, { place, said }] of this.#unread) {
      if (isBefore(this.#place as Place, place)) return
      this.#unread.delete(batch)
      this.#outbox.add(said)
      this.#host.happened({ what: 'refused', batch })
    }
  }

  #tellPlaced(): void {
    const placed = Math.min(this.#confirmed, this.#readBatch)
    if (placed <= this.#placed) return
    this.#placed = placed
    this.#host.happened({ what: 'placed', batch: placed })
  }

  // Writing

  get #hasContent(): boolean {
    return !this.#outbox.isEmpty || this.#toLose.size > 0
  }

  /** Tells all that this node knows, from the beginning. */
  #assert(): void {
    this.#assertion = 'join'
    this.#assertions++
    this.#beat = 'none'
  }

  /** Writes may be missing: a new epoch begins, in which all members assert. */
  #wantEpoch(current: number | undefined): void {
    this.#epochWanted = { current }
    this.#settledSince = undefined
  }

  /** Another epoch is current than the one that this node knows. */
  #foundEpoch(epoch: number | undefined): void {
    if (epoch !== undefined && epoch > (this.#place as Place).epoch) {
      this.#epochToRead = epoch
      this.#epochWanted = undefined
    } else {
      this.#wantEpoch(epoch)
    }
  }

  #append(place: Place): void {
    if (this.#sent || !this.#isTimeKnown || this.#now < this.#retryAt || this.#stop === 'done') return
    const next = this.#next()
    if (!next) return
    const batch = this.#batch + 1
    const request = this.#compose(next, batch, place)
    const { kind } = request
    if (kind === 'beat') {
      this.#beat = 'sent'
      this.#beatAt = this.#now
    }
    this.#attempts++
    this.#sentAt = this.#now
    const id = this.#command({ do: 'append', request })
    const { subject } = request.body
    this.#sent = { id, batch, kind, assertion: this.#assertions, subject, from: place }
  }

  /** The kind of the next entry; `undefined` if there is nothing to append now. */
  #next(): EntryKind | undefined {
    if (this.#epochWanted) return 'epoch'
    if (this.#epochToRead !== undefined) return undefined
    // No beats during an assertion: so a beat tells that what the node has said is complete.
    if (this.#assertion === 'join' || this.#assertion === 'end') return this.#assertion
    if (this.#stop === 'wanted') return 'left'
    if (this.#toLose.size > 0) return 'lost'
    if (this.#beat === 'due') return 'beat'
    return this.#hasContent && this.#now >= this.#sentAt + WINDOW_MS ? 'say' : undefined
  }

  #compose(kind: EntryKind, batch: number, place: Place): AppendRequest {
    const host = this.#host
    const { node, about } = this.#options
    const at = this.#clock.at(this.#now)
    if (kind === 'join') this.#wasAbsent()
    this.#since ??= at
    this.#startedAt ??= at
    const empty: EntryBody = { format: 1, at, facts: [], registers: [] }
    const oldest = this.#oldest()
    const request = { epoch: place.epoch, node, batch, kind, ...(oldest ? { oldest } : {}) }
    if (kind === 'epoch') {
      const current = this.#epochWanted?.current
      const body: EntryBody = { ...empty, again: true, since: this.#since }
      const newEpoch = Math.max(at, place.epoch + 1, this.#greatestSeq + 1, (current ?? 0) + 1)
      return { ...request, epoch: current, newEpoch, server: this.#server ?? '', body }
    }
    const [subject = ''] = kind === 'lost' ? this.#toLose : []
    if (kind === 'lost' && this.#lastSignsOf !== subject) {
      this.#lastSignsOf = subject
      this.#outbox.add({ users: host.usersOf(subject) })
    }
    if (kind === 'join') {
      this.#outbox.add({ users: host.users() })
      // The eldest member is the first to write back, so the others repeat only what it does not know.
      this.#isComplete = this.isEldest && !this.#members.isWrittenBack
      const writesBack = this.#isComplete || this.#members.isWrittenBack
      this.#writesBack = writesBack ? host.unrepeatedRegisters()[Symbol.iterator]() : undefined
    } else if (this.#outbox.isEmpty) this.#writeBack()
    const content = this.#outbox.take(host, batch, { isAssertion: this.#assertion !== 'done' })
    const body: EntryBody = {
      ...empty,
      ...content,
      ...(kind === 'join' ? { about } : kind === 'left' ? { about: { ...about, left: at } } : {}),
      ...(kind === 'join' || kind === 'beat' ? { since: this.#since } : {}),
    }
    // An assertion ends, and a node stops or is lost, with everything said.
    const isPart = (kind === 'end' && this.#writesBack !== undefined) || !this.#outbox.isEmpty
    if (isPart && (kind === 'end' || kind === 'left' || kind === 'lost'))
      return { ...request, kind: 'say', body }
    if (kind === 'lost') {
      return { ...request, knownBatch: this.#members.batchOf(subject), body: { ...body, subject } }
    }
    // With beats too, so that a node that has loaded learns it.
    const isComplete = kind === 'end' ? this.#isComplete : kind === 'beat' && this.#members.isWrittenBack
    return { ...request, kind, body: isComplete ? { ...body, isComplete } : body }
  }

  /** After a long absence, this node may have missed what Redis has lost since. Others know more and count as older. */
  #wasAbsent(): void {
    if (this.#now - this.#ownReadAt <= ABSENT_MS) return
    this.#since = undefined
    this.#ownReadAt = this.#now
  }

  /** Writes back what Redis may have lost, step by step. */
  #writeBack(): void {
    for (let count = 0; this.#writesBack && count < WRITE_BACK; count++) {
      const { done, value } = this.#writesBack.next()
      if (done) this.#writesBack = undefined
      else this.#outbox.add({ registers: [value] })
    }
  }

  #oldest(): Place | undefined {
    const before = this.#now - (this.#options.keepMs ?? KEEP_MS)
    while ((this.#past[1]?.at ?? Number.POSITIVE_INFINITY) <= before) this.#past.shift()
    const [first] = this.#past
    return first && first.at <= before ? first.place : undefined
  }

  /** The append on its way is in the log. */
  #landed({ batch, kind, assertion, subject, from }: Sent, place: Place): void {
    this.#sent = undefined
    const said = this.#outbox.landed()
    if (batch > this.#readBatch) this.#unread.set(batch, { place, said })
    this.#batch = this.#confirmed = batch
    this.#attempts = 0
    const isCurrent = assertion === this.#assertions
    if (kind === 'join') {
      this.#joinPlace = place
      if (isCurrent) this.#assertion = 'end'
    }
    if (kind === 'end' && isCurrent) {
      this.#assertion = 'ending'
      this.#endBatch = batch
    }
    if (kind === 'lost' && subject !== undefined) this.#toLose.delete(subject)
    if (kind === 'left') {
      this.#stop = 'done'
      this.#host.happened({ what: 'stopped' })
    }
    if (kind === 'epoch') {
      this.#epochWanted = undefined
      if (place.epoch > (this.#place as Place).epoch) this.#epochToRead = place.epoch
    }
    // Redis has gone back to before the place that this node has read.
    if (!isBefore(from, place)) this.#wantEpoch(from.epoch)
    this.#sayLostAgain()
    this.#tellPlaced()
  }

  /** The append on its way is not in the log, or nobody knows. */
  #refused(): void {
    if (!this.#sent) return
    const { kind, batch } = this.#sent
    if (kind === 'beat') this.#beat = 'due'
    this.#sent = undefined
    this.#outbox.refused()
    this.#host.happened({ what: 'refused', batch })
  }
}
