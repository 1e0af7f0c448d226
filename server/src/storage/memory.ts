import type { UserId } from '@who-is-online/protocol/words'
import type { LogSource, StoredLog } from '../changes/stored-log.ts'
import { Records } from './records.ts'
import { type Store, type StoreHealth, StoreLocked, type UserRecord } from './store.ts'

/** The data that outlives one memory store, as a directory does for files. */
export interface MemoryState {
  users: Map<UserId, UserRecord>
  /** When the owning process was last known to be alive; absent after a snapshot, which has exact times. */
  alive?: number | undefined
  /** See `Store.recordAlive`. */
  knownTime?: number | undefined
  /** See `Records.latestTime`. */
  latestTime?: number | undefined
  /** The log of changes. */
  log?: StoredLog | undefined
  /** The store that owns the data; absent if none does. */
  owner?: object | undefined
}

/**
 * Creates a store in memory, for tests and for servers without a disk. Data lasts as long as `state` is kept.
 */
export function createMemoryStore(state: MemoryState = { users: new Map() }): Store {
  return new MemoryStore(state)
}

class MemoryStore implements Store {
  readonly #state: MemoryState
  #everyone: () => Iterable<UserRecord> = () => []
  #knownTime: (() => number) | undefined
  #log: LogSource | undefined
  #open = false

  constructor(state: MemoryState) {
    this.#state = state
  }

  async load(): Promise<Records> {
    if (this.#state.owner)
      throw new StoreLocked('another store in this process owns this data: close it first')
    this.#state.owner = this
    const records = new Records()
    for (const record of this.#state.users.values()) records.set(this.#asLastSeen(record))
    this.#know(this.#state.knownTime ?? highestTime(records))
    records.knownTime = this.#state.knownTime
    records.latestTime = this.#state.latestTime ?? highestTime(records)
    records.log = this.#state.log
    return records
  }

  async start(
    everyone: () => Iterable<UserRecord>,
    knownTime?: () => number,
    log?: LogSource,
  ): Promise<void> {
    this.#everyone = everyone
    this.#log = log
    this.#knownTime = knownTime
    for (const [userId, record] of this.#state.users) {
      if (record.session === 'live')
        this.#state.users.set(userId, { ...this.#asLastSeen(record), session: 'held' })
    }
    this.#state.alive = undefined
    this.#open = true
    this.logGrown()
  }

  #asLastSeen(record: UserRecord): UserRecord {
    const { alive } = this.#state
    if (alive === undefined || record.session !== 'live' || record.status === 'offline') return record
    return { ...record, lastSeen: Math.max(record.lastSeen, alive) }
  }

  put(record: UserRecord): void {
    if (!this.#open) return
    this.#state.users.set(record.userId, record)
    const { latestTime = record.lastSeen } = this.#state
    if (record.aheadMs === undefined) this.#state.latestTime = Math.max(latestTime, record.lastSeen)
  }

  delete(userId: UserId): void {
    if (this.#open) this.#state.users.delete(userId)
  }

  recordAlive(now: number, knownTime?: number): void {
    if (!this.#open) return
    this.#state.alive = now
    this.#state.latestTime = now
    this.#know(knownTime)
  }

  #know(time: number | undefined): void {
    if (time !== undefined) this.#state.knownTime = Math.max(time, this.#state.knownTime ?? time)
  }

  logGrown(): void {
    if (!this.#open || !this.#log) return
    const { epoch, seq, lost, erased } = this.#log
    this.#state.log = { epoch, seq, lost, ...this.#log.endAfter(0), ...(erased > 0 && { erased }) }
    this.#log.synced(seq)
  }

  async flush(): Promise<void> {
    if (!this.#open) throw new Error('the store is closed')
  }

  async save(): Promise<void> {
    await this.flush()
    const users = new Map<UserId, UserRecord>()
    // Before the iteration: a record stored during it is newer than the one it replaces.
    this.#state.users = users
    for (const record of this.#everyone()) users.set(record.userId, record)
    this.#state.alive = undefined
    this.#know(this.#knownTime?.())
  }

  async purge(): Promise<void> {
    this.logGrown()
    await this.flush()
  }

  health(): StoreHealth {
    return { state: 'ok' }
  }

  async close(): Promise<void> {
    if (this.#open) this.#know(this.#knownTime?.())
    this.#open = false
    if (this.#state.owner === this) this.#state.owner = undefined
  }
}

function highestTime(records: Iterable<UserRecord>): number | undefined {
  let highest: number | undefined
  for (const { lastSeen } of records) highest = Math.max(lastSeen, highest ?? lastSeen)
  return highest
}
