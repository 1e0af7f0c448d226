import type { UserId } from '@who-is-online/protocol/words'
import type { Change, Decision } from '../../presence/change.ts'
import type { PresenceOptions } from '../../presence/options.ts'
import type { Presence } from '../../presence/presence.ts'
import type { AppendReply, Entry, EntryBody, EntryKind, NodeId, Place } from '../entry.ts'
import type { Applied, Fold } from '../fold.ts'
import { forgottenHere, unnamedOf } from '../forgotten.ts'
import { leasesElsewhere } from '../leases.ts'
import { Outbox } from '../outbox.ts'
import type { RedisModel } from '../redis.model.ts'
import type { Unplaced } from '../unplaced.ts'
import type { ClusterParts } from './cluster-parts.ts'
import { ASKS_NOTHING } from './unknown-user.ts'

/**
 * A node of a cluster that appends and reads when a test says so. It never loses a reply and never falls behind: the
 * tests of the member have that.
 */
export class ClusterNode {
  readonly id: NodeId
  readonly fold: Fold
  readonly presence: Presence
  readonly unplaced: Unplaced
  readonly changes: Change[] = []
  readonly #redis: RedisModel
  readonly #outbox = new Outbox()
  #place: Place = { epoch: 0, seq: 0 }
  #batch = 0
  #sayBatch: number | undefined
  #now = 0

  constructor(id: NodeId, options: PresenceOptions, redis: RedisModel, parts: ClusterParts) {
    this.id = id
    this.fold = new parts.Fold()
    this.#redis = redis
    const isOver = (keptSince: number) => this.#now >= keptSince + options.hiddenKeepMs
    this.presence = new parts.Presence(options, {
      choiceOf: userId => this.fold.choiceOf(userId, isOver),
      signOfLife: userId => this.fold.signOfLife(userId, id),
      isPresent: userId => this.fold.isElsewhere(userId, id),
      sessionsOf: userId => this.fold.sessions(userId, id),
      leasesOf: (userId, sessionId) =>
        leasesElsewhere(this.fold, { userId, sessionId, except: id, now: this.#now }, () => false),
    })
    this.unplaced = new parts.Unplaced({
      node: id,
      fold: this.fold,
      present: userId => this.presence.present(userId),
      time: () => this.#now,
      isOver,
      isErased: () => false,
    })
  }

  /** Loads what Redis holds, and joins. */
  start(now: number): void {
    this.#tell(now)
    this.presence.restore([], now)
    const loaded = this.#redis.load()
    if (loaded.end) this.#place = loaded.end
    this.#follow(this.fold.load(loaded, now), now, [], [], true)
    this.append('join', now)
    this.append('end', now)
  }

  /** Another node is lost. */
  judge(subject: NodeId, now: number): void {
    this.#tell(now)
    this.#outbox.add({ users: this.fold.facts(subject).keys() })
    this.#say('lost', Number.POSITIVE_INFINITY, now, { subject })
  }

  append(kind: EntryKind, now: number, what: Partial<EntryBody> = {}): AppendReply {
    const { epoch } = this.#redis
    const body = JSON.parse(JSON.stringify({ format: 1, at: now, facts: [], registers: [], ...what }))
    const knownBatch = Number.POSITIVE_INFINITY
    return this.#redis.append({ epoch, node: this.id, batch: ++this.#batch, kind, body, knownBatch })
  }

  decide(decision: Decision, now: number): void {
    this.#tell(now)
    this.#outbox.add({ users: this.unplaced.add(decision.facts, decision) })
  }

  /** Whether something was not said, or not read back. */
  get isBusy(): boolean {
    return !this.#outbox.isEmpty || this.#sayBatch !== undefined
  }

  /** Appends what has changed, at most `limit` users, unless a batch is on its way. */
  flush(limit: number, now: number): void {
    this.#tell(now)
    if (!this.isBusy || this.#sayBatch !== undefined) return
    this.#say('say', limit, now)
  }

  #say(kind: EntryKind, limit: number, now: number, what: Partial<EntryBody> = {}): void {
    const host = {
      ...ASKS_NOTHING,
      compose: (userId: UserId, batch: number) => this.unplaced.compose(userId, batch),
      register: () => undefined,
      refusal: () => undefined,
    }
    const content = this.#outbox.take(host, this.#batch + 1, { limit })
    this.append(kind, now, { ...content, ...what })
    this.#sayBatch = this.#batch
  }

  #tell(now: number): void {
    this.#now = Math.max(this.#now, now)
  }

  /** Reads at most `count` entries. Returns whether there were any. */
  read(count: number, now: number): boolean {
    const entries = this.#redis.read(this.#place, count)
    for (const entry of entries) this.#apply(entry, now)
    return entries.length > 0
  }

  #apply(entry: Entry, now: number): void {
    this.#place = entry.place
    const forgotten =
      entry.node === this.id ? new Map() : forgottenHere(entry, userId => this.presence.present(userId))
    const applied = this.fold.apply(entry)
    this.#outbox.add({ users: forgotten.keys() })
    const isOwn = entry.node === this.id && entry.batch === this.#sayBatch
    if (isOwn) {
      this.#outbox.landed()
      this.#sayBatch = undefined
    }
    const { facts, userIds } = isOwn ? this.unplaced.placed(entry.batch) : { facts: [], userIds: [] }
    this.#follow(applied, now, facts, userIds)
    for (const { userId, username } of unnamedOf(forgotten, userId => this.fold.of(userId).username)) {
      this.decide(this.presence.identify(userId, username, this.#now), this.#now)
    }
  }

  #follow(
    { facts, archived, forgotten, chose }: Applied,
    now: number,
    own: Decision['facts'] = [],
    placed: readonly UserId[] = [],
    isLoaded = false,
  ): void {
    this.#tell(now)
    this.changes.push(...this.presence.apply(facts, own, isLoaded))
    this.presence.applyArchived(archived)
    this.presence.applyForgotten(forgotten)
    for (const userId of new Set([...chose, ...placed])) {
      if (this.unplaced.isUndecided(userId)) continue
      const { choice } = this.fold.of(userId)
      this.decide(this.presence.learnChoice(userId, choice, this.fold.chosen(userId), this.#now), this.#now)
    }
  }
}
