import type { Disk, ReadableFile, WritableFile } from './disk.ts'

/** What has waited for the disk this long is late: a crash would lose what was noted longer ago than promised. */
const LATE_MS = 1_000
/** A disk that was late is taken to be in time again after this; it bounds the log to a few lines a minute. */
const QUIET_MS = 5_000
/** How often it looks while the disk is late. */
const LOOK_MS = 500
/** A look that comes this late says that the process stood still, for which the disk is not to blame. */
const STOOD_STILL_MS = 500

export interface LatencyMonitorOptions {
  /** Milliseconds of a clock that never jumps. */
  readonly steady: () => number
  /** The disk has begun to be late; `waitedMs` is how long the oldest has waited. */
  readonly began: (waitedMs: number) => void
  /** The disk is in time again; `lastedMs` is how long it was not. */
  readonly ended: (lastedMs: number) => void
}

/**
 * Notices what waits too long for the disk, while it waits: a disk that hangs answers nothing, so no answer can tell.
 * One timer runs while something waits, and holds no process.
 */
export class LatencyMonitor {
  readonly #options: LatencyMonitorOptions
  /** When each of those that wait began to, the oldest first. */
  readonly #waiting = new Set<{ since: number }>()
  #timer: NodeJS.Timeout | undefined
  #lateSince: number | undefined
  #lateUntil = 0
  #lookAt = 0

  constructor(options: LatencyMonitorOptions) {
    this.#options = options
  }

  /** Something begins to wait. Call the answer when it is done. */
  begin(): () => void {
    const wait = { since: this.#options.steady() }
    this.#waiting.add(wait)
    if (!this.#timer) this.#lookIn(LATE_MS)
    return () => {
      if (!this.#waiting.delete(wait)) return
      if (this.#lateSince !== undefined) this.#note(wait.since)
    }
  }

  /** Follows one call of the disk. */
  track<T>(work: Promise<T>): Promise<T> {
    const done = this.begin()
    work.then(done, done)
    return work
  }

  /** Nothing is watched any more. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#waiting.clear()
    this.#lateSince = undefined
  }

  #lookIn(ms: number): void {
    this.#lookAt = this.#options.steady() + ms
    this.#timer = setTimeout(() => this.#look(), ms)
    this.#timer.unref()
  }

  #look(): void {
    this.#timer = undefined
    const now = this.#options.steady()
    const stoodStillMs = now - this.#lookAt
    if (stoodStillMs > STOOD_STILL_MS) for (const wait of this.#waiting) wait.since += stoodStillMs
    const [oldest] = this.#waiting
    if (oldest) this.#note(oldest.since)
    if (this.#lateSince !== undefined) {
      if (now - this.#lateUntil >= QUIET_MS) {
        this.#options.ended(now - this.#lateSince)
        this.#lateSince = undefined
      } else {
        return this.#lookIn(LOOK_MS)
      }
    }
    if (oldest) this.#lookIn(Math.max(1, oldest.since + LATE_MS - now))
  }

  /** Something waits, or waited until now, since then. */
  #note(since: number): void {
    const now = this.#options.steady()
    if (now - since < LATE_MS) return
    this.#lateUntil = now
    if (this.#lateSince !== undefined) return
    this.#lateSince = since
    this.#options.began(now - since)
  }
}

/** A disk each call of which is followed. */
export function monitored(disk: Disk, late: LatencyMonitor): Disk {
  const track = <T>(work: Promise<T>): Promise<T> => late.track(work)
  return {
    makeDirectory: (path, parents) => track(disk.makeDirectory(path, parents)),
    stat: path => track(disk.stat(path)),
    list: directory => track(disk.list(directory)),
    open: async path => monitoredReader(await track(disk.open(path)), track),
    create: async path => monitoredWriter(await track(disk.create(path)), track),
    rename: (from, to) => track(disk.rename(from, to)),
    link: (from, to) => track(disk.link(from, to)),
    remove: path => track(disk.remove(path)),
    syncDirectory: path => track(disk.syncDirectory(path)),
  }
}

type Track = <T>(work: Promise<T>) => Promise<T>

function monitoredReader(file: ReadableFile, track: Track): ReadableFile {
  return {
    read: into => track(file.read(into)),
    modifiedAt: () => track(file.modifiedAt()),
    close: () => track(file.close()),
  }
}

function monitoredWriter(file: WritableFile, track: Track): WritableFile {
  return {
    write: bytes => track(file.write(bytes)),
    sync: () => track(file.sync()),
    id: () => track(file.id()),
    close: () => track(file.close()),
  }
}
