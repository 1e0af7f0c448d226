import type { UserId } from '@who-is-online/protocol/words'

/**
 * A place in the order of {@link Buckets}: after a user of a bucket, or at its beginning if `after` is empty.
 */
export interface BucketPlace {
  readonly bucket: number
  readonly after: UserId | ''
}

/** A bucket of a million users has about 250. */
export const BUCKET_COUNT = 4_096

/** Buckets are counted in groups of this size, so that empty ones are passed quickly. */
const GROUP_SIZE = 64

/**
 * User ids in an order that depends on the ids alone: by a hash, and by code units among those with the same
 * hash. So a place in it stays valid when users come and go, after a restart, and on another node. The order
 * says nothing about when a user came.
 */
export class Buckets {
  /** The users of each bucket that has any. */
  readonly #buckets = new Map<number, UserId[]>()
  /**
   * The buckets that are sorted: those that were read. They stay sorted, so a bucket that somebody filled with
   * chosen ids is sorted only once. Sorting all of them at once would slow the start.
   */
  readonly #sorted = new Set<number>()
  /** How many users each group of buckets has. */
  readonly #groups = new Uint32Array(BUCKET_COUNT / GROUP_SIZE)

  /** Adds a user. One who is in it already must not be added again. */
  add(userId: UserId): void {
    const bucket = bucketOf(userId)
    const users = this.#buckets.get(bucket)
    if (!users) this.#buckets.set(bucket, [userId])
    else if (this.#sorted.has(bucket)) users.splice(firstAfter(users, userId), 0, userId)
    else users.push(userId)
    this.#count(bucket, 1)
  }

  delete(userId: UserId): void {
    const bucket = bucketOf(userId)
    const users = this.#buckets.get(bucket) ?? []
    const index = this.#sorted.has(bucket) ? firstAfter(users, userId) - 1 : users.indexOf(userId)
    if (users[index] !== userId) return
    users.splice(index, 1)
    if (users.length === 0) {
      this.#buckets.delete(bucket)
      this.#sorted.delete(bucket)
    }
    this.#count(bucket, -1)
  }

  /** The users of one bucket after a place in it, in order. */
  after({ bucket, after }: BucketPlace): UserId[] {
    const users = this.#buckets.get(bucket)
    if (!users) return []
    if (!this.#sorted.has(bucket)) {
      users.sort(byCodeUnits)
      this.#sorted.add(bucket)
    }
    return users.slice(firstAfter(users, after))
  }

  /** The first bucket from this one on that has a user; undefined if none has. */
  nextFilled(from: number): number | undefined {
    let bucket = from
    while (bucket < BUCKET_COUNT) {
      if (bucket % GROUP_SIZE === 0 && this.#groups[bucket / GROUP_SIZE] === 0) bucket += GROUP_SIZE
      else if (!this.#buckets.has(bucket)) bucket++
      else return bucket
    }
    return undefined
  }

  #count(bucket: number, users: number): void {
    const group = Math.floor(bucket / GROUP_SIZE)
    this.#groups[group] = (this.#groups[group] ?? 0) + users
  }
}

function byCodeUnits(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/** The index of the first of these sorted users after `userId`. */
function firstAfter(users: readonly UserId[], userId: UserId | ''): number {
  let first = 0
  let end = users.length
  while (first < end) {
    const middle = (first + end) >> 1
    const other = users[middle] as UserId
    if (other > userId) end = middle
    else first = middle + 1
  }
  return first
}

/** The hash FNV-1a of 32 bits over the code units of the id, folded to the number of buckets. */
function bucketOf(userId: UserId): number {
  let hash = 0x81_1c_9d_c5
  for (let index = 0; index < userId.length; index++) {
    hash = Math.imul(hash ^ userId.charCodeAt(index), 0x01_00_01_93)
  }
  return ((hash >>> 12) ^ hash) & (BUCKET_COUNT - 1)
}
