import { randomUUID } from 'node:crypto'
import { resolve } from 'node:path'
import type { UserId } from '@who-is-online/protocol/words'
import type { LogSource } from '../changes/stored-log.ts'
import { Durations } from '../durations.ts'
import { SerialQueue } from '../serial-queue.ts'
import { DataDirectory, type RemainingFiles } from './data-directory.ts'
import { codeOf, type Disk, nodeDisk, reasonOf, removeQuietly } from './disk.ts'
import { DiskHealth } from './disk-health.ts'
import { type Files, filesIn, temporary } from './files.ts'
import { type Host, thisHost } from './host.ts'
import { DELETED } from './journal.ts'
import { JournalWriter } from './journal-writer.ts'
import { LatencyMonitor, monitored } from './latency-monitor.ts'
import type { Records } from './records.ts'
import { type Recovered, recover } from './recovery.ts'
import { ExternalChange } from './segment.ts'
import { TimeSlices } from './sliced-writer.ts'
import { writeSnapshot } from './snapshot.ts'
import { StateFiles } from './state-files.ts'
import { type Store, type StoreHealth, StoreLocked, type StoreTimes, type UserRecord } from './store.ts'
import type { StoreLog } from './store-log.ts'
import { unusable } from './unusable.ts'

/** Options of {@link createJsonFileStore}. */
export interface JsonFileOptions {
  /** The directory of the files. It is created with mode 0700 if it does not exist. */
  readonly dataDir: string
  readonly log: StoreLog
  /** The wall clock, in ms since the epoch. Used only for timestamps. */
  readonly now: () => number
  /** A clock for durations, in ms since any origin, that never jumps. Default: `performance.now`. */
  readonly steady?: () => number
  /** How often a snapshot is written if something changed, in ms. Default: 30 s. */
  readonly saveEveryMs?: number
  /** How long a record may wait for others to be written in the same batch, in ms. Default: 50 ms. */
  readonly journalEveryMs?: number
  /** Default: the real disk. */
  readonly disk?: Disk
  /** Default: the real host. */
  readonly host?: Host
}

/** Creates a store that keeps presence in `user_state.json`, a backup and a journal. See docs/storage.md. */
export function createJsonFileStore(options: JsonFileOptions): Store {
  return new JsonFileStore(options)
}

const SAVE_EVERY_MS = 30_000 // limits how much journal a start must replay
// Of the 150 ms until a record is durable, 100 ms remain for the sync of a slow disk.
const JOURNAL_EVERY_MS = 50
const RETRY_MS = 2_000 // a failed save is repeated within 5 s after the disk works again
const SAVE_SHARE = 20 // saving uses at most a twentieth of the time, however large the state is
const CHECK_EVERY_MS = 1_000 // a removed directory is noticed within 2 s
const FILES_WITH_STATE = 2 // the main file, and the backup, which is the main file of before
const MAX_JOURNAL_BYTES = 64 * 1024 * 1024 // about a second of replay at the next start

/**
 * For a server that finds another owner in its directory. Only the operator knows which cause it is: a volume
 * that is mounted over the directory hides the lock and the files of this server.
 */
const WHAT_TO_DO =
  'This server no longer writes there and keeps its state in memory only. ' +
  'If a second server uses this directory, stop one of the two; if you keep this one, restart it. ' +
  'If a volume was mounted there after this server started, restart it to use the state on the volume, and mount the volume before each start'

class JsonFileStore implements Store {
  readonly times: StoreTimes = { journal: new Durations(), save: new Durations() }
  readonly #files: Files
  readonly #log: StoreLog
  readonly #now: () => number
  readonly #steady: () => number
  readonly #monitor: LatencyMonitor
  readonly #health: DiskHealth
  readonly #saveEveryMs: number
  readonly #journalEveryMs: number
  readonly #disk: Disk
  readonly #host: Host

  // Set by `load`:
  #directory: DataDirectory | undefined
  #stateFiles: StateFiles | undefined
  #journal: JournalWriter | undefined
  #stateId = ''

