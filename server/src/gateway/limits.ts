import type { UserId } from '@who-is-online/protocol/words'
import { Counts } from '../counts.ts'
import { type Pace, readyAt, type Spent, spend, UNPACED } from '../presence/pace.ts'
import type { Limit } from '../refusals.ts'
import { AddressRate } from './address-rate.ts'

/** The limits on connections, handshakes and messages. */
export interface LimitOptions {
  readonly connections: number
  readonly connectionsPerUser: number
  readonly connectionsPerAddress: number
  readonly handshakes: Pace
  readonly handshakesPerAddress: Pace
  readonly httpRequestsPerAddress: Pace
  /** How fast one key may call the HTTP API. */
  readonly apiRequestsPerKey: Pace
  readonly messages: Pace
  /** How often one connection may request all users. The answer can be a thousand times larger than the request. */
  readonly allUsers: Pace
}

/** No limits, for benchmarks and tests. */
export const UNLIMITED: LimitOptions = {
  connections: Number.POSITIVE_INFINITY,
  connectionsPerUser: Number.POSITIVE_INFINITY,
  connectionsPerAddress: Number.POSITIVE_INFINITY,
  handshakes: UNPACED,
  handshakesPerAddress: UNPACED,
  httpRequestsPerAddress: UNPACED,
  apiRequestsPerKey: UNPACED,
  messages: UNPACED,
  allUsers: UNPACED,
}

/** Why a connection is refused. */
export interface TooMany {
  readonly status: 429 | 503
  /** The setting that an operator can raise, or `<setting>_SHARE` if half of that setting was the limit. */
  readonly limit: Limit
  readonly retryAfterMs: number
}

/** When a client should try again after it reached a limit on open connections, in ms. */
const TRY_AGAIN_MS = 5_000

/** Limits open connections and the rate of handshakes: in total, per address, and connections also per user. */
export class ConnectionLimits {
  readonly #options: LimitOptions
  readonly #connectionsElsewhere: (userId: UserId, except?: string) => number
  readonly #perUser: Most
  readonly #perAddress: Most
  readonly #byUser = new Counts<UserId>()
  readonly #byAddress = new Counts<string>()
  readonly #handshakesByAddress: AddressRate
  /** The limit that the rate of one address comes from. */
  readonly #addressRateName: Limit
  #handshakes: Spent = 0
  #connections = 0

  /** @param connectionsElsewhere how many connections a user has on the other nodes */
  constructor(
    options: LimitOptions,
    connectionsElsewhere: (userId: UserId, except?: string) => number = () => 0,
  ) {
    this.#options = options
    this.#connectionsElsewhere = connectionsElsewhere
    const { connections, connectionsPerUser, connectionsPerAddress, handshakes, handshakesPerAddress } =
      options
    const half = halfOf(connections)
    this.#perUser = atMost(half, connectionsPerUser, 'MAX_CONNECTIONS_PER_USER')
    this.#perAddress = atMost(half, connectionsPerAddress, 'MAX_CONNECTIONS_PER_ADDRESS')
    const rate = handshakeRateOfAddress(handshakesPerAddress, handshakes)
    this.#handshakesByAddress = new AddressRate(rate)
    const isShare = rate.burst < handshakesPerAddress.burst || rate.everyMs > handshakesPerAddress.everyMs
    this.#addressRateName = isShare ? 'HANDSHAKES_PER_SECOND_SHARE' : 'HANDSHAKES_PER_SECOND_PER_ADDRESS'
  }

