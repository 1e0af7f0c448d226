import type { UserId } from '@who-is-online/protocol/words'
import type { LogSource } from '../changes/stored-log.ts'
import type { Durations } from '../durations.ts'
import { SerialQueue } from '../serial-queue.ts'
import type { RemainingFiles } from './data-directory.ts'
import { type Disk, reasonOf, removeQuietly } from './disk.ts'
import type { Files } from './files.ts'
import { MAX_TIME } from './iso-time.ts'
import type { Batch, DELETED, LogPart, SegmentHead } from './journal.ts'
import type { LatencyMonitor } from './latency-monitor.ts'
import { LogWriter } from './log-writer.ts'
import type { Recovered } from './recovery.ts'
import { Segment } from './segment.ts'
import { StoreLocked, type UserRecord } from './store.ts'

/** What a {@link JournalWriter} needs. */
export interface JournalWriterOptions {
  readonly disk: Disk
  readonly files: Files
  readonly monitor: LatencyMonitor
  /** A clock for durations, in ms, that never jumps. */
  readonly steady: () => number
  /** Counts how long batches take until they are durable. */
  readonly times: Durations
  /** How long a record may wait for others to be written in the same batch, in ms. */
  readonly batchEveryMs: number
  /** See `SegmentHead.stateId`. */
  readonly stateId: string
  /** See `SegmentHead.writer`. */
  readonly writer: string
  readonly recovered: Pick<Recovered, 'nextSegment' | 'lastSegment' | 'imported' | 'logSegments'>
  /** Makes sure that this process owns the directory. @throws StoreLocked when another process does */
  readonly ensureOwned: () => Promise<RemainingFiles>
  /**
   * Records that a durable segment is the newest.
   * @throws StoreLocked when another process owns the directory
   */
  readonly recordSegment: (journal: number) => Promise<void>
  /** A batch is durable. */
  readonly onWritten: () => void
  /** Records can't be made durable until a snapshot has succeeded. */
  readonly onFailed: (error: unknown) => void
}

const NO_SEGMENTS: ReadonlySet<number> = new Set()

/**
 * Writes changed records to the journal, in batches. After a failure it accepts no records until the next
 * segment begins, which a snapshot does: the snapshot contains the records that were lost.
 */
export class JournalWriter {
  readonly #options: JournalWriterOptions
  /**
   * The segment that records go to. Absent before the first `begin`, after `end`, and while the disk fails.
   */
  #segment: Segment | undefined
  /** Whether records wait for the next batch. While the disk fails they do not: the next snapshot contains them. */
  #isAccepting = true
  #nextSegment: number
  #lastSegment: SegmentHead['previous']
  #imported: string | undefined
  #hasWritten = false
  #pending = new Map<UserId, UserRecord | typeof DELETED>()
  #pendingAlive: number | undefined
  #knownTime: number | undefined
  #log: LogWriter | undefined
  /** Tells the latency monitor that the pending records do not wait any more. */
  #pendingDone: (() => void) | undefined
  /** Batches and changes of segments run one at a time. */
  readonly #queue = new SerialQueue()
  #batchTimer: NodeJS.Timeout | undefined
  #lost: Error | undefined

  constructor(options: JournalWriterOptions, knownTime: number | undefined) {
    this.#options = options
    this.#nextSegment = options.recovered.nextSegment
    this.#lastSegment = options.recovered.lastSegment
    this.#imported = options.recovered.imported
    this.#knownTime = knownTime
  }

  /** Whether this process has written any segment. */
  get hasWritten(): boolean {
    return this.#hasWritten
  }

  /** How many bytes of the current segment are durable; 0 without a segment. */
  get durableBytes(): number {
    return this.#segment?.durableBytes ?? 0
  }

  /** The highest `knownTime` that was read or given; see `Store.recordAlive`. */
  get knownTime(): number | undefined {
    return this.#knownTime
  }

  /** Why some records are only in memory; `undefined` if all are durable or pending. */
  get lost(): Error | undefined {
    return this.#lost
  }

  /** Keeps a log of changes from now on. Call it before `begin`. */
  keepLog(source: LogSource): void {
    this.#log = new LogWriter(source, this.#options.recovered.logSegments)
  }

