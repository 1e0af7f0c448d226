import type { Disk, FileFacts } from './disk.ts'
import { codeOf } from './disk.ts'
import { asidePath, type Files, isState, segmentNumber } from './files.ts'
import type { Host } from './host.ts'
import { ExternalChange, readHead, type Segment } from './journal.ts'
import { Lock, type StaleLock } from './lock.ts'
import type { StoreLog } from './recovery.ts'
import { readSnapshotHead } from './snapshot.ts'
import { StoreLocked } from './store.ts'

export interface DataDirectoryOptions {
  readonly disk: Disk
  readonly files: Files
  readonly host: Host
  readonly log: StoreLog
  readonly now: () => number
}

/** What of the state is still there; see `DataDirectory.secure`. */
export interface RemainingFiles {
  /** Whether the main file is the one this process left or found. */
  readonly main: boolean
  readonly backup: boolean
  /** Whether there is no state file at all. */
  readonly isEmpty: boolean
}

/**
 * The data directory as this process's own: its lock, and the files this process wrote last. What was checked at the
 * start need not be so any more: a directory can be removed, unmounted, restored, or taken by another process.
 */
export class DataDirectory {
  readonly #options: DataDirectoryOptions
  #lock: Lock
  #main: FileFacts | undefined
  #backup: FileFacts | undefined
  /** Whether main and backup are being replaced by this process at this moment. */
  #isPublishing = false
  /** Whether it is not known which files this process left, since replacing them failed halfway. */
  #isUnsure = false
  /** Counts how often this process has changed its mind about main and backup. */
  #version = 0
  #stateId = ''
  /** The highest number of a segment that this process found or wrote. */
  #highest = 0

  private constructor(options: DataDirectoryOptions, lock: Lock) {
    this.#options = options
    this.#lock = lock
  }

  /** Makes the directory if need be, and takes its lock, durably. @throws StoreLocked, and what the disk throws */
  static async take(options: DataDirectoryOptions): Promise<DataDirectory> {
    const { disk, files, host, log } = options
    await disk.makeDirectory(files.directory, 'with parents')
    const lock = await Lock.acquire(disk, files.lock, host)
    // Durable before the journal goes on: without a lock, a journal that just ends would look cut off.
    await disk.syncDirectory(files.directory).catch(async error => {
      await lock.undo()
      throw error
    })
    if (lock.socketProblem !== undefined) {
      log.info(
        'the data directory can not hold a socket: a second server is noticed only if it is in the same container',
        { reason: lock.socketProblem },
      )
    }
    return new DataDirectory(options, lock)
  }

  /** The lock of the process before, if that crashed. */
  get dead(): StaleLock | undefined {
    return this.#lock.dead
  }

  /** Names the process that writes a segment. */
  get writer(): string {
    return this.#lock.id
  }

  /** Remembers what a start found, so that changes to it are noticed. */
  async found(stateId: string, highestSegment: number): Promise<void> {
    this.#stateId = stateId
    this.#highest = highestSegment
    await this.#remember()
  }

  /** A segment is durable: writes down that it is the newest. @throws StoreLocked when the lock is another's by now */
  async begun(segment: number): Promise<void> {
    await this.#lock.name({ stateId: this.#stateId, segment })
    this.#highest = segment
  }

  /**
   * Runs what replaces main and backup, so that it is not mistaken for a change by others.
   *
   * @throws ExternalChange when the lock or the main file is not in place any more; then nothing was run
   */
  async publish(work: () => Promise<void>): Promise<void> {
    await this.mustBeOurs()
    await this.#mustBeAsLeft(this.#options.files.main, this.#main)
    this.#isPublishing = true
    this.#isUnsure = true // if it fails halfway, either file may be there
    try {
      await work()
      await this.#remember()
    } finally {
      this.#isPublishing = false
    }
  }

