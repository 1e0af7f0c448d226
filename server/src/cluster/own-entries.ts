import type { Age } from './age.ts'
import { Assertion } from './assertion.ts'
import { Batches, type Sent } from './batches.ts'
import type { Audit, Host } from './command.ts'
import type {
  AppendReply,
  AppendRequest,
  Entry,
  EntryBody,
  EntryKind,
  NodeAbout,
  NodeId,
  Place,
} from './entry.ts'
import type { Judge } from './judge.ts'
import { BEAT_MS, type Members } from './members.ts'
import { type Changed, Outbox } from './outbox.ts'
import type { OwnPlace } from './own-place.ts'
import { isBefore } from './place.ts'
import { RETRY_MS, type WatchedConnection } from './watched-connection.ts'

/** Changes wait at most this long for others. The first change after a quiet time does not wait. */
export const WINDOW_MS = 50
const AUDIT_MS = 60_000
const AUDIT_AFTER_ASSERTION_MS = 2_000

/** What the entries of a node depend on. */
export interface OwnEntriesParts {
  readonly node: NodeId
  readonly about: NodeAbout
  readonly host: Host
  readonly redis: WatchedConnection
  readonly place: OwnPlace
  readonly members: Members
  readonly age: Age
  readonly judge: Judge
}

/**
 * The entries that this node appends: which is the next one, what it contains, and what has become of it. An entry is
 * composed again for each attempt.
 */
export class OwnEntries {
  readonly #node: NodeId
  readonly #about: NodeAbout
  readonly #host: Host
  readonly #redis: WatchedConnection
  readonly #place: OwnPlace
  readonly #members: Members
  readonly #age: Age
  readonly #judge: Judge
  readonly #outbox = new Outbox()
  readonly #batches = new Batches()
  readonly #assertion: Assertion
  #sentAt = Number.NEGATIVE_INFINITY
  #retryAt = Number.NEGATIVE_INFINITY
  /** How many appends in a row the script has refused. */
  #refusals = 0
  #beat: 'none' | 'due' | 'sent' = 'none'
  #beatAt = Number.NEGATIVE_INFINITY
  #stop: 'no' | 'wanted' | 'done' = 'no'
  #auditAt = Number.POSITIVE_INFINITY
  #audit: { readonly id: number; readonly facts: number } | undefined

  constructor({ node, about, host, redis, place, members, age, judge }: OwnEntriesParts) {
    this.#node = node
    this.#about = about
    this.#host = host
    this.#redis = redis
    this.#place = place
    this.#members = members
    this.#age = age
    this.#judge = judge
    this.#assertion = new Assertion(host, members, this.#outbox)
  }

  // What there is to say

  /** Something has changed on this node. */
  changed(changed: Changed): void {
    this.#outbox.add(changed)
  }

  /** The last entry of this node is `left`. */
  stop(): void {
    if (this.#stop === 'no') this.#stop = 'wanted'
  }

  /** Tells all that this node knows, from the beginning. */
  assert(): void {
    this.#assertion.begin()
    this.#beat = 'none'
  }

  /** A member has written back all that it knows. If this node knows more, Redis may have lost that. */
  compareRegisters(): void {
    for (const _ of this.#host.unrepeatedRegisters()) return this.assert()
  }

  /** When the last assertion was read back; `undefined` while this node asserts. */
  get assertedAt(): number | undefined {
    return this.#assertion.doneAt
  }

  /** Whether a place comes before the last `join` of this node. */
  isBeforeJoin(place: Place): boolean {
    return this.#assertion.isBeforeJoin(place)
  }

  /** Whether this node has told the others all it knows, and nothing has to be appended. */
  get isQuiet(): boolean {
    const isSaying = this.#batches.sent?.kind === 'say'
    return this.#isAsserted && !this.#hasContent && !isSaying && !this.#place.wantsEpoch
  }

  get #isAsserted(): boolean {
    return this.#assertion.doneAt !== undefined
  }

  get #hasContent(): boolean {
    return !this.#outbox.isEmpty || this.#judge.next !== undefined
  }

  // Appending

