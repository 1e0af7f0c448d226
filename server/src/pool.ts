import type { UserId } from '@who-is-online/protocol/words'
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
  /** How much could be taken now. */
  readonly left: number
}

/**
 * A resource of a fixed size that all clients share, such as subscriptions.
 *
 * One user, and one address, may hold as much as is left when they take more. So a single one gets half, of two each
 * gets a third, and of ten each gets an eleventh. A fixed number would be too small for a large client while nobody
 * else needs the resource, or so large that a few clients together can take everything.
 */
export class Pool {
  readonly #name: PoolName
  readonly #size: number
  readonly #byUser = new Map<UserId, number>()
  readonly #byAddress = new Map<string, number>()
  #taken = 0

  /** @param size how much there is; `Infinity` for no limit */
  constructor(name: PoolName, size: number) {
    this.#name = name
    this.#size = size
  }

  /** How much is taken. */
  get taken(): number {
    return this.#taken
  }

  /** The number of users and addresses that hold something. */
  get holders(): number {
    return this.#byUser.size + this.#byAddress.size
  }

  /** Why this much can't be taken; `undefined` if it can. Nothing can always be taken. */
  refusalOf(amount: number, { userId, address }: Holder): PoolRefusal | undefined {
    if (amount === 0) return undefined
    const left = this.#size - this.#taken
    if (amount > left) return { limit: this.#name, of: 'all clients', left }
    const limit = `${this.#name}_SHARE` as const
    const ofUser = left - heldBy(this.#byUser, userId)
    if (amount > ofUser) return { limit, of: 'this user', left: Math.max(0, ofUser) }
    const ofAddress = left - heldBy(this.#byAddress, address)
    if (amount > ofAddress) return { limit, of: 'this address', left: Math.max(0, ofAddress) }
    return undefined
  }

  /** Takes a part, which `refusalOf` did not refuse. */
  take(amount: number, holder: Holder): void {
    this.#count(amount, holder)
  }

  /** Gives back what the same holder has taken. */
  giveBack(amount: number, holder: Holder): void {
    this.#count(-amount, holder)
  }

  #count(by: number, { userId, address }: Holder): void {
    this.#taken += by
    count(this.#byUser, userId, by)
    count(this.#byAddress, address, by)
  }
}

function heldBy(counts: ReadonlyMap<string, number>, key: string | undefined): number {
  return key === undefined ? 0 : (counts.get(key) ?? 0)
}

function count(counts: Map<string, number>, key: string | undefined, by: number): void {
  if (key === undefined) return
  const sum = heldBy(counts, key) + by
  if (sum === 0) counts.delete(key)
  else counts.set(key, sum)
}
