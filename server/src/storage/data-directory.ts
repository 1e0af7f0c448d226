import type { Disk, FileFacts } from './disk.ts'
import { codeOf } from './disk.ts'
import { asidePath, type Files, isState, segmentNumber } from './files.ts'
import type { Host } from './host.ts'
import { Lock, type StaleLock } from './lock.ts'
import { ExternalChange, type Segment } from './segment.ts'
import { readHead } from './segment-reader.ts'
import { readSnapshotHead } from './snapshot.ts'
import { StoreLocked } from './store.ts'
import type { StoreLog } from './store-log.ts'

/** What a {@link DataDirectory} needs. `now` is the wall clock, in ms since the epoch. */
export interface DataDirectoryOptions {
  readonly disk: Disk
  readonly files: Files
  readonly host: Host
  readonly log: StoreLog
  readonly now: () => number
}

/** Which state files still exist; see `DataDirectory.ensureOwned`. */
export interface RemainingFiles {
  /** Whether the main file is the one that this process wrote or found. */
  readonly main: boolean
  /** The same for the backup. */
  readonly backup: boolean
  /** Whether there is no state file at all. */
  readonly isEmpty: boolean
}

/**
 * The data directory, owned by this process: its lock, and the state files that this process wrote last.
 * Ownership is checked again and again, because the directory can be removed, unmounted, restored, or taken
 * by another process.
 */
export class DataDirectory {
  readonly #options: DataDirectoryOptions
  #lock: Lock
  #main: FileFacts | undefined
  #backup: FileFacts | undefined
  /** Whether this process is replacing the main file and the backup at this moment. */
  #isReplacing = false
  /** Whether it is unknown which files this process left, because replacing them failed halfway. */
  #isUncertain = false
  /** Increases whenever `#main` and `#backup` are read again. */
  #version = 0
  #stateId = ''
  /** The highest number of a segment that this process found or wrote. */
  #highestSegment = 0

  private constructor(options: DataDirectoryOptions, lock: Lock) {
    this.#options = options
    this.#lock = lock
  }

  /**
   * Creates the directory if necessary, and acquires its lock durably.
   *
   * @throws StoreLocked when another process holds the lock, and errors of the disk
   */
  static async acquire(options: DataDirectoryOptions): Promise<DataDirectory> {
    const { disk, files, host, log } = options
    await disk.makeDirectory(files.directory, 'with parents')
    const lock = await Lock.acquire(disk, files.lock, host)
    // The lock must be durable before the journal: without a lock, an unfinished journal would look damaged.
    await disk.syncDirectory(files.directory).catch(async error => {
      await lock.undo()
      throw error
    })
    if (lock.socketProblem !== undefined) {
      log.info(
        'the data directory does not support Unix sockets: a second server is detected only in the same container',
        { reason: lock.socketProblem },
      )
    }
    return new DataDirectory(options, lock)
  }

  /** The lock of the previous process, if that crashed. */
  get staleLock(): StaleLock | undefined {
    return this.#lock.stale
  }

  /** Identifies this process as the writer of a segment. */
  get writerId(): string {
    return this.#lock.id
  }

  /** Remembers the state that was found at the start, so that later changes to it are noticed. */
  async recordState(stateId: string, highestSegment: number): Promise<void> {
    this.#stateId = stateId
    this.#highestSegment = highestSegment
    await this.#readFacts()
  }

  /**
   * Records that a durable segment is the newest.
   * @throws StoreLocked when another process holds the lock now
   */
  async recordSegment(segment: number): Promise<void> {
    await this.#lock.recordNewest({ stateId: this.#stateId, segment })
    this.#highestSegment = segment
  }

  /**
   * Runs `replace`, which replaces the main file and the backup, so that it is not mistaken for a change by
   * others.
   *
   * @throws ExternalChange when the lock or the main file is not in place any more; `replace` was not run
   * then
   */
  async replaceStateFiles(replace: () => Promise<void>): Promise<void> {
    await this.#assertLockInPlace()
    await this.#assertUnchanged(this.#options.files.main, this.#main)
    this.#isReplacing = true
    this.#isUncertain = true // if it fails halfway, either file may be in place
    try {
      await replace()
      await this.#readFacts()
    } finally {
      this.#isReplacing = false
    }
  }

