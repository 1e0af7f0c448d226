import type { UserId } from '@who-is-online/protocol/words'
import { type Pace, readyAt, type Spent, spend, UNPACED } from '../presence/pace.ts'

export interface LimitOptions {
  readonly connections: number
  readonly connectionsPerUser: number
  readonly connectionsPerAddress: number
  readonly handshakes: Pace
  readonly handshakesPerAddress: Pace
  readonly messages: Pace
  /** How often one connection may ask for everybody: that answer is a thousand times the question. */
  readonly allUsers: Pace
}

/** No limits at all, for benchmarks. */
export const UNLIMITED: LimitOptions = {
  connections: Number.POSITIVE_INFINITY,
  connectionsPerUser: Number.POSITIVE_INFINITY,
  connectionsPerAddress: Number.POSITIVE_INFINITY,
  handshakes: UNPACED,
  handshakesPerAddress: UNPACED,
  messages: UNPACED,
  allUsers: UNPACED,
}

/** Why a connection is not let in. `setting` is what an operator would raise. */
export interface TooMany {
  readonly status: 429 | 503
  readonly setting: string
  readonly retryAfterMs: number
}

/** When somebody who met a limit on standing connections may look again. */
const LOOK_AGAIN_MS = 5_000

/** Counts connections, and handshakes as they come, in all, by user and by address. */
export class ConnectionLimits {
  readonly #options: LimitOptions
  readonly #byUser = new Map<UserId, number>()
  readonly #byAddress = new Map<string, number>()
  readonly #handshakesByAddress = new Map<string, Spent>()
  #handshakes: Spent = 0
  #connections = 0

  constructor(options: LimitOptions) {
    this.#options = options
  }

  /** A handshake begins at `now` (`Clock.steady`), before anything is known of it but where it comes from. */
  handshake(address: string | undefined, now: number): TooMany | undefined {
    const all = readyAt(this.#options.handshakes, this.#handshakes)
    if (all > now) return { status: 503, setting: 'HANDSHAKES_PER_SECOND', retryAfterMs: all - now }
    if (address !== undefined) {
      const spent = this.#handshakesByAddress.get(address) ?? 0
      const ready = readyAt(this.#options.handshakesPerAddress, spent)
      if (ready > now) {
        return { status: 429, setting: 'HANDSHAKES_PER_SECOND_PER_ADDRESS', retryAfterMs: ready - now }
      }
      this.#forgetEarnedBack(now)
      this.#handshakesByAddress.delete(address)
      this.#handshakesByAddress.set(address, spend(this.#options.handshakesPerAddress, spent, now))
    }
    this.#handshakes = spend(this.#options.handshakes, this.#handshakes, now)
    return undefined
  }

  /** Whether one more connection fits; of nobody in particular there may be any number. */
  admits(userId: UserId | undefined, address: string | undefined): TooMany | undefined {
    const { connections, connectionsPerUser, connectionsPerAddress } = this.#options
    if (this.#connections >= connections) return full(503, 'MAX_CONNECTIONS')
    if (userId !== undefined && (this.#byUser.get(userId) ?? 0) >= connectionsPerUser) {
      return full(429, 'MAX_CONNECTIONS_PER_USER')
    }
    if (address !== undefined && (this.#byAddress.get(address) ?? 0) >= connectionsPerAddress) {
      return full(429, 'MAX_CONNECTIONS_PER_ADDRESS')
    }
    return undefined
  }

  opened(userId: UserId, address: string | undefined): void {
    this.#connections++
    count(this.#byUser, userId, 1)
    if (address !== undefined) count(this.#byAddress, address, 1)
  }

  closed(userId: UserId, address: string | undefined): void {
    this.#connections--
    count(this.#byUser, userId, -1)
    if (address !== undefined) count(this.#byAddress, address, -1)
  }

  #forgetEarnedBack(now: number): void {
    for (const [address, spent] of this.#handshakesByAddress) {
      if (spent > now) return
      this.#handshakesByAddress.delete(address)
    }
  }
}

function full(status: 429 | 503, setting: string): TooMany {
  return { status, setting, retryAfterMs: LOOK_AGAIN_MS }
}

function count<Key>(counts: Map<Key, number>, key: Key, by: 1 | -1): void {
  const sum = (counts.get(key) ?? 0) + by
  if (sum === 0) counts.delete(key)
  else counts.set(key, sum)
}

/** How long somebody may go on talking too fast before the connection is ended. */
const TOO_FAST_FOR_MS = 10_000

/** After this long without a refusal somebody is no longer talking too fast. */
export const TOO_FAST_PAUSE_MS = 1_000

export type Verdict =
  | { readonly verdict: 'taken' }
  | { readonly verdict: 'too fast'; readonly retryAfterMs: number }
  | { readonly verdict: 'enough' }

const TAKEN: Verdict = { verdict: 'taken' }

/** How fast one connection talks. */
export class MessageLimit {
  readonly #pace: Pace
  #spent: Spent = 0
  #refusedAt = Number.NEGATIVE_INFINITY
  #tooFastSince = 0

  constructor(pace: Pace) {
    this.#pace = pace
  }

  /** Whether one more message is taken at `now` (`Clock.steady`), or one that counts as several; what is refused is not counted. */
  take(now: number, weight = 1): Verdict {
    const ready = readyAt(this.#pace, this.#spent)
    if (ready <= now) {
      for (let count = 0; count < weight; count++) this.#spent = spend(this.#pace, this.#spent, now)
      return TAKEN
    }
    if (now - this.#refusedAt > TOO_FAST_PAUSE_MS) this.#tooFastSince = now
    this.#refusedAt = now
    if (now - this.#tooFastSince >= TOO_FAST_FOR_MS) return { verdict: 'enough' }
    return { verdict: 'too fast', retryAfterMs: ready - now }
  }
}
