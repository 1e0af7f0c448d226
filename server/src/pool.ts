import type { UserId } from '@who-is-online/protocol/words'
import { Counts } from './counts.ts'
import type { Limit, PoolName } from './refusals.ts'

/** Who takes a part of a pool. A user and an address are counted separately; `undefined` is not counted. */
export interface Holder {
  readonly userId?: UserId | undefined
  readonly address: string | undefined
}

/** Why a part of a pool can't be taken. */
export interface PoolRefusal {
  /** The name of the pool if it is full, or the name of the share in it. */
  readonly limit: Limit
  /** Who has reached the limit. */
  readonly of: 'all clients' | 'this user' | 'this address'
  /** How much this holder can take now. */
  readonly left: number
}

/** Which part of a pool is taken when the shares of users and addresses begin to count. */
const SHARES_FROM = 3 / 4

/**
 * A resource of a fixed size that all clients share, such as subscriptions.
 *
 * As long as at least a quarter stays free, everybody may take. Of the last quarter, a user and an address may take
 * only while they hold less than is left. A large request is judged like many small ones.
 *
 * So one holder gets at most three quarters. Four or more that take in turn get equal parts, and the same part is left:
 * `k` of them leave `1 / (k + 1)`. They leave least if each takes all it can before the next one begins: the first
 * leaves a quarter, and each further one half of what it found. While anything is left, a new holder gets some of it.
 *
 * A fixed number would be too small for a large client while nobody else needs the resource, or so large that a few
 * clients together can take everything.
 */
export class Pool {
  readonly #name: PoolName
  readonly #size: number
  /** How much is taken when shares begin to count. */
  readonly #sharesFrom: number
  readonly #byUser = new Counts<UserId>()
  readonly #byAddress = new Counts<string>()
  #taken = 0

  /** @param size how much there is, rounded down to a whole number; `Infinity` for no limit */
  constructor(name: PoolName, size: number) {
    this.#name = name
    this.#size = Math.floor(size)
    this.#sharesFrom = Math.floor(this.#size * SHARES_FROM)
  }

  /** How much is taken. */
  get taken(): number {
    return this.#taken
  }

  /** The number of users and addresses that hold something. */
  get holders(): number {
    return this.#byUser.size + this.#byAddress.size
  }

  /** Why this much can't be taken; `undefined` if it can. An amount of 0 is never refused. */
  refusalOf(amount: number, { userId, address }: Holder): PoolRefusal | undefined {
    if (amount === 0) return undefined
    const ofAll = this.#size - this.#taken
    const ofUser = this.#shareOf(this.#byUser, userId)
    const ofAddress = this.#shareOf(this.#byAddress, address)
    const left = Math.min(ofAll, ofUser, ofAddress)
    if (amount <= left) return undefined
    if (left === ofAll) return { limit: this.#name, of: 'all clients', left }
    return { limit: `${this.#name}_SHARE`, of: left === ofUser ? 'this user' : 'this address', left }
  }

  /** Takes a part, which `refusalOf` did not refuse. */
  take(amount: number, holder: Holder): void {
    this.#count(amount, holder)
  }

  /** Gives back what the same holder has taken. */
  giveBack(amount: number, holder: Holder): void {
    this.#count(-amount, holder)
  }

  /** How much more one user or one address may take. */
  #shareOf(counts: Counts<string>, key: string | undefined): number {
    const left = this.#size - this.#taken
    if (key === undefined) return left
    // Taking one at a time, while holding less than is left, ends after half of the difference, rounded up.
    const oneByOne = Math.ceil((left - counts.of(key)) / 2)
    return Math.max(0, this.#sharesFrom - this.#taken, oneByOne)
  }

  #count(by: number, { userId, address }: Holder): void {
    this.#taken += by
    this.#byUser.add(userId, by)
    this.#byAddress.add(address, by)
  }
}
