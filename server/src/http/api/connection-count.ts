import type { UserId } from '@who-is-online/protocol/words'
import type { Slices } from '../../fanout/slices.ts'
import type { Presence } from '../../presence/presence.ts'
import type { Clock } from '../../time/clock.ts'
import { inSlices } from './in-slices.ts'

export interface ConnectionSources {
  readonly presence: Pick<Presence, 'connected' | 'onlineCount'>
  readonly connectionsElsewhere: (userId: UserId) => number
  readonly clock: Pick<Clock, 'steady'>
}

/** How many users are counted in one piece: less than a millisecond of work. */
const USERS_PER_PIECE = 2_000

/** How long a number is used, in ms: counting looks at all online users. */
const KEEP_MS = 1_000

/**
 * Counts the connections of all users whom others see as present, on all nodes. Those of hidden users do not count: the
 * number must not tell that they are there.
 */
export class ConnectionCount {
  readonly #sources: ConnectionSources
  readonly #slices: Slices
  #countedAt = Number.NEGATIVE_INFINITY
  #count: Promise<number> = Promise.resolve(0)

  constructor(sources: ConnectionSources, slices: Slices) {
    this.#sources = sources
    this.#slices = slices
  }

  /** The number, at most a second old. */
  get(): Promise<number> {
    const now = this.#sources.clock.steady()
    if (now - this.#countedAt >= KEEP_MS) {
      this.#countedAt = now
      this.#count = this.#sum()
    }
    return this.#count
  }

  async #sum(): Promise<number> {
    const { presence, connectionsElsewhere } = this.#sources
    const users = presence.connected()
    let sum = 0
    await inSlices(this.#slices, presence.onlineCount, USERS_PER_PIECE, (from, to) => {
      for (let index = from; index < to; index++) {
        const next = users.next()
        if (next.done) return
        const { userId, connections } = next.value
        sum += connections + connectionsElsewhere(userId)
      }
    })
    return sum
  }
}
