import type { UserId } from '@who-is-online/protocol/words'
import { Records } from './records.ts'
import { type Store, type StoreHealth, StoreLocked, type UserRecord } from './store.ts'

/** What a memory store leaves to the next one, as a directory does for files. */
export interface MemoryState {
  users: Map<UserId, UserRecord>
  /** When the process that holds it was last known alive; absent after a snapshot, which needs no such guess. */
  alive?: number | undefined
  /** See `Store.alive`. */
  knownTime?: number | undefined
  owner?: object | undefined
}

/** A store for tests, and for whoever wants no disk: it keeps as long as its place is kept. */
export function createMemoryStore(place: MemoryState = { users: new Map() }): Store {
  return new MemoryStore(place)
}

class MemoryStore implements Store {
  readonly #place: MemoryState
  #everyone: () => Iterable<UserRecord> = () => []
  #knownTime: (() => number) | undefined
  #open = false

  constructor(place: MemoryState) {
    this.#place = place
  }

  async load(): Promise<Records> {
    if (this.#place.owner) throw new StoreLocked('another store has this place')
    this.#place.owner = this
    const records = new Records()
    for (const record of this.#place.users.values()) records.set(this.#asLastSeen(record))
    this.#know(this.#place.knownTime ?? highestTime(records))
    records.knownTime = this.#place.knownTime
    return records
  }

  async start(everyone: () => Iterable<UserRecord>, knownTime?: () => number): Promise<void> {
    this.#everyone = everyone
    this.#knownTime = knownTime
    for (const [userId, record] of this.#place.users) {
      if (record.session === 'live')
        this.#place.users.set(userId, { ...this.#asLastSeen(record), session: 'held' })
    }
    this.#place.alive = undefined
    this.#open = true
  }

  #asLastSeen(record: UserRecord): UserRecord {
    const { alive } = this.#place
    if (alive === undefined || record.session !== 'live' || record.status === 'offline') return record
    return { ...record, lastSeen: Math.max(record.lastSeen, alive) }
  }

  note(record: UserRecord): void {
    if (this.#open) this.#place.users.set(record.userId, record)
  }

  forget(userId: UserId): void {
    if (this.#open) this.#place.users.delete(userId)
  }

  alive(now: number, knownTime?: number): void {
    if (!this.#open) return
    this.#place.alive = Math.max(now, this.#place.alive ?? now)
    this.#know(knownTime)
  }

  #know(time: number | undefined): void {
    if (time !== undefined) this.#place.knownTime = Math.max(time, this.#place.knownTime ?? time)
  }

  async flush(): Promise<void> {
    if (!this.#open) throw new Error('the store is closed')
  }

  async save(): Promise<void> {
    await this.flush()
    const users = new Map<UserId, UserRecord>()
    this.#place.users = users // what is noted during the walk is newer than the row before it
    for (const record of this.#everyone()) users.set(record.userId, record)
    this.#place.alive = undefined
    this.#know(this.#knownTime?.())
  }

  health(): StoreHealth {
    return { state: 'ok' }
  }

  async close(): Promise<void> {
    if (this.#open) this.#know(this.#knownTime?.())
    this.#open = false
    if (this.#place.owner === this) this.#place.owner = undefined
  }
}

function highestTime(records: Iterable<UserRecord>): number | undefined {
  let highest: number | undefined
  for (const { lastSeen } of records) highest = Math.max(lastSeen, highest ?? lastSeen)
  return highest
}