  async #readFacts(): Promise<void> {
    const { disk, files } = this.#options
    this.#main = await disk.stat(files.main)
    this.#backup = await disk.stat(files.backup)
    this.#isUncertain = false
    this.#version += 1
  }

  async #assertLockInPlace(): Promise<void> {
    const problem = await this.#lock.problem()
    if (problem !== undefined) throw new ExternalChange(problem)
  }

  /**
   * Checks that the directory, the lock, the state files and the open segment are as this process left them.
   *
   * @throws ExternalChange with a sentence that names what was removed or replaced
   */
  async check(segment: Segment): Promise<void> {
    const { disk, files } = this.#options
    if (!(await disk.stat(files.directory))?.isDirectory)
      throw new ExternalChange(
        `the data directory ${files.directory} was removed while the server was using it`,
      )
    await this.#assertLockInPlace()
    await segment.assertInPlace()
    const version = this.#version
    for (const [path, facts] of [
      [files.main, this.#main],
      [files.backup, this.#backup],
    ] as const) {
      if (this.#isReplacing || this.#isUncertain) return
      await this.#assertUnchanged(path, facts).catch(error => {
        if (!this.#isReplacing && version === this.#version) throw error
      })
    }
  }

  async #assertUnchanged(path: string, expected: FileFacts | undefined): Promise<void> {
    const found = await this.#options.disk.stat(path)
    if (!expected && !found) return
    if (!found) throw new ExternalChange(`${path} was removed while the server was using it`)
    if (!expected || !isSame(found, expected))
      throw new ExternalChange(`${path} was replaced while the server was using it`)
  }

  /**
   * Makes sure that this process owns the directory before it begins a segment: creates the directory again
   * if it was removed, acquires the lock again if it is free, and moves a foreign main file aside.
   *
   * @throws StoreLocked when another process owns the directory, or owned it meanwhile; its files are left
   * alone
   */
  async ensureOwned(): Promise<RemainingFiles> {
    if ((await this.#lock.problem()) !== undefined) await this.#reacquireLock()
    if (this.#isUncertain) await this.#readFacts()
    const { disk, files, log, now } = this.#options
    const main = await disk.stat(files.main)
    const isOurs = main !== undefined && this.#main !== undefined && isSame(main, this.#main)
    if (main && !isOurs) {
      const movedTo = asidePath(files.main, now(), 'replaced')
      await disk.rename(files.main, movedTo)
      log.error('user_state.json was replaced while the server was running: it is ignored and moved aside', {
        movedTo,
      })
    }
    const backup = await disk.stat(files.backup)
    const hasBackup = backup !== undefined && this.#backup !== undefined && isSame(backup, this.#backup)
    this.#main = isOurs ? main : undefined
    this.#backup = hasBackup ? backup : undefined
    const isEmpty = !isOurs && !hasBackup && !(await disk.list(files.directory)).some(isState)
    return { main: isOurs, backup: hasBackup, isEmpty }
  }

  async #reacquireLock(): Promise<void> {
    const { disk, files, host } = this.#options
    await disk.makeDirectory(files.directory, 'in its parent')
    this.#lock = await Lock.acquire(disk, files.lock, host, this.#lock)
    await disk.syncDirectory(files.directory)
    const foreign = await this.#foreignFile()
    if (foreign === undefined) return
    await this.#lock.undo()
    throw new StoreLocked(
      `${files.directory} has a state that this server did not write (${foreign} is from another process)`,
    )
  }

  /** The name of a state file that another process wrote while this process did not hold the lock. */
  async #foreignFile(): Promise<string | undefined> {
    const { disk, files } = this.#options
    for (const name of await disk.list(files.directory)) {
      const journal = segmentNumber(name)
      const head = journal !== undefined && (await readHead(disk, files.segment(journal)))
      if (!head) continue
      const isForeign = head.stateId !== undefined && head.stateId !== this.#stateId
      if (isForeign || (journal > this.#highestSegment && head.writer !== this.writerId)) return name
    }
    const main = await readSnapshotHead(disk, files.main).catch(error => {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    })
    const isForeign = main?.stateId !== undefined && main.stateId !== this.#stateId
    return isForeign || (main?.journal ?? 0) > this.#highestSegment ? 'user_state.json' : undefined
  }

  /** Removes the lock. @throws errors of the disk; the next start then detects a stale lock */
  release(): Promise<void> {
    return this.#lock.release()
  }

  /** Leaves the lock in place as a crash would. */
  abandon(): Promise<void> {
    return this.#lock.abandon()
  }

  /** Gives the directory up as it was found. */
  undo(): Promise<void> {
    return this.#lock.undo()
  }
}

/**
 * Some network file systems report another inode for the same file later; size and time are then unchanged.
 */
function isSame(a: FileFacts, b: FileFacts): boolean {
  return a.id === b.id || (a.bytes === b.bytes && a.modifiedAt === b.modifiedAt)
}