  /** The segments that the log of changes needs. */
  get logSegments(): ReadonlySet<number> {
    return this.#log?.segments ?? NO_SEGMENTS
  }

  /** The next batch has the changes that are not written yet. */
  logGrown(): void {
    if (this.#isAccepting && this.#log) this.#scheduleBatch()
  }

  /** Adds the newest record of a user to the next batch. */
  add(userId: UserId, record: UserRecord | typeof DELETED): void {
    if (!this.#isAccepting) return
    this.#pending.set(userId, record)
    this.#scheduleBatch()
  }

  /** Adds an `alive` line to the next batch; see `Store.recordAlive`. */
  recordAlive(now: number, knownTime: number | undefined): void {
    this.raiseKnownTime(knownTime)
    if (!this.#isAccepting) return
    this.#pendingAlive = now
    this.#scheduleBatch()
  }

  /** Sets `knownTime`, unless it is higher already. */
  raiseKnownTime(time: number | undefined): void {
    // A time that no file can represent would make every later batch fail.
    if (time !== undefined && Math.abs(time) <= MAX_TIME)
      this.#knownTime = Math.max(Math.floor(time), this.#knownTime ?? Number.NEGATIVE_INFINITY)
  }

  /** Writes the pending batch. @throws errors of the disk, after `onFailed` */
  write(): Promise<void> {
    return this.#queue.run(() => this.#writeBatch())
  }

  /**
   * Begins a new segment.
   * @throws StoreLocked when another process owns the directory, and errors of the disk
   */
  begin(reason: 'start' | 'snapshot'): Promise<Segment> {
    return this.#queue.run(() => this.#begin(reason))
  }

  /**
   * Checks that a snapshot that began with `segment` is still complete. If the journal failed since, the
   * snapshot lacks changes of users that it had already passed.
   *
   * @throws Error when the journal failed since
   */
  assertContinuous(segment: Segment): void {
    if (this.#segment !== segment) throw this.#lost ?? new Error('the journal of this snapshot failed')
  }

  /** Runs `check` between batches. On an error for which `isFatal` is true, records are taken as lost. */
  checkWith(check: (segment: Segment) => Promise<void>, isFatal: (error: unknown) => boolean): Promise<void> {
    return this.#queue.run(async () => {
      const segment = this.#segment
      if (!segment) return // the next snapshot checks
      try {
        await check(segment)
      } catch (error) {
        if (!isFatal(error)) throw error
        await this.fail(error)
      }
    })
  }

  /** Stops accepting records until the next segment begins. */
  async fail(error: unknown): Promise<void> {
    this.markLost(error)
    await this.#abandon(this.#segment)
  }

  /** Remembers that records are only in memory, and calls `onFailed`. */
  markLost(error: unknown): void {
    // A new segment may have changes before a snapshot has their records.
    this.#log?.hold()
    this.#lost =
      error instanceof StoreLocked ? error : new Error(`changes can't be made durable: ${reasonOf(error)}`)
    this.#options.onFailed(error)
  }

  /** A snapshot has succeeded: every record is durable. */
  markSaved(): void {
    this.#lost = undefined
    this.#log?.release()
  }

  /** Stops the timer. */
  stop(): void {
    clearTimeout(this.#batchTimer)
  }

  /**
   * Writes the pending batch and a last line, and closes. `stamp` is called after the batch and returns the
   * current time in ms since the epoch. Returns whether all records are durable. @throws errors of the disk
   */
  end(stamp: () => number): Promise<boolean> {
    return this.#queue.run(async () => {
      try {
        await this.#writeBatch()
        const now = stamp()
        await this.#segment?.seal(now, this.#knownTime)
        return this.#lost === undefined
      } finally {
        this.#segment = undefined
        this.#isAccepting = false
      }
    })
  }

  #scheduleBatch(): void {
    this.#pendingDone ??= this.#options.monitor.begin()
    if (this.#batchTimer) return
    this.#batchTimer = setTimeout(() => {
      this.#batchTimer = undefined
      this.write().catch(() => {}) // onFailed was called
    }, this.#options.batchEveryMs)
    this.#batchTimer.unref()
  }

  /** Takes the pending records, and the changes of the same moment: they must be durable together. */
  #take(log: LogPart | undefined): Batch {
    const batch = { users: this.#pending, log, alive: this.#pendingAlive, knownTime: this.#knownTime }
    this.#pending = new Map()
    this.#pendingAlive = undefined
    return batch
  }

