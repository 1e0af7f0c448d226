import type { StoreHealth } from './store.ts'
import type { StoreLog } from './store-log.ts'

/** What a {@link DiskHealth} needs. */
export interface DiskHealthOptions {
  readonly log: StoreLog
  /** The wall clock, in ms since the epoch. */
  readonly now: () => number
  /** A clock for durations, in ms, that never jumps. */
  readonly steady: () => number
}

/** Whether the disk works and is fast enough. Logs each change of this once. */
export class DiskHealth {
  readonly #options: DiskHealthOptions
  #failing: { readonly since: number; readonly steadySince: number; readonly error: string } | undefined
  #lateSince: number | undefined

  constructor(options: DiskHealthOptions) {
    this.#options = options
  }

  /** See `Store.health`. */
  get state(): StoreHealth {
    if (this.#failing) return { state: 'failing', since: this.#failing.since, error: this.#failing.error }
    return this.#lateSince === undefined ? { state: 'ok' } : { state: 'late', since: this.#lateSince }
  }

  /** Whether the last save or batch failed. */
  get isFailing(): boolean {
    return this.#failing !== undefined
  }

  /** Something has waited for the disk for too long. */
  late(waitedMs: number): void {
    this.#lateSince = this.#options.now() - waitedMs
    this.#options.log.error('the disk is slow: changes wait to be written, and a crash now would lose them', {
      waitedMs: Math.round(waitedMs),
    })
  }

  /** Nothing waits too long any more; the disk was late for `lastedMs`. */
  inTime(lastedMs: number): void {
    this.#lateSince = undefined
    this.#options.log.info('the disk responds in time again', { lateForMs: Math.round(lastedMs) })
  }

  /** A save or batch failed. `isFinal`: it will never work again, which is logged even while failing. */
  failed(reason: string, isFinal: boolean): void {
    if (!this.#failing || (isFinal && this.#failing.error !== reason)) {
      this.#options.log.error('cannot save the state: presence continues in memory', { error: reason })
    }
    const { since, steadySince } = this.#failing ?? {
      since: this.#options.now(),
      steadySince: this.#options.steady(),
    }
    this.#failing = { since, steadySince, error: reason }
  }

  /** A save has succeeded. */
  recovered(): void {
    if (!this.#failing) return
    const failedForMs = Math.round(this.#options.steady() - this.#failing.steadySince)
    this.#failing = undefined
    this.#options.log.info('the state is saved again', { failedForMs })
  }
}
