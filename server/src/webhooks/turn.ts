/** A node delivers while the last beat that it has read back is younger than this, in ms. */
const BEAT_IS_GOOD_MS = 4_000
/**
 * A node waits so long before it delivers, in ms. Another node that has delivered until now has missed three beats or
 * says that it stops, and has ended its turn by then.
 */
const TAKE_OVER_MS = 5_000

/** What a turn follows from. */
export interface TurnOptions {
  /** Whether this node does for all nodes what concerns the changes. */
  readonly isWriter: () => boolean
  /**
   * How long ago this node has sent the last beat that came back from Redis, in ms; `undefined` before the first one.
   * Not when it came back: after a suspension, an old one may come back at once.
   */
  readonly beatAgeMs: () => number | undefined
  /** A clock that is never set, and that also runs while the process is suspended, in ms. */
  readonly now: () => number
}

/** Whether it is the turn of this node to deliver. There is no election: it follows from the beats. */
export class Turn {
  readonly #options: TurnOptions
  #since: number | undefined

  constructor(options: TurnOptions) {
    this.#options = options
  }

  /** Call it at least once a second. */
  isMine(): boolean {
    const { isWriter, beatAgeMs, now } = this.#options
    const at = now()
    if (!isWriter() || (beatAgeMs() ?? Number.POSITIVE_INFINITY) >= BEAT_IS_GOOD_MS) {
      this.#since = undefined
      return false
    }
    this.#since ??= at
    return at - this.#since >= TAKE_OVER_MS
  }
}
