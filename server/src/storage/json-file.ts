import type { UserId } from '@who-is-online/protocol/words'
import { type Disk, nodeDisk, reasonOf, removeQuietly } from './disk.ts'
import { type Files, filesIn, segmentNumber, temporary } from './files.ts'
import { type Batch, FORGOTTEN, Segment, type SegmentHead } from './journal.ts'
import { type Host, Lock, thisHost } from './lock.ts'
import type { Records } from './records.ts'
import { type Recovered, recover, type StoreLog } from './recovery.ts'
import { Pace } from './slices.ts'
import { writeSnapshot } from './snapshot.ts'
import type { Store, StoreHealth, UserRecord } from './store.ts'
import { Turns } from './turns.ts'

export type { StoreLog } from './recovery.ts'

export interface JsonFileOptions {
  /** Where the files are; made, for its owner only, if it is not there. */
  readonly dataDir: string
  readonly log: StoreLog
  /** Milliseconds since the epoch. */
  readonly now: () => number
  /** How often the state is saved as a whole, if it changed. Default 30 s. */
  readonly saveEveryMs?: number
  /** How long a note may wait for others to be written with it. Default 50 ms. */
  readonly journalEveryMs?: number
  readonly disk?: Disk
  readonly host?: Host
}

/** Keeps presence in `user_state.json`, its backup and a journal. See the design, "Disk". */
export function createJsonFileStore(options: JsonFileOptions): Store {
  return new JsonFileStore(options)
}

const SAVE_EVERY_MS = 30_000 // the journal keeps what came after; this only bounds how much there is to replay
const JOURNAL_EVERY_MS = 50 // durable within 150 ms leaves 100 ms for a slow disk's sync
const RETRY_MS = 2_000 // saved again within 5 s after a disk is back
const SAVE_SHARE = 20 // saving takes at most a twentieth of the time, however large the state is
const MAX_JOURNAL_BYTES = 64 * 1024 * 1024 // about a second of replay at the next start

class JsonFileStore implements Store {
  readonly #files: Files
  readonly #log: StoreLog
  readonly #now: () => number
  readonly #saveEveryMs: number
  readonly #journalEveryMs: number
  readonly #disk: Disk
  readonly #host: Host

  #lock: Lock | undefined
  #everyone: () => Iterable<UserRecord> = () => []

  /** Where notes go. None before `start`, after `close`, and while the disk takes none. */
  #segment: Segment | undefined
  #nextSegment = 1
  #lastSegment: SegmentHead['previous']
  #imported: string | undefined
  /** Whether this process wrote to the journal at all. */
  #begun = false
  #pending = new Map<UserId, UserRecord | typeof FORGOTTEN>()
  #pendingAlive: number | undefined
  /** One batch, or one change of segments, at a time. */
  readonly #writes = new Turns()
  #batchTimer: NodeJS.Timeout | undefined

  /** The first segment the main file needs; undefined without a good main file. */
  #mainNeeds: number | undefined
  #backupNeeds = 1
  /** One snapshot at a time. */
  readonly #saves = new Turns()
  #pace: Pace | undefined
  #saveTimer: NodeJS.Timeout | undefined
  #nextSaveAt = 0
  /** Whether something was noted that no snapshot has. */
  #changed = false

  #health: StoreHealth = { state: 'ok' }
  /** Why some notes are in memory only. */
  #notesLost: Error | undefined
  #closed: Error | undefined

  constructor(options: JsonFileOptions) {
    this.#files = filesIn(options.dataDir)
    this.#log = options.log
    this.#now = options.now
    this.#saveEveryMs = options.saveEveryMs ?? SAVE_EVERY_MS
    this.#journalEveryMs = options.journalEveryMs ?? JOURNAL_EVERY_MS
    this.#disk = options.disk ?? nodeDisk
    this.#host = options.host ?? thisHost
  }

  async load(): Promise<Records> {
    await this.#disk.makeDirectory(this.#files.directory)
    const lock = await Lock.acquire(this.#disk, this.#files.lock, this.#host)
    try {
      // Durable before the journal goes on: without a lock, a journal that just ends would look cut off.
      await this.#disk.syncDirectory(this.#files.directory)
      const recovered = await recover({
        disk: this.#disk,
        files: this.#files,
        log: this.#log,
        now: this.#now(),
        crashed: lock.ownerCrashed,
      })
      this.#lock = lock
      this.#goOnFrom(recovered)
      return recovered.users
    } catch (error) {
      await lock.undo()
      throw error
    }
  }

  #goOnFrom(recovered: Recovered): void {
    this.#nextSegment = recovered.nextSegment
    this.#lastSegment = recovered.lastSegment
    this.#imported = recovered.imported
    this.#mainNeeds = recovered.mainNeeds
    this.#backupNeeds = recovered.backupNeeds
    this.#changed = recovered.impaired
    this.#nextSaveAt = performance.now() + (recovered.impaired ? 0 : this.#saveEveryMs)
  }

