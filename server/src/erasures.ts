import type { UserId } from '@who-is-online/protocol/words'
import type { ChangeFeed } from './changes/feed.ts'
import type { FactLog } from './cluster/log.ts'
import type { Decision } from './presence/change.ts'
import type { Presence } from './presence/presence.ts'
import type { Store } from './storage/store.ts'

export interface ErasurePorts {
  readonly presence: Pick<Presence, 'isErasable' | 'erase' | 'record'>
  readonly log: Pick<FactLog, 'keeps'>
  readonly feed: Pick<ChangeFeed, 'erase' | 'drop'>
  readonly store: Pick<Store, 'purge'>
  /** Passes a decision on. */
  readonly publish: (decision: Decision) => void
}

/** A user who is being erased. */
interface Erasure {
  /** Whether the log was told that nothing is known of the user any more. */
  isSaid: boolean
  /** All callers share one promise: while Redis does not answer, there may be many. */
  readonly done: Promise<void>
  readonly resolve: (purged: Promise<void>) => void
}

/**
 * How long the last change of an erased user is kept in memory, in ms: so long, those who follow the changes may be
 * behind and still learn from it that the user is gone. All others are told the full state.
 */
export const KEEP_CHANGE_MS = 10_000

/**
 * The users who are being erased. Their sessions have been ended. As soon as no node has one of them, and others see
 * them offline, everything that is known of them is forgotten, and the files are written without them.
 */
export class Erasures {
  readonly #ports: ErasurePorts
  readonly #erasures = new Map<UserId, Erasure>()
  /** Whether the files were written without the user who was erased last, and so without all before. */
  #purged = Promise.resolve()
  /** Up to which numbers changes are dropped, and when, in awake time; `undefined` until the next tick. */
  readonly #drops: { readonly seq: number; at: number | undefined }[] = []

  constructor(ports: ErasurePorts) {
    this.#ports = ports
  }

  /**
   * Begins to erase a user, unless that is under way. In a cluster not before this node has read that in the log: until
   * then the log may say that nothing is kept of a user who is on another node.
   */
  begin(userId: UserId): void {
    this.#of(userId)
  }

  /**
   * Resolves when a user whose erasure has begun is erased, also from the disk. Rejects if the disk fails: the store
   * tries again by itself.
   */
  whenDone(userId: UserId): Promise<void> {
    return this.#erasures.get(userId)?.done ?? this.#purged
  }

  /** Ends what can be ended. Call it whenever others may see a user differently. */
  advance(): void {
    const { presence, log, publish } = this.#ports
    for (const [userId, erasure] of this.#erasures) {
      if (!presence.isErasable(userId)) continue
      if (!erasure.isSaid || presence.record(userId)) {
        erasure.isSaid = true
        publish(presence.erase(userId))
      }
      if (!log.keeps(userId)) this.#end(userId, erasure)
    }
  }

  /** Drops changes whose time is over. */
  tick(awake: number): void {
    this.advance()
    for (const drop of [...this.#drops]) {
      drop.at ??= awake + KEEP_CHANGE_MS
      if (awake < drop.at) continue
      this.#drops.shift()
      this.#ports.feed.drop(drop.seq)
    }
  }

  #of(userId: UserId): Erasure {
    const known = this.#erasures.get(userId)
    if (known) return known
    let resolve = (_purged: Promise<void>): void => {}
    const done = new Promise<void>(end => (resolve = end))
    done.catch(() => {}) // the store has logged it, and tries again
    const erasure = { isSaid: false, done, resolve }
    this.#erasures.set(userId, erasure)
    return erasure
  }

  #end(userId: UserId, { resolve }: Erasure): void {
    const { feed, store } = this.#ports
    this.#erasures.delete(userId)
    const seq = feed.erase(userId)
    if (seq > 0) this.#drops.push({ seq, at: undefined })
    this.#purged = store.purge()
    this.#purged.catch(() => {}) // the store has logged it, and tries again
    resolve(this.#purged)
  }
}
