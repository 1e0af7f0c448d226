import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import type { UserId } from '@who-is-online/protocol/words'
import { DataDirectory, type RemainingFiles } from './data-directory.ts'
import { codeOf, type Disk, nodeDisk, reasonOf, removeQuietly } from './disk.ts'
import { type Files, filesIn, segmentNumber, temporary } from './files.ts'
import { type Host, thisHost } from './host.ts'
import { MAX_TIME } from './iso-time.ts'
import { type Batch, ExternalChange, FORGOTTEN, Segment, type SegmentHead } from './journal.ts'
import { LatencyMonitor, monitored } from './latency-monitor.ts'
import type { Records } from './records.ts'
import { type Recovered, recover, type StoreLog } from './recovery.ts'
import { SerialQueue } from './serial-queue.ts'
import { Pace } from './sliced-writer.ts'
import { writeSnapshot } from './snapshot.ts'
import { type Store, type StoreHealth, StoreLocked, type UserRecord } from './store.ts'
import { unusable } from './unusable.ts'

export type { StoreLog } from './recovery.ts'

export interface JsonFileOptions {
  /** Where the files are; made, for its owner only, if it is not there. */
  readonly dataDir: string
  readonly log: StoreLog
  /** The wall clock, in ms since the epoch. It only stamps. */
  readonly now: () => number
  /** A clock for durations, in ms since anything, that never jumps. Default `performance.now`. */
  readonly steady?: () => number
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
const LOOK_EVERY_MS = 1_000 // a removed directory is noticed within 2 s
const MAX_JOURNAL_BYTES = 64 * 1024 * 1024 // about a second of replay at the next start

class JsonFileStore implements Store {
  readonly #files: Files
  readonly #log: StoreLog
  readonly #now: () => number
  readonly #steady: () => number
  readonly #late: LatencyMonitor
  readonly #saveEveryMs: number
  readonly #journalEveryMs: number
  readonly #disk: Disk
  readonly #host: Host

  #place: DataDirectory | undefined
  #stateId = ''
  #everyone: () => Iterable<UserRecord> = () => []
  #coreTime: (() => number) | undefined
  /** The highest `knownTime` that was read or given. */
  #knownTime: number | undefined

  /** Where notes go. None before `start`, after `close`, and while the disk takes none. */
  #segment: Segment | undefined
  #nextSegment = 1
  #lastSegment: SegmentHead['previous']
  #imported: string | undefined
  /** Whether this process wrote to the journal at all. */
  #begun = false
  #pending = new Map<UserId, UserRecord | typeof FORGOTTEN>()
  #pendingAlive: number | undefined
  /** Says that what is pending does not wait for the disk any more. */
  #pendingDone: (() => void) | undefined
  /** One batch, or one change of segments, at a time. */
  readonly #writes = new SerialQueue()
  #batchTimer: NodeJS.Timeout | undefined

  /** The first segment the main file needs; undefined without a good main file. */
  #mainNeeds: number | undefined
  #backupNeeds = 1
  /** One snapshot at a time. */
  readonly #saves = new SerialQueue()
  #pace: Pace | undefined
  #saveTimer: NodeJS.Timeout | undefined
  #nextSaveAt = 0
  /** Whether something was noted that no snapshot has. */
  #changed = false
  #lookTimer: NodeJS.Timeout | undefined

  #failing: { readonly since: number; readonly steadySince: number; readonly error: string } | undefined
  #lateSince: number | undefined
  /** Why some notes are in memory only. */
  #notesLost: Error | undefined
  /** Another process has the directory: nothing is written there any more. */
  #takenOver: StoreLocked | undefined
  #closed: Error | undefined

