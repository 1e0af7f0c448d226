import type { Disk, ReadableFile, WritableFile } from './disk.ts'

/**
 * A call that waits for the disk this long is late: a crash would lose changes older than the promised 150
 * ms.
 */
const LATE_MS = 1_000
/**
 * After this time without a late call the disk counts as in time again. It limits the log to a few lines a
 * minute.
 */
const QUIET_MS = 5_000
/** How often to check while the disk is late. */
const CHECK_MS = 500
/** A check that runs this late means that the process was suspended, which is not the fault of the disk. */
const SUSPENSION_MS = 500

/** Options of {@link LatencyMonitor}. */
export interface LatencyMonitorOptions {
  /** A clock for durations, in ms, that never jumps. */
  readonly steady: () => number
  /** The disk has become late; `waitedMs` is how long the oldest call has waited. */
  readonly onLate: (waitedMs: number) => void
  /** The disk is in time again; `lastedMs` is how long it was late. */
  readonly onInTime: (lastedMs: number) => void
}

/**
 * Detects calls that wait too long for the disk, while they wait: a disk that hangs never answers. One timer
 * runs while calls wait. It does not keep the process alive.
 */
export class LatencyMonitor {
  readonly #options: LatencyMonitorOptions
  /** The start times of the waiting calls, the oldest first. */
  readonly #waiting = new Set<{ since: number }>()
  #timer: NodeJS.Timeout | undefined
  #lateSince: number | undefined
  #lateUntil = 0
  #checkAt = 0

  constructor(options: LatencyMonitorOptions) {
    this.#options = options
  }

  /** Call this when something starts to wait. Call the returned function when it is done. */
  begin(): () => void {
    const wait = { since: this.#options.steady() }
    this.#waiting.add(wait)
    if (!this.#timer) this.#checkIn(LATE_MS)
    return () => {
      if (!this.#waiting.delete(wait)) return
      if (this.#lateSince !== undefined) this.#record(wait.since)
    }
  }

  /** Monitors one call of the disk. Returns the same promise. */
  track<T>(work: Promise<T>): Promise<T> {
    const done = this.begin()
    work.then(done, done)
    return work
  }

  /** Stops monitoring. */
  stop(): void {
    clearTimeout(this.#timer)
    this.#waiting.clear()
    this.#lateSince = undefined
  }

  #checkIn(ms: number): void {
    this.#checkAt = this.#options.steady() + ms
    this.#timer = setTimeout(() => this.#check(), ms)
    this.#timer.unref()
  }

  #check(): void {
    this.#timer = undefined
    const now = this.#options.steady()
    const suspendedMs = now - this.#checkAt
    if (suspendedMs > SUSPENSION_MS) for (const wait of this.#waiting) wait.since += suspendedMs
    const [oldest] = this.#waiting
    if (oldest) this.#record(oldest.since)
    if (this.#lateSince !== undefined) {
      if (now - this.#lateUntil >= QUIET_MS) {
        this.#options.onInTime(now - this.#lateSince)
        this.#lateSince = undefined
      } else {
        return this.#checkIn(CHECK_MS)
      }
    }
    if (oldest) this.#checkIn(Math.max(1, oldest.since + LATE_MS - now))
  }

  /** Records a call that has waited since `since`, until now or longer. */
  #record(since: number): void {
    const now = this.#options.steady()
    if (now - since < LATE_MS) return
    this.#lateUntil = now
    if (this.#lateSince !== undefined) return
    this.#lateSince = since
    this.#options.onLate(now - since)
  }
}

/** Wraps a disk so that each of its calls is monitored. */
export function monitored(disk: Disk, monitor: LatencyMonitor): Disk {
  const track = <T>(work: Promise<T>): Promise<T> => monitor.track(work)
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
