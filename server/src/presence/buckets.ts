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

/** Of the buckets with fewer users, only the `SMALL_KEPT` that were read last stay sorted: sorting takes 0.2 ms. */
const LARGE = 1_000
const SMALL_KEPT = 64

/** The end of a chain. */
const NONE = -1

/**
 * Users in an order that depends on their ids alone: by a hash, and by code units among those with the same
 * hash. So a place in it stays valid when users come and go, after a restart, and on another node. The order
 * says nothing about when a user came.
 *
 * The users of a bucket are a chain of positions, which takes 4 to 8 bytes per user. A list of ids for each
 * bucket would take 12, and sorting all of them would slow the start. So a bucket is sorted when it is read.
 */
export class Buckets {
  readonly #idAt: (position: number) => UserId
  /** The position of the newest user of each bucket. */
  readonly #newest = new Int32Array(BUCKET_COUNT).fill(NONE)
  /** The position of the user who came to the same bucket before, by position. */
  #before = new Int32Array(1_024)
  /**
   * The sorted ids of buckets that were read, and are kept in order from then on. Large ones stay, so a bucket that
   * somebody filled with chosen ids is sorted only once.
   */
  readonly #sorted = new Map<number, UserId[]>()
  /** The small buckets among them, in the order in which they were read. */
  readonly #small = new Set<number>()
  /** How many users each group of buckets has. */
  readonly #groups = new Uint32Array(BUCKET_COUNT / GROUP_SIZE)

  /** @param idAt returns the id of the user at a position */
  constructor(idAt: (position: number) => UserId) {
    this.#idAt = idAt
  }

  /** Adds a user, who has this position until the user is deleted. One who is in it must not be added again. */
  add(userId: UserId, position: number): void {
    const bucket = bucketOf(userId)
    if (position >= this.#before.length) this.#grow(position)
    this.#before[position] = this.#newest[bucket] as number
    this.#newest[bucket] = position
    const sorted = this.#sorted.get(bucket)
    sorted?.splice(firstAfter(sorted, userId), 0, userId)
    this.#count(bucket, 1)
  }

  /** Deletes the user who was added with this id and position. */
  delete(userId: UserId, position: number): void {
    const bucket = bucketOf(userId)
    const before = this.#before[position] as number
    if (this.#newest[bucket] === position) this.#newest[bucket] = before
    else {
      let next = this.#newest[bucket] as number
      while (this.#before[next] !== position) next = this.#before[next] as number
      this.#before[next] = before
    }
    const sorted = this.#sorted.get(bucket)
    sorted?.splice(firstAfter(sorted, userId) - 1, 1)
    this.#count(bucket, -1)
  }

  /**
   * The users of one bucket after a place in it, in order.
   *
   * @param isWanted gets the position of a user. Users for whom it returns `false` may be missing, so that only few
   * have to be sorted.
   */
  after({ bucket, after }: BucketPlace, isWanted?: (position: number) => boolean): UserId[] {
    const users =
      this.#sorted.get(bucket) ?? (isWanted && this.#sortWanted(bucket, isWanted)) ?? this.#sort(bucket)
    return users.slice(firstAfter(users, after))
  }

  /** The first bucket from this one on that has a user; undefined if none has. */
  nextFilled(from: number): number | undefined {
    let bucket = from
    while (bucket < BUCKET_COUNT) {
      if (bucket % GROUP_SIZE === 0 && this.#groups[bucket / GROUP_SIZE] === 0) bucket += GROUP_SIZE
      else if (this.#newest[bucket] === NONE) bucket++
      else return bucket
    }
    return undefined
  }

  #sort(bucket: number): UserId[] {
    const users: UserId[] = []
    for (let at = this.#newest[bucket] as number; at !== NONE; at = this.#before[at] as number) {
      users.push(this.#idAt(at))
    }
    users.sort(byCodeUnits)
    this.#sorted.set(bucket, users)
    if (users.length < LARGE) this.#keepSmall(bucket)
    return users
  }

  /** The wanted users of a bucket, in order; `undefined` if it is large: then it is sorted once, and stays so. */
  #sortWanted(bucket: number, isWanted: (position: number) => boolean): UserId[] | undefined {
    const users: UserId[] = []
    let passed = 0
    for (let at = this.#newest[bucket] as number; at !== NONE; at = this.#before[at] as number) {
      if (++passed === LARGE) return undefined
      if (isWanted(at)) users.push(this.#idAt(at))
    }
    return users.sort(byCodeUnits)
  }

  #keepSmall(bucket: number): void {
    this.#small.add(bucket)
    if (this.#small.size <= SMALL_KEPT) return
    const [oldest] = this.#small as Iterable<number> as [number]
    this.#small.delete(oldest)
    this.#sorted.delete(oldest)
  }

  #grow(position: number): void {
    const grown = new Int32Array(Math.ceil((position + 1) * 1.25))
    grown.set(this.#before)
    this.#before = grown
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
export function bucketOf(userId: UserId): number {
  let hash = 0x81_1c_9d_c5
  for (let index = 0; index < userId.length; index++) {
    hash = Math.imul(hash ^ userId.charCodeAt(index), 0x01_00_01_93)
  }
  return ((hash >>> 12) ^ hash) & (BUCKET_COUNT - 1)
}