  /** Takes that nobody waits for what was taken. */
  #takeDone(): (() => void) | undefined {
    const done = this.#pendingDone
    this.#pendingDone = undefined
    return done
  }

  async #writeBatch(): Promise<void> {
    const segment = this.#segment
    if (!segment) return
    const log = this.#log?.next()
    if (this.#pending.size === 0 && this.#pendingAlive === undefined && !log) return
    const { steady, times } = this.#options
    const startedAt = steady()
    const batch = this.#take(log)
    const done = this.#takeDone()
    try {
      await segment.append(batch)
      times.add(steady() - startedAt)
      if (log) this.#log?.written(log)
    } catch (error) {
      this.markLost(error)
      await this.#abandon(segment)
      throw error
    } finally {
      done?.()
    }
    this.#options.onWritten()
  }

  async #begin(reason: 'start' | 'snapshot'): Promise<Segment> {
    const { disk, files, stateId, writer, ensureOwned, recordSegment } = this.#options
    // `onFailed` was called; the snapshot that follows contains the records.
    await this.#writeBatch().catch(() => {})
    const old = this.#segment
    const remaining = await ensureOwned()
    const after = this.#reasonFor(reason, remaining)
    const previous = old ? { journal: old.journal, bytes: old.durableBytes } : this.#lastSegment
    const journal = this.#nextSegment
    const head = {
      journal,
      stateId,
      writer,
      after,
      ...(previous && after !== 'removal' && { previous }),
      ...(this.#imported !== undefined && { imported: this.#imported }),
    }
    // What came since the last batch. The changes are durable with the head, and so must be their records.
    this.#isAccepting = true
    const first = this.#take(this.#log?.first())
    const done = this.#takeDone()
    let segment: Segment | undefined
    try {
      segment = await Segment.create(disk, files.segment(journal), head, first)
      await recordSegment(journal)
    } catch (error) {
      await segment?.close().catch(() => {})
      if (old && (await this.#isDiscarded(journal))) this.#putBack(first)
      else {
        if (old) this.markLost(error)
        await this.#abandon(old)
      }
      throw error
    } finally {
      done?.()
    }
    this.#segment = segment
    // Not earlier: after a failed first start, the next attempt must begin with 1 again.
    this.#nextSegment = journal + 1
    this.#imported = undefined
    this.#hasWritten = true
    if (first.log) this.#log?.began(journal, first.log)
    // What came while there was no segment.
    if (this.#pending.size > 0 || this.#log?.next()) this.#scheduleBatch()
    await old?.close().catch(() => {}) // all of it is durable
    return segment
  }

  /** There is no new segment: the records of its beginning wait for the next batch of the old one. */
  #putBack({ users, alive }: Batch): void {
    this.#pending = new Map([...users, ...this.#pending])
    this.#pendingAlive ??= alive
    this.#scheduleBatch()
  }

  /**
   * Removes a segment that could not be completed. Returns whether it stays away after a crash: otherwise a start would
   * apply its records after newer ones in the old segment.
   */
  async #isDiscarded(journal: number): Promise<boolean> {
    const { disk, files } = this.#options
    try {
      await removeQuietly(disk, files.segment(journal))
      await disk.syncDirectory(files.directory)
      return (await disk.stat(files.segment(journal))) === undefined
    } catch {
      return false
    }
  }

  #reasonFor(reason: 'start' | 'snapshot', remaining: RemainingFiles): SegmentHead['after'] {
    if (this.#hasWritten && remaining.isEmpty) return 'removal'
    return this.#lost && reason === 'snapshot' ? 'failure' : reason
  }

  /** After a failed write or sync, the content of a file is unknown, and a second sync proves nothing. */
  async #abandon(segment: Segment | undefined): Promise<void> {
    this.#segment = undefined
    this.#drop()
    if (!segment) return
    this.#lastSegment = { journal: segment.journal, bytes: segment.durableBytes }
    await segment.close().catch(() => {})
  }

  /** Stops accepting records: the next snapshot is taken from memory and will contain them. */
  #drop(): void {
    this.#isAccepting = false
    this.#pending.clear()
    this.#pendingAlive = undefined
    this.#takeDone()?.()
  }
}