  async start(everyone: () => Iterable<UserRecord>): Promise<void> {
    this.#everyone = everyone
    try {
      await this.#writes.run(() => this.#beginSegment('start'))
    } catch (error) {
      this.#loseNotes(error)
    }
    this.#saveLater()
  }

  note(record: UserRecord): void {
    this.#keep(record.userId, record)
  }

  forget(userId: UserId): void {
    this.#keep(userId, FORGOTTEN)
  }

  #keep(userId: UserId, record: UserRecord | typeof FORGOTTEN): void {
    this.#changed = true
    if (!this.#segment) return // the next snapshot will have it: it is taken from memory, which has it
    this.#pending.set(userId, record)
    this.#writeSoon()
  }

  alive(now: number): void {
    if (!this.#segment) return
    this.#pendingAlive = Math.max(now, this.#pendingAlive ?? now)
    this.#writeSoon()
  }

  async flush(): Promise<void> {
    await this.#writes.run(() => this.#writeBatch())
    if (this.#closed) throw this.#closed
    if (this.#notesLost) throw this.#notesLost
  }

  async save(): Promise<void> {
    this.#pace?.hurry()
    await this.#saves.run(() => this.#saveNow('brisk'))
  }

  health(): StoreHealth {
    return this.#health
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = new Error('the store is closed')
    clearTimeout(this.#batchTimer)
    clearTimeout(this.#saveTimer)
    this.#pace?.stop(this.#closed)
    await this.#saves.run(async () => {})
    const isWhole = await this.#writes.run(() => this.#endJournal())
    await this.#letGo(isWhole)
  }

  // The journal: notes, gathered and written

  #writeSoon(): void {
    if (this.#batchTimer) return
    this.#batchTimer = setTimeout(() => {
      this.#batchTimer = undefined
      this.#writes.run(() => this.#writeBatch()).catch(() => {}) // #loseNotes has said it
    }, this.#journalEveryMs)
    this.#batchTimer.unref()
  }

  async #writeBatch(): Promise<void> {
    const segment = this.#segment
    const batch: Batch = { users: this.#pending, alive: this.#pendingAlive }
    if (!segment || (batch.users.size === 0 && batch.alive === undefined)) return
    this.#pending = new Map()
    this.#pendingAlive = undefined
    try {
      await segment.append(batch)
    } catch (error) {
      this.#loseNotes(error)
      await this.#giveUp(segment)
      throw error
    }
    this.#saveLater()
  }

  async #beginSegment(after: SegmentHead['after']): Promise<Segment> {
    await this.#writeBatch()
    const old = this.#segment
    const previous = old ? { journal: old.journal, bytes: old.durable } : this.#lastSegment
    const journal = this.#nextSegment
    const segment = await Segment.create(this.#disk, this.#files.segment(journal), {
      journal,
      after,
      ...(previous && { previous }),
      ...(this.#imported !== undefined && { imported: this.#imported }),
    })
    this.#segment = segment
    this.#nextSegment = journal + 1 // not before: an empty start that failed and was tried again begins with 1
    this.#imported = undefined
    this.#begun = true
    await old?.close().catch(() => {}) // all of it is durable
    return segment
  }

  /** A file whose write or sync failed is left alone: what it holds is not known, and a second sync proves nothing. */
  async #giveUp(segment: Segment): Promise<void> {
    this.#segment = undefined
    this.#lastSegment = { journal: segment.journal, bytes: segment.durable }
    this.#pending.clear()
    this.#pendingAlive = undefined
    await segment.close().catch(() => {})
  }

  /** Whether all that was noted is in it. */
  async #endJournal(): Promise<boolean> {
    try {
      await this.#writeBatch()
      await this.#segment?.seal(this.#now())
      return this.#notesLost === undefined
    } catch (error) {
      this.#log.error('the last changes could not be written', { error: reasonOf(error) })
      return false
    } finally {
      this.#segment = undefined
    }
  }

  async #letGo(isWhole: boolean): Promise<void> {
    try {
      // The next process must know of a crash: of this one's bad end, and of an earlier one's if this one only looked.
      if (!this.#begun) await this.#lock?.undo()
      else if (isWhole) await this.#lock?.release()
      else this.#lock?.abandon()
    } catch (error) {
      this.#log.error('the lock could not be removed; the next start will see that nobody holds it', {
        error: reasonOf(error),
      })
    }
  }

  // The snapshot: everything, now and then

  /** Sets the timer for the next save, if one is due or will be. */
  #saveLater(): void {
    if (!this.#changed || this.#closed || this.#pace) return
    const isLong = this.#health.state === 'ok' && (this.#segment?.durable ?? 0) > MAX_JOURNAL_BYTES
    const delay = isLong ? 0 : Math.max(0, this.#nextSaveAt - performance.now())
    clearTimeout(this.#saveTimer)
    this.#saveTimer = setTimeout(() => {
      const kind = this.#health.state === 'ok' ? 'gentle' : 'brisk'
      this.#saves.run(() => this.#saveNow(kind)).catch(() => {}) // #failed has said it
    }, delay)
    this.#saveTimer.unref()
  }

  async #saveNow(kind: 'gentle' | 'brisk'): Promise<void> {
    if (this.#closed) throw this.#closed
    const began = performance.now()
    this.#pace = new Pace(kind)
    try {
      await this.#snapshot(this.#pace)
      this.#nextSaveAt =
        performance.now() + Math.max(this.#saveEveryMs, SAVE_SHARE * (performance.now() - began))
      this.#isWell()
    } catch (error) {
      this.#failed(error)
      throw error
    } finally {
      this.#pace = undefined
      this.#saveLater()
    }
  }

  /**
   * The walk takes a while, and users change meanwhile, so what it writes is no single moment. That is made
   * good by the journal: a new segment is begun before the walk, so whatever changes from then on is in it,
   * before or after the walk has passed. Its lines say what a user is, not what to add, so laying one upon a
   * row that has it already changes nothing. The last line of each user must be there, though, or an older one
   * would undo the row: the journal is written out before the snapshot gets its name.
   */
  async #snapshot(pace: Pace): Promise<void> {
    const segment = await this.#writes.run(() => this.#beginSegment(this.#notesLost ? 'failure' : 'snapshot'))
    this.#changed = false
    const fresh = temporary(this.#files.main)
    try {
      const head = { savedAt: this.#now(), journal: segment.journal }
      await writeSnapshot(this.#disk, fresh, head, this.#everyone(), pace)
      await this.#writes.run(() => this.#writeBatch())
      this.#mustGoOnIn(segment)
      await this.#publish(fresh, segment.journal)
      this.#mustGoOnIn(segment)
    } catch (error) {
      await removeQuietly(this.#disk, fresh)
      throw error
    }
  }

  /** A snapshot is worth what its journal is: without it, what the walk had passed already is lost again. */
  #mustGoOnIn(segment: Segment): void {
    if (this.#segment !== segment) throw this.#notesLost ?? new Error('the journal of this snapshot failed')
  }

  /** Makes a finished file the main one, and the main one the backup. At every step both are whole. */
  async #publish(fresh: string, needs: number): Promise<void> {
    const { main, backup, directory } = this.#files
    if (this.#mainNeeds !== undefined) {
      await this.#linkOver(main, backup)
    }
    await this.#disk.rename(fresh, main)
    await this.#disk.syncDirectory(directory)
    if (this.#mainNeeds !== undefined) this.#backupNeeds = this.#mainNeeds
    this.#mainNeeds = needs
    await this.#removeOldSegments(Math.min(needs, this.#backupNeeds))
  }

  /** Gives a file a second name that may be taken. A link can't replace a name; a rename can. */
  async #linkOver(path: string, name: string): Promise<void> {
    const between = temporary(name)
    await this.#disk.remove(between).catch(() => {})
    await this.#disk.link(path, between)
    await this.#disk.rename(between, name)
  }

  /** What can't be removed is harmless, and is tried again after the next save. */
  async #removeOldSegments(needed: number): Promise<void> {
    const names = await this.#disk.list(this.#files.directory).catch(() => [])
    for (const name of names) {
      const journal = segmentNumber(name)
      if (journal !== undefined && journal < needed)
        await removeQuietly(this.#disk, this.#files.segment(journal))
    }
  }

  // When the disk fails

  /** What was noted is not on the disk, and won't be before a whole snapshot is. */
  #loseNotes(error: unknown): void {
    this.#notesLost = new Error(`changes can't be made durable: ${reasonOf(error)}`)
    this.#failed(error)
  }

  /** Says so once, and tries again soon. As long as the journal can be written, notes stay durable. */
  #failed(error: unknown): void {
    if (this.#closed) return
    const reason = reasonOf(error)
    if (this.#health.state === 'ok') {
      this.#log.error('the state can not be saved; presence goes on in memory', { error: reason })
      this.#health = { state: 'failing', since: this.#now(), error: reason }
    } else {
      this.#health = { ...this.#health, error: reason }
    }
    this.#changed = true
    this.#nextSaveAt = performance.now() + RETRY_MS
    this.#saveLater()
  }

  #isWell(): void {
    this.#notesLost = undefined
    if (this.#health.state === 'ok') return
    this.#log.info('the state is saved again', { failedForMs: this.#now() - this.#health.since })
    this.#health = { state: 'ok' }
  }
}