  /**
   * Counts a handshake at `now` (`Clock.steady`), unless a limit refuses it. Only the total is limited if `address`
   * is `undefined`.
   */
  handshake(address: string | undefined, now: number): TooMany | undefined {
    const all = readyAt(this.#options.handshakes, this.#handshakes)
    if (all > now) return { status: 503, limit: 'HANDSHAKES_PER_SECOND', retryAfterMs: all - now }
    if (address !== undefined) {
      const retryAfterMs = this.#handshakesByAddress.waitMs(address, now)
      if (retryAfterMs > 0) return { status: 429, limit: this.#addressRateName, retryAfterMs }
      this.#handshakesByAddress.count(address, now)
    }
    this.#handshakes = spend(this.#options.handshakes, this.#handshakes, now)
    return undefined
  }

  /** How many handshakes of all addresses are accepted within this time, in ms; `Infinity` without a limit. */
  handshakesWithin(ms: number): number {
    const { burst, everyMs } = this.#options.handshakes
    return burst + ms / everyMs
  }

  /**
   * Checks whether one more connection is allowed, without counting it. There is no limit per user if `userId` is
   * `undefined`, and none per address if `address` is `undefined`.
   */
  admits(userId: UserId | undefined, address: string | undefined, sessionId?: string): TooMany | undefined {
    if (this.#connections >= this.#options.connections) return full(503, 'MAX_CONNECTIONS')
    const limit = userId === undefined ? undefined : this.#limitOf(userId, sessionId)
    if (limit !== undefined) return full(429, limit)
    if (address !== undefined && this.#byAddress.of(address) >= this.#perAddress.most) {
      return full(429, this.#perAddress.limit)
    }
    return undefined
  }

  /** The limit that one more connection of a user would exceed. Half of the connections is a limit of this node. */
  #limitOf(userId: UserId, sessionId: string | undefined): Limit | undefined {
    const here = this.#byUser.of(userId)
    if (here >= this.#perUser.most) return this.#perUser.limit
    const isFull = here + this.#connectionsElsewhere(userId, sessionId) >= this.#options.connectionsPerUser
    return isFull ? 'MAX_CONNECTIONS_PER_USER' : undefined
  }

  /** Counts a connection that was opened, for those that `admits` limits. */
  opened(userId: UserId | undefined, address: string | undefined): void {
    this.#connections++
    this.#byUser.add(userId, 1)
    this.#byAddress.add(address, 1)
  }

  /** Stops counting a connection that was opened with the same arguments. */
  closed(userId: UserId | undefined, address: string | undefined): void {
    this.#connections--
    this.#byUser.add(userId, -1)
    this.#byAddress.add(address, -1)
  }
}

/** How many connections one user or one address may have, and the limit that this comes from. */
export interface Most {
  readonly most: number
  readonly limit: Limit
}

/** What the setting of this name says, but at most half of all connections: the others need the rest. */
export function atMost(half: number, set: number, name: Limit): Most {
  return half < set ? { most: half, limit: 'MAX_CONNECTIONS_SHARE' } : { most: set, limit: name }
}

/** The most that one user or one address may have of what all share: half, and at least one. */
export function halfOf(count: number): number {
  return Math.max(1, Math.floor(count / 2))
}

/** The rate of one address, but at most half of the rate of all: the others need the rest. */
export function handshakeRateOfAddress(one: Pace, all: Pace): Pace {
  return { burst: Math.min(one.burst, halfOf(all.burst)), everyMs: Math.max(one.everyMs, 2 * all.everyMs) }
}

function full(status: 429 | 503, limit: Limit): TooMany {
  return { status, limit, retryAfterMs: TRY_AGAIN_MS }
}

/** How long a client may keep asking too fast before its connection ends, in ms. */
const TOO_FAST_FOR_MS = 10_000

/** After this time without a refused request, a client no longer counts as asking too fast, in ms. */
export const TOO_FAST_PAUSE_MS = 1_000

/** The decision on a request. `enough`: the client has asked too fast for too long, so the connection must end. */
export type Verdict =
  | { readonly verdict: 'taken' }
  | { readonly verdict: 'too fast'; readonly retryAfterMs: number }
  | { readonly verdict: 'enough' }

const TAKEN: Verdict = { verdict: 'taken' }

/** Limits how often one connection makes an expensive request, and refuses it beyond that. */
export class RequestLimit {
  readonly #pace: Pace
  #spent: Spent = 0
  #refusedAt = Number.NEGATIVE_INFINITY
  #tooFastSince = 0

  constructor(pace: Pace) {
    this.#pace = pace
  }

  /** Counts a request at `now` (`Clock.steady`), unless the limit refuses it. A refused request is not counted. */
  take(now: number): Verdict {
    const ready = readyAt(this.#pace, this.#spent)
    if (ready <= now) {
      this.#spent = spend(this.#pace, this.#spent, now)
      return TAKEN
    }
    if (now - this.#refusedAt > TOO_FAST_PAUSE_MS) this.#tooFastSince = now
    this.#refusedAt = now
    if (now - this.#tooFastSince >= TOO_FAST_FOR_MS) return { verdict: 'enough' }
    return { verdict: 'too fast', retryAfterMs: ready - now }
  }
}