  async #remember(): Promise<void> {
    const { disk, files } = this.#options
    this.#main = await disk.stat(files.main)
    this.#backup = await disk.stat(files.backup)
    this.#isUnsure = false
    this.#version += 1
  }

  /** @throws ExternalChange when the lock is not in place any more */
  async mustBeOurs(): Promise<void> {
    const problem = await this.#lock.problem()
    if (problem !== undefined) throw new ExternalChange(problem)
  }

  /**
   * Looks whether all is as this process left it, its open segment too.
   *
   * @throws ExternalChange with a sentence that names what was removed or replaced
   */
  async look(segment: Segment): Promise<void> {
    const { disk, files } = this.#options
    if (!(await disk.stat(files.directory))?.isDirectory)
      throw new ExternalChange(
        `the data directory ${files.directory} was removed while the server was using it`,
      )
    await this.mustBeOurs()
    await segment.mustBeInPlace()
    const version = this.#version
    for (const [path, left] of [
      [files.main, this.#main],
      [files.backup, this.#backup],
    ] as const) {
      if (this.#isPublishing || this.#isUnsure) return
      await this.#mustBeAsLeft(path, left).catch(error => {
        if (!this.#isPublishing && version === this.#version) throw error
      })
    }
  }

  async #mustBeAsLeft(path: string, left: FileFacts | undefined): Promise<void> {
    const found = await this.#options.disk.stat(path)
    if (!left && !found) return
    if (!found) throw new ExternalChange(`${path} was removed while the server was using it`)
    if (!left || !isSame(found, left))
      throw new ExternalChange(`${path} was replaced while the server was using it`)
  }

  /**
   * Makes sure that the directory is this process's own, before it begins a segment: makes it again where it was
   * removed, takes the lock again where that is free, and moves a foreign main file aside.
   *
   * @throws StoreLocked when another process has the directory, or had it since: its files are left alone
   */
  async secure(): Promise<RemainingFiles> {
    if ((await this.#lock.problem()) !== undefined) await this.#retakeLock()
    if (this.#isUnsure) await this.#remember()
    const { disk, files, log, now } = this.#options
    const main = await disk.stat(files.main)
    const isOurs = main !== undefined && this.#main !== undefined && isSame(main, this.#main)
    if (main && !isOurs) {
      const kept = asidePath(files.main, now(), 'replaced')
      await disk.rename(files.main, kept)
      log.error('user_state.json was put there while the server was using the directory: it is not read', {
        kept,
      })
    }
    const backup = await disk.stat(files.backup)
    const hasBackup = backup !== undefined && this.#backup !== undefined && isSame(backup, this.#backup)
    this.#main = isOurs ? main : undefined
    this.#backup = hasBackup ? backup : undefined
    const isEmpty = !isOurs && !hasBackup && !(await disk.list(files.directory)).some(isState)
    return { main: isOurs, backup: hasBackup, isEmpty }
  }

  async #retakeLock(): Promise<void> {
    const { disk, files, host } = this.#options
    await disk.makeDirectory(files.directory, 'in its parent')
    this.#lock = await Lock.acquire(disk, files.lock, host, this.#lock)
    await disk.syncDirectory(files.directory)
    const foreign = await this.#foreignFile()
    if (foreign === undefined) return
    await this.#lock.undo()
    throw new StoreLocked(
      `another process has used ${files.directory} in the meantime (${foreign} is not ours)`,
    )
  }

  /** A state file that another process wrote, found when the lock was out of this process's hands. */
  async #foreignFile(): Promise<string | undefined> {
    const { disk, files } = this.#options
    for (const name of await disk.list(files.directory)) {
      const journal = segmentNumber(name)
      const head = journal !== undefined && (await readHead(disk, files.segment(journal)))
      if (!head) continue
      const isOther = head.stateId !== undefined && head.stateId !== this.#stateId
      if (isOther || (journal > this.#highest && head.writer !== this.writer)) return name
    }
    const main = await readSnapshotHead(disk, files.main).catch(error => {
      if (codeOf(error) === 'ENOENT') return undefined
      throw error
    })
    const isOther = main?.stateId !== undefined && main.stateId !== this.#stateId
    return isOther || (main?.journal ?? 0) > this.#highest ? 'user_state.json' : undefined
  }

  /** Removes the lock. @throws what the disk throws; the next start will then see that nobody holds it. */
  release(): Promise<void> {
    return this.#lock.release()
  }

  /** Leaves the lock as a crash would. */
  abandon(): Promise<void> {
    return this.#lock.abandon()
  }

  /** Gives the directory back as it was found. */
  undo(): Promise<void> {
    return this.#lock.undo()
  }
}

/** Some network file systems give a file another number when they look again; the rest is then still the same. */
function isSame(a: FileFacts, b: FileFacts): boolean {
  return a.id === b.id || (a.bytes === b.bytes && a.modifiedAt === b.modifiedAt)
}