  constructor(options: JsonFileOptions) {
    this.#files = filesIn(resolve(options.dataDir))
    this.#log = options.log
    this.#now = options.now
    this.#steady = options.steady ?? (() => performance.now())
    this.#late = new LatencyMonitor({
      steady: this.#steady,
      began: waitedMs => this.#isLate(waitedMs),
      ended: lastedMs => this.#isInTime(lastedMs),
    })
    this.#saveEveryMs = options.saveEveryMs ?? SAVE_EVERY_MS
    this.#journalEveryMs = options.journalEveryMs ?? JOURNAL_EVERY_MS
    this.#disk = monitored(options.disk ?? nodeDisk, this.#late)
    this.#host = options.host ?? thisHost
  }

  async load(): Promise<Records> {
    try {
      return await this.#load()
    } catch (error) {
      this.#late.stop()
      throw codeOf(error) === undefined ? error : await unusable(this.#files.directory, error as Error)
    }
  }

  async #load(): Promise<Records> {
    const place = await DataDirectory.take({
      disk: this.#disk,
      files: this.#files,
      host: this.#host,
      log: this.#log,
      now: this.#now,
    })
    try {
      const recovered = await recover({
        disk: this.#disk,
        files: this.#files,
        log: this.#log,
        now: this.#now(),
        dead: place.dead,
      })
      this.#stateId = recovered.stateId ?? randomUUID()
      await place.found(this.#stateId, recovered.highestSegment)
      this.#place = place
      this.#goOnFrom(recovered)
      return recovered.users
    } catch (error) {
      await place.undo()
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
    this.#knownTime = recovered.users.knownTime
    this.#nextSaveAt = this.#steady() + (recovered.impaired ? 0 : this.#saveEveryMs)
  }

  async start(everyone: () => Iterable<UserRecord>, knownTime?: () => number): Promise<void> {
    this.#everyone = everyone
    this.#coreTime = knownTime
    try {
      await this.#writes.run(() => this.#beginSegment('start'))
    } catch (error) {
      this.#loseNotes(error)
    }
    this.#saveLater()
    this.#lookLater()
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

  alive(now: number, knownTime?: number): void {
    this.#know(knownTime)
    if (!this.#segment) return
    this.#pendingAlive = Math.max(now, this.#pendingAlive ?? now)
    this.#writeSoon()
  }

  #know(time: number | undefined): void {
    // A time that no file can hold would make every later batch fail.
    if (time !== undefined && Math.abs(time) <= MAX_TIME)
      this.#knownTime = Math.max(Math.floor(time), this.#knownTime ?? Number.NEGATIVE_INFINITY)
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
    if (this.#failing) return { state: 'failing', since: this.#failing.since, error: this.#failing.error }
    return this.#lateSince === undefined ? { state: 'ok' } : { state: 'late', since: this.#lateSince }
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = new Error('the store is closed')
    clearTimeout(this.#batchTimer)
    clearTimeout(this.#saveTimer)
    clearTimeout(this.#lookTimer)
    this.#pace?.stop(this.#closed)
    await this.#saves.run(async () => {})
    const isWhole = await this.#writes.run(() => this.#endJournal())
    await this.#letGo(isWhole)
    this.#late.stop()
  }

  // The journal: notes, gathered and written

  #writeSoon(): void {
    this.#pendingDone ??= this.#late.begin()
    if (this.#batchTimer) return
    this.#batchTimer = setTimeout(() => {
      this.#batchTimer = undefined
      this.#writes.run(() => this.#writeBatch()).catch(() => {}) // #loseNotes has said it
    }, this.#journalEveryMs)
    this.#batchTimer.unref()
  }

  async #writeBatch(): Promise<void> {
    const segment = this.#segment
    const batch: Batch = { users: this.#pending, alive: this.#pendingAlive, knownTime: this.#knownTime }
    if (!segment || (batch.users.size === 0 && batch.alive === undefined)) return
    const done = this.#pendingDone
    this.#pending = new Map()
    this.#pendingAlive = undefined
    this.#pendingDone = undefined
    try {
      await segment.append(batch)
    } catch (error) {
      this.#loseNotes(error)
      await this.#giveUp(segment)
      throw error
    } finally {
      done?.()
    }
    this.#saveLater()
  }

  /** @throws StoreLocked when another process has the directory */
  async #beginSegment(why: 'start' | 'snapshot'): Promise<Segment> {
    await this.#writeBatch().catch(() => {}) // #loseNotes has said it; the snapshot that follows makes it good
    const old = this.#segment
    const remains = await this.#secure()
    const after = this.#reasonFor(why, remains)
    const previous = old ? { journal: old.journal, bytes: old.durable } : this.#lastSegment
    const journal = this.#nextSegment
    const segment = await Segment.create(this.#disk, this.#files.segment(journal), {
      journal,
      stateId: this.#stateId,
      ...(this.#place && { writer: this.#place.writer }),
      after,
      ...(previous && after !== 'removal' && { previous }),
      ...(this.#imported !== undefined && { imported: this.#imported }),
    })
    try {
      await this.#place?.begun(journal)
    } catch (error) {
      await segment.close().catch(() => {})
      await removeQuietly(this.#disk, this.#files.segment(journal))
      throw error
    }
    this.#segment = segment
    this.#nextSegment = journal + 1 // not before: an empty start that failed and was tried again begins with 1
    this.#imported = undefined
    this.#begun = true
    await old?.close().catch(() => {}) // all of it is durable
    return segment
  }

  /** Makes sure that the directory is ours, and takes note of what was removed from it. */
  async #secure(): Promise<RemainingFiles | undefined> {
    if (this.#takenOver) throw this.#takenOver
    try {
      const remains = await this.#place?.secure()
      if (remains && !remains.main) this.#mainNeeds = undefined
      return remains
    } catch (error) {
      throw error instanceof StoreLocked ? await this.#takeOver(error) : error
    }
  }

  #reasonFor(why: 'start' | 'snapshot', remains: RemainingFiles | undefined): SegmentHead['after'] {
    if (this.#begun && remains?.isEmpty) return 'removal'
    return this.#notesLost && why === 'snapshot' ? 'failure' : why
  }

  /** A file whose write or sync failed is left alone: what it holds is not known, and a second sync proves nothing. */
  async #giveUp(segment: Segment): Promise<void> {
    this.#segment = undefined
    this.#lastSegment = { journal: segment.journal, bytes: segment.durable }
    this.#pending.clear()
    this.#pendingAlive = undefined
    this.#pendingDone?.()
    this.#pendingDone = undefined
    await segment.close().catch(() => {})
  }

  /** Whether all that was noted is in it. */
  async #endJournal(): Promise<boolean> {
    try {
      await this.#writeBatch()
      this.#know(this.#coreTime?.())
      await this.#segment?.seal(this.#now(), this.#knownTime)
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
      if (!this.#begun) await this.#place?.undo()
      else if (isWhole) await this.#place?.release()
      else await this.#place?.abandon()
    } catch (error) {
      this.#log.error('the lock could not be removed; the next start will see that nobody holds it', {
        error: reasonOf(error),
      })
    }
  }

  // The snapshot: everything, now and then

  /** Sets the timer for the next save, if one is due or will be. */
  #saveLater(): void {
    if (!this.#changed || this.#closed || this.#pace || this.#takenOver) return
    const isLong = !this.#failing && (this.#segment?.durable ?? 0) > MAX_JOURNAL_BYTES
    const delay = isLong ? 0 : Math.max(0, this.#nextSaveAt - this.#steady())
    clearTimeout(this.#saveTimer)
    this.#saveTimer = setTimeout(() => {
      const kind = this.#failing ? 'brisk' : 'gentle'
      this.#saves.run(() => this.#saveNow(kind)).catch(() => {}) // #failed has said it
    }, delay)
    this.#saveTimer.unref()
  }

  async #saveNow(kind: 'gentle' | 'brisk'): Promise<void> {
    if (this.#closed) throw this.#closed
    if (this.#takenOver) throw this.#takenOver
    const began = this.#steady()
    this.#pace = new Pace(kind)
    try {
      await this.#snapshot(this.#pace)
      this.#nextSaveAt = this.#steady() + Math.max(this.#saveEveryMs, SAVE_SHARE * (this.#steady() - began))
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
    const segment = await this.#writes.run(() => this.#beginSegment('snapshot'))
    this.#changed = false
    const fresh = temporary(this.#files.main)
    try {
      this.#know(this.#coreTime?.())
      const head = {
        savedAt: this.#now(),
        knownTime: this.#knownTime,
        stateId: this.#stateId,
        journal: segment.journal,
      }
      await writeSnapshot(this.#disk, fresh, head, this.#everyone(), pace)
      await this.#writes.run(() => this.#writeBatch())
      this.#mustGoOnIn(segment)
      await this.#place?.publish(() => this.#publish(fresh, segment.journal))
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

  // What others do to the files

  /** Looks now and then, also when nothing is noted: writes to a file that was removed succeed. */
  #lookLater(): void {
    if (this.#closed || this.#takenOver) return
    this.#lookTimer = setTimeout(() => {
      this.#writes
        .run(() => this.#look())
        .catch(() => {}) // a look that fails tells nothing: what is written next will
        .finally(() => this.#lookLater())
    }, LOOK_EVERY_MS)
    this.#lookTimer.unref()
  }

  async #look(): Promise<void> {
    const segment = this.#segment
    if (!segment) return // the next save looks
    try {
      await this.#place?.look(segment)
    } catch (error) {
      if (!(error instanceof ExternalChange) || this.#closed) throw error
      this.#loseNotes(error)
      await this.#giveUp(segment)
    }
  }

  /** From here on this process writes nothing there any more: what it would save is not newer than what is there. */
  async #takeOver(error: StoreLocked): Promise<StoreLocked> {
    this.#takenOver = new StoreLocked(
      `${error.message}. This server does not write there any more, and what it knows is in its memory only: stop one of the two`,
    )
    this.#loseNotes(this.#takenOver)
    if (this.#segment) await this.#giveUp(this.#segment)
    return this.#takenOver
  }

  // When the disk is late or fails

  #isLate(waitedMs: number): void {
    this.#lateSince = this.#now() - waitedMs
    this.#log.error('the disk is slow: changes wait for it, and a crash now would lose them', {
      waitedMs: Math.round(waitedMs),
    })
  }

  #isInTime(lastedMs: number): void {
    this.#lateSince = undefined
    this.#log.info('the disk is in time again', { lateForMs: Math.round(lastedMs) })
  }

  /** What was noted is not on the disk, and won't be before a whole snapshot is. */
  #loseNotes(error: unknown): void {
    this.#notesLost =
      error instanceof StoreLocked ? error : new Error(`changes can't be made durable: ${reasonOf(error)}`)
    this.#failed(error)
  }

  /** Logs it once, and tries again soon. As long as the journal can be written, notes stay durable. */
  #failed(error: unknown): void {
    if (this.#closed) return
    const reason = reasonOf(error)
    if (!this.#failing || (error === this.#takenOver && this.#failing.error !== reason)) {
      this.#log.error('the state can not be saved; presence goes on in memory', { error: reason })
    }
    const { since, steadySince } = this.#failing ?? { since: this.#now(), steadySince: this.#steady() }
    this.#failing = { since, steadySince, error: reason }
    this.#changed = true
    // What was removed can be written again at once, unless that has just failed too.
    const isNew = error instanceof ExternalChange && !this.#pace
    this.#nextSaveAt = this.#steady() + (isNew ? 0 : RETRY_MS)
    this.#saveLater()
  }

  #isWell(): void {
    this.#notesLost = undefined
    if (!this.#failing) return
    const failedForMs = Math.round(this.#steady() - this.#failing.steadySince)
    this.#failing = undefined
    this.#log.info('the state is saved again', { failedForMs })
  }
}