  /** When something is due, at the earliest; infinite if that depends on other inputs. */
  nextDue(now: number): number {
    const times = [Number.POSITIVE_INFINITY]
    if (this.#retryAt > now) times.push(this.#retryAt)
    if (this.#isAsserted && !this.#batches.sent && !this.#place.hasEpochToRead) {
      if (this.#hasContent) times.push(this.#sentAt + WINDOW_MS)
      if (this.#beat === 'none') times.push(this.#beatAt + BEAT_MS)
    }
    return Math.min(...times)
  }

  /** Appends what is due. */
  advance(now: number, place: Place): void {
    if (this.#isAsserted) {
      if (this.#beat === 'none' && now >= this.#beatAt + BEAT_MS && this.#stop !== 'done') this.#beat = 'due'
      // An older member was lost before it has written back.
      if (this.#age.isEldest && !this.#members.isWrittenBack) this.assert()
      this.#auditIfDue(now)
    }
    this.#append(now, place)
    if (this.#expectsEntry) this.#redis.startWaiting(now)
  }

  #append(now: number, place: Place): void {
    if (this.#batches.sent || !this.#redis.isTimeKnown || now < this.#retryAt || this.#stop === 'done') return
    const next = this.#next(now)
    if (!next) return
    const batch = this.#batches.next
    const request = this.#compose(next, batch, place, now)
    const { kind } = request
    if (kind === 'beat') {
      this.#beat = 'sent'
      this.#beatAt = now
    }
    this.#sentAt = now
    const id = this.#redis.send({ do: 'append', request })
    const { subject } = request.body
    this.#batches.send({ id, batch, kind, assertion: this.#assertion.number, subject, from: place })
  }

  /** The kind of the next entry; `undefined` if there is nothing to append now. */
  #next(now: number): EntryKind | undefined {
    if (this.#place.wantsEpoch) return 'epoch'
    if (this.#place.hasEpochToRead) return undefined
    // No beats during an assertion: so a beat tells that what the node has said is complete.
    if (this.#assertion.next) return this.#assertion.next
    if (this.#stop === 'wanted') return 'left'
    if (this.#judge.next !== undefined) return 'lost'
    if (this.#beat === 'due') return 'beat'
    return this.#hasContent && now >= this.#sentAt + WINDOW_MS ? 'say' : undefined
  }

  #compose(kind: EntryKind, batch: number, place: Place, now: number): AppendRequest {
    const host = this.#host
    const about = this.#about
    const at = this.#redis.clock.at(now)
    if (kind === 'join') this.#age.joins(now)
    const since = this.#age.writes(at)
    this.#host.happened({ what: 'composed', batch, at })
    const empty: EntryBody = { format: 1, at, facts: [], registers: [] }
    const oldest = this.#place.oldest(now)
    const request = { epoch: place.epoch, node: this.#node, batch, kind, ...(oldest ? { oldest } : {}) }
    if (kind === 'epoch') {
      const body: EntryBody = { ...empty, again: true, since }
      return { ...request, ...this.#place.nextEpoch(at), server: this.#redis.server ?? '', body }
    }
    const subject = kind === 'lost' ? this.#judge.next : undefined
    if (subject !== undefined && this.#judge.beginsLastSigns(subject)) {
      this.#outbox.add({ users: host.usersOf(subject) })
    }
    if (kind === 'join') this.#assertion.join(this.#age.isEldest)
    else if (this.#outbox.isEmpty) this.#assertion.writeBack()
    const content = this.#outbox.take(host, batch, { isAssertion: !this.#isAsserted })
    const body: EntryBody = {
      ...empty,
      ...content,
      ...(kind === 'join' ? { about } : kind === 'left' ? { about: { ...about, left: at } } : {}),
      ...(kind === 'join' || kind === 'beat' ? { since } : {}),
    }
    // An assertion ends, and a node stops or is lost, with everything said.
    const isPart = (kind === 'end' && this.#assertion.isWritingBack) || !this.#outbox.isEmpty
    if (isPart && (kind === 'end' || kind === 'left' || kind === 'lost')) {
      return { ...request, kind: 'say', body }
    }
    if (subject !== undefined) {
      return { ...request, knownBatch: this.#members.batchOf(subject), body: { ...body, subject } }
    }
    // With beats too, so that a node that has loaded learns it.
    const isComplete =
      kind === 'end' ? this.#assertion.isComplete : kind === 'beat' && this.#members.isWrittenBack
    return { ...request, body: isComplete ? { ...body, isComplete } : body }
  }

  // What becomes of it

  /** Whether a command is the append on its way. */
  isSent(id: number): boolean {
    return id === this.#batches.sent?.id
  }

  connected(now: number): void {
    this.#retryAt = now
    if (this.#isAsserted) this.#beat = 'due'
  }

  /** The connection was closed. Nobody knows what has become of the append on its way. */
  disconnected(): void {
    this.#refused()
    this.#assertion.disconnected()
    if (this.#beat === 'sent') this.#beat = 'due'
    this.#audit = undefined
  }

  /** The append on its way could not be executed, or nobody knows whether it was. */
  failed(now: number): void {
    this.#refused()
    this.#retryAt = now + RETRY_MS
  }

  /** The script has answered the append on its way. */
  answered(answer: AppendReply, now: number): void {
    const { sent } = this.#batches
    if (!sent) return
    if (answer.reply === 'appended') return this.#landed(sent, answer.place)
    this.#refused()
    // What no node does may bring the same answer again and again: Redis is not asked without a pause.
    if (++this.#refusals > 1) this.#retryAt = now + RETRY_MS
    switch (answer.reply) {
      case 'duplicate':
        // The content of an earlier attempt is in the log. It may differ, so all of it is said again.
        this.#batches.skipTo(answer.batch)
        break
      case 'epoch':
        this.#place.foundEpoch(answer.epoch)
        break
      case 'lost':
        this.#host.happened({ what: 'lostMyself' })
        this.assert()
        break
      case 'alive':
        // It lives, or this node does not know all that it has written.
        if (sent.subject !== undefined) this.#judge.forget(sent.subject)
        this.#auditAt = now
    }
  }

  /** This node has loaded what Redis holds, up to a place. */
  loaded(place: Place, epoch: number | undefined): void {
    this.#batches.loaded(epoch)
    this.#sayLostAgain(place)
  }

  /** This node has read the next entry, with an own batch or without one. */
  passed(place: Place, ownBatch?: number): void {
    if (ownBatch !== undefined) this.#batches.found(ownBatch)
    this.#sayLostAgain(place)
  }

  /** An own entry was read back. */
  readBack(entry: Entry, now: number): void {
    const { place, batch, kind, body } = entry
    const { sent } = this.#batches
    const isConfirmed = this.#batches.isConfirmedBy(batch)
    this.#batches.readBack(batch)
    if (sent && isConfirmed) this.#landed(sent, place)
    this.#age.readBack(now)
    this.#redis.cameBack()
    this.#tellPlaced()
    if (kind === 'beat') {
      this.#beat = 'none'
      this.#members.beat(body.at)
      this.#host.happened({ what: 'beat' })
      for (const node of this.#judge.judge(body.at, other => this.#host.hasLeases(other))) {
        this.#host.happened({ what: 'losing', node })
      }
    }
    if (!this.#assertion.readBack(entry, now)) return
    this.#beat = 'none'
    this.#auditAt = now + AUDIT_AFTER_ASSERTION_MS
  }

  /** The append on its way is in the log. */
  #landed(sent: Sent, place: Place): void {
    const { kind, subject, from } = sent
    this.#refusals = 0
    this.#batches.landed(sent, place, this.#outbox.landed())
    this.#assertion.landed(sent, place)
    if (subject !== undefined) this.#judge.withdraw(subject)
    if (kind === 'left') {
      this.#stop = 'done'
      this.#host.happened({ what: 'stopped' })
    }
    if (kind === 'epoch') this.#place.landedEpoch(place.epoch)
    // Redis has gone back to before the place that this node has read.
    if (!isBefore(from, place)) this.#place.wantEpoch(from.epoch)
    // The answer may come after the entries that follow.
    this.#sayLostAgain(this.#place.last ?? from)
    this.#tellPlaced()
  }

  /** The append on its way is not in the log, or nobody knows. */
  #refused(): void {
    const { sent } = this.#batches
    if (!sent) return
    if (sent.kind === 'beat') this.#beat = 'due'
    this.#batches.refused()
    this.#outbox.refused()
    this.#host.happened({ what: 'refused', batch: sent.batch })
  }

  /** Says again what Redis has lost before a place that this node has read. */
  #sayLostAgain(passed: Place): void {
    for (const { batch, said } of this.#batches.takeLost(passed)) {
      this.#outbox.add(said)
      this.#host.happened({ what: 'refused', batch })
    }
  }

  #tellPlaced(): void {
    const batch = this.#batches.takePlaced()
    if (batch !== undefined) this.#host.happened({ what: 'placed', batch })
  }

  /** Whether an own entry has to come back. */
  get #expectsEntry(): boolean {
    const isSent = this.#batches.sent !== undefined || this.#beat !== 'none' || this.#assertion.isEnding
    return isSent || this.#place.hasEpochToRead || !this.#redis.isTimeKnown
  }

  // Audit

  /** Redis has told which members it knows, and how many facts of this node it holds. */
  audited(id: number, { nodes, ownFacts }: Audit, now: number): void {
    if (id !== this.#audit?.id) return
    const { facts } = this.#audit
    this.#audit = undefined
    if (!this.#isAsserted) return
    this.#members.audit(nodes, this.#redis.clock.at(now))
    if (!nodes.has(this.#node) || ownFacts !== facts) this.assert()
  }

  #auditIfDue(now: number): void {
    if (now < this.#auditAt || this.#audit || this.#batches.sent || this.#hasContent) return
    this.#auditAt = now + AUDIT_MS
    let facts = 0
    for (const _ of this.#host.users()) facts++
    this.#audit = { id: this.#redis.send({ do: 'audit' }), facts }
  }
}