  // Set by `start`:
  #everyone: () => Iterable<UserRecord> = () => []
  #currentKnownTime: (() => number) | undefined

  /** Snapshots run one at a time. */
  readonly #saves = new SerialQueue()
  /** The time slices of the snapshot that is being written. */
  #slices: TimeSlices | undefined
  /** How many snapshots must follow until no file has what was deleted; see `purge`. */
  #purge: { left: number } | undefined
  /** A purge that has not begun. */
  #queuedPurge: Promise<void> | undefined
  #saveTimer: NodeJS.Timeout | undefined
  #nextSaveAt = 0
  /** Whether something changed that no snapshot contains. */
  #hasChanged = false
  #checkTimer: NodeJS.Timeout | undefined

  /** Set when another process owns the directory: nothing is written there any more. */
  #takenOver: StoreLocked | undefined
  #closed: Error | undefined

  constructor(options: JsonFileOptions) {
    this.#files = filesIn(resolve(options.dataDir))
    this.#log = options.log
    this.#now = options.now
    this.#steady = options.steady ?? (() => performance.now())
    this.#health = new DiskHealth({ log: this.#log, now: this.#now, steady: this.#steady })
    this.#monitor = new LatencyMonitor({
      steady: this.#steady,
      onLate: waitedMs => this.#health.late(waitedMs),
      onInTime: lastedMs => this.#health.inTime(lastedMs),
    })
    this.#saveEveryMs = options.saveEveryMs ?? SAVE_EVERY_MS
    this.#journalEveryMs = options.journalEveryMs ?? JOURNAL_EVERY_MS
    this.#disk = monitored(options.disk ?? nodeDisk, this.#monitor)
    this.#host = options.host ?? thisHost
  }

  async load(): Promise<Records> {
    try {
      return await this.#load()
    } catch (error) {
      this.#monitor.stop()
      throw codeOf(error) === undefined ? error : await unusable(this.#files.directory, error as Error)
    }
  }

  async #load(): Promise<Records> {
    const directory = await DataDirectory.acquire({
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
        staleLock: directory.staleLock,
      })
      this.#stateId = recovered.stateId ?? randomUUID()
      await directory.recordState(this.#stateId, recovered.highestSegment)
      this.#directory = directory
      this.#continueFrom(recovered, directory)
      return recovered.users
    } catch (error) {
      await directory.undo()
      throw error
    }
  }

  /** Continues after what was recovered, without keeping the users: they would stay in memory a second time. */
  #continueFrom(recovered: Recovered, directory: DataDirectory): void {
    const { nextSegment, lastSegment, imported, logSegments } = recovered
    this.#stateFiles = new StateFiles(this.#disk, this.#files, {
      main: recovered.mainNeeds,
      backup: recovered.backupNeeds,
    })
    this.#journal = new JournalWriter(
      {
        disk: this.#disk,
        files: this.#files,
        monitor: this.#monitor,
        steady: this.#steady,
        times: this.times.journal,
        batchEveryMs: this.#journalEveryMs,
        stateId: this.#stateId,
        writer: directory.writerId,
        recovered: { nextSegment, lastSegment, imported, logSegments },
        ensureOwned: () => this.#ensureOwned(directory),
        recordSegment: journal => directory.recordSegment(journal),
        onWritten: () => this.#scheduleSave(),
        onFailed: error => this.#failed(error),
      },
      recovered.users.knownTime,
    )
    this.#hasChanged = recovered.isImpaired
    this.#nextSaveAt = this.#steady() + (recovered.isImpaired ? 0 : this.#saveEveryMs)
  }

  async start(
    everyone: () => Iterable<UserRecord>,
    knownTime?: () => number,
    log?: LogSource,
  ): Promise<void> {
    this.#everyone = everyone
    if (log) this.#journal?.keepLog(log)
    this.#currentKnownTime = knownTime
    try {
      await this.#journal?.begin('start')
    } catch (error) {
      this.#journal?.markLost(error)
    }
    this.#scheduleSave()
    this.#scheduleCheck()
  }

  put(record: UserRecord): void {
    this.#hasChanged = true
    this.#journal?.add(record.userId, record)
  }

  delete(userId: UserId): void {
    this.#hasChanged = true
    this.#journal?.add(userId, DELETED)
  }

  logGrown(): void {
    this.#hasChanged = true
    this.#journal?.logGrown()
  }

  recordAlive(now: number, knownTime?: number): void {
    this.#journal?.recordAlive(now, knownTime)
  }

  async flush(): Promise<void> {
    await this.#journal?.write()
    if (this.#closed) throw this.#closed
    if (this.#journal?.lost) throw this.#journal.lost
  }

  async save(): Promise<void> {
    this.#slices?.hurry()
    await this.#saves.run(() => this.#save('urgent'))
  }

  purge(): Promise<void> {
    this.#purge = { left: FILES_WITH_STATE }
    this.#hasChanged = true
    this.#slices?.hurry()
    this.#queuedPurge ??= this.#saves.run(async () => {
      this.#queuedPurge = undefined
      for (let file = 0; file < FILES_WITH_STATE; file++) await this.#save('urgent')
      // Otherwise a crash could bring back a journal segment that was removed.
      await this.#disk.syncDirectory(this.#files.directory)
    })
    return this.#queuedPurge
  }

  health(): StoreHealth {
    return this.#health.state
  }

  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = new Error('the store is closed')
    this.#journal?.stop()
    clearTimeout(this.#saveTimer)
    clearTimeout(this.#checkTimer)
    this.#slices?.stop(this.#closed)
    await this.#saves.run(async () => {})
    await this.#release(await this.#endJournal())
    this.#monitor.stop()
  }

  /** Ends the journal. Returns whether it contains every change. */
  async #endJournal(): Promise<boolean> {
    if (!this.#journal) return false
    const journal = this.#journal
    try {
      return await journal.end(() => {
        journal.raiseKnownTime(this.#currentKnownTime?.())
        return this.#now()
      })
    } catch (error) {
      this.#log.error('cannot write the last changes before stopping: they are lost', {
        error: reasonOf(error),
      })
      return false
    }
  }

  async #release(isComplete: boolean): Promise<void> {
    try {
      // The next process must learn of a crash: of an unclean end of this one, or, if this one has written
      // nothing, of an unclean end of the one before.
      if (!this.#journal?.hasWritten) await this.#directory?.undo()
      else if (isComplete) await this.#directory?.release()
      else await this.#directory?.abandon()
    } catch (error) {
      this.#log.error('cannot remove the lock: the next start will detect that no process holds it', {
        error: reasonOf(error),
      })
    }
  }

  // Snapshots

  /** Sets the timer for the next save, if there is anything to save. */
  #scheduleSave(): void {
    if (!this.#hasChanged || this.#closed || this.#slices || this.#takenOver) return
    const isJournalLong = !this.#health.isFailing && (this.#journal?.durableBytes ?? 0) > MAX_JOURNAL_BYTES
    const delay = isJournalLong ? 0 : Math.max(0, this.#nextSaveAt - this.#steady())
    clearTimeout(this.#saveTimer)
    this.#saveTimer = setTimeout(() => {
      const kind = this.#health.isFailing ? 'urgent' : 'background'
      this.#saves.run(() => this.#save(kind)).catch(() => {}) // #failed has logged it
    }, delay)
    this.#saveTimer.unref()
  }

  async #save(kind: 'background' | 'urgent'): Promise<void> {
    if (this.#closed) throw this.#closed
    if (this.#takenOver) throw this.#takenOver
    const startedAt = this.#steady()
    const purge = this.#purge
    this.#slices = new TimeSlices(kind)
    try {
      await this.#snapshot(this.#slices)
      const now = this.#steady()
      this.times.save.add(now - startedAt)
      this.#nextSaveAt = now + Math.max(this.#saveEveryMs, SAVE_SHARE * (now - startedAt))
      if (purge) this.#purged(purge, now)
      this.#health.recovered()
    } catch (error) {
      this.#failed(error)
      throw error
    } finally {
      this.#slices = undefined
      this.#scheduleSave()
    }
  }

  /** A snapshot that began after `purge` was called is durable. The next one makes it the backup. */
  #purged(purge: { left: number }, now: number): void {
    purge.left--
    if (purge !== this.#purge) return
    if (purge.left === 0) this.#purge = undefined
    else {
      this.#hasChanged = true
      this.#nextSaveAt = now
    }
  }

  /**
   * Writes a snapshot. Iterating over all users takes a while, and users change meanwhile, so the rows do not
   * belong to one moment. The journal corrects this: a new segment begins before the iteration, so it
   * contains every later change. A line of the journal is a complete record, so applying it to a row that
   * contains the change already has no effect. The last line of each changed user must be there, though,
   * because an earlier line would undo the row. Therefore the journal is written before the snapshot gets its
   * name.
   */
  async #snapshot(slices: TimeSlices): Promise<void> {
    const { journal, directory, stateFiles } = this.#loaded()
    const segment = await journal.begin('snapshot')
    this.#hasChanged = false
    const path = temporary(this.#files.main)
    try {
      journal.raiseKnownTime(this.#currentKnownTime?.())
      const head = {
        savedAt: this.#now(),
        knownTime: journal.knownTime,
        stateId: this.#stateId,
        journal: segment.journal,
      }
      await writeSnapshot(this.#disk, path, head, this.#everyone(), slices)
      await journal.write()
      journal.assertContinuous(segment)
      await directory.replaceStateFiles(() => stateFiles.publish(path, segment.journal, journal.logSegments))
      journal.assertContinuous(segment)
      journal.markSaved()
    } catch (error) {
      await removeQuietly(this.#disk, path)
      throw error
    }
  }

  #loaded(): { journal: JournalWriter; directory: DataDirectory; stateFiles: StateFiles } {
    if (!this.#journal || !this.#directory || !this.#stateFiles) throw new Error('call load first')
    return { journal: this.#journal, directory: this.#directory, stateFiles: this.#stateFiles }
  }

  // Changes by other processes

  /** Checks regularly, even if nothing changes: writes to a file that was removed would succeed. */
  #scheduleCheck(): void {
    if (this.#closed || this.#takenOver) return
    this.#checkTimer = setTimeout(() => {
      const { journal, directory } = this.#loaded()
      journal
        .checkWith(
          segment => directory.check(segment),
          error => error instanceof ExternalChange && !this.#closed,
        )
        .catch(() => {}) // the check itself failed: the next write will show whether the disk works
        .finally(() => this.#scheduleCheck())
    }, CHECK_EVERY_MS)
    this.#checkTimer.unref()
  }

  async #ensureOwned(directory: DataDirectory): Promise<RemainingFiles> {
    if (this.#takenOver) throw this.#takenOver
    try {
      const remaining = await directory.ensureOwned()
      if (!remaining.main) this.#stateFiles?.mainIsLost()
      return remaining
    } catch (error) {
      throw error instanceof StoreLocked ? await this.#giveUp(error) : error
    }
  }

  /**
   * Another process owns the directory, or a volume with another state was mounted there. From now on this
   * process never writes there, because its state may be the older one.
   */
  async #giveUp(error: StoreLocked): Promise<StoreLocked> {
    this.#takenOver = new StoreLocked(`${error.message}. ${WHAT_TO_DO}`)
    await this.#journal?.fail(this.#takenOver)
    return this.#takenOver
  }

  /** Logs a failure once, and tries to save again soon. */
  #failed(error: unknown): void {
    if (this.#closed) return
    this.#health.failed(reasonOf(error), error === this.#takenOver)
    this.#hasChanged = true
    // A removed file can be written again at once, unless that has just failed as well.
    const canRetryAtOnce = error instanceof ExternalChange && !this.#slices
    this.#nextSaveAt = this.#steady() + (canRetryAtOnce ? 0 : RETRY_MS)
    this.#scheduleSave()
  }
}
