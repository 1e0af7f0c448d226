// The jobs of the child processes of saving.ts, and their results.

/** Options of `saving`. */
export interface SavingOptions {
  /** The number of known users. Default: 1,000,000. */
  readonly users?: number
  /**
   * How long each round measures, in seconds. Default: 8. A background save of a million users takes about 5.
   */
  readonly seconds?: number
  /** The number of rounds of each kind. Default: 3. */
  readonly rounds?: number
  /** Changes per second. Default: 10,000. */
  readonly notesPerSecond?: number
}

/**
 * `control` does not save; `periodic` saves in the background like a server; `on demand` saves without a
 * pause.
 */
export type Kind = 'control' | 'periodic' | 'on demand'

/** The result of one round. */
export interface Round {
  readonly kind: Kind
  readonly longestStallMs: number
  /** The stall that an event at a random time meets, 99th percentile. */
  readonly p99StallMs: number
  readonly notes: number
  readonly snapshots: number
  readonly snapshotMs: number
  /** The time from a note to the end of the sync that made it durable. */
  readonly durableMs: { readonly p50: number; readonly p99: number; readonly max: number } | undefined
}

/** The result of loading the state. */
export interface Load {
  readonly users: number
  readonly loadMs: number
  readonly bytes: number
}

/** A job for a child process. */
export type Job =
  | {
      readonly do: 'round'
      readonly kind: Kind
      readonly dataDir: string
      readonly options: Required<SavingOptions>
    }
  | { readonly do: 'load'; readonly dataDir: string }

/** Rounds to one decimal. */
export function round1(value: number): number {
  return Math.round(value * 10) / 10
}
