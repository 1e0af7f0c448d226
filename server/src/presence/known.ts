import type { UserId } from '@who-is-online/protocol/words'

/** All that is kept of most users: who is gone is a name and a time. */
export interface Gone {
  readonly userId: UserId
  /** Ms since the epoch. */
  readonly lastSeen: number
  readonly username: string | undefined
}

/**
 * Everybody who is known. Of whom there is more to say there is an object, a `Whole`; all others, the most of a
 * million, are rows in columns: some 110 bytes each, the id included, where an object costs twice that.
 *
 * Whoever is known has a place, which stays the same as long as they are, as a row or as an object; the places of
 * those who were forgotten are given to others. So whoever goes through all places meets everybody who is there
 * throughout exactly once.
 */
export class Known<Whole extends { readonly userId: UserId }> {
  readonly #places = new Map<UserId, number>()
  /** The columns, by place. Of whom there is an object its row says nothing but that; a place without anybody is free. */
  #who: (UserId | Whole | undefined)[] = []
  /** Nothing but numbers, which V8 keeps without a box each. */
  #lastSeen: number[] = []
  #usernames: (string | undefined)[] = []
  #free: number[] = []
  /** Of the Map, whose iterators survive any change and pass no place that is free. */
  #round: Iterator<number> | undefined

  get size(): number {
    return this.#places.size
  }

  /** One more than the last place there is. */
  get end(): number {
    return this.#who.length
  }

  get(userId: UserId): Whole | Gone | undefined {
    const place = this.#places.get(userId)
    return place === undefined ? undefined : this.at(place)
  }

  /** Who is more than a row. */
  whole(userId: UserId): Whole | undefined {
    const place = this.#places.get(userId)
    const who = place === undefined ? undefined : this.#who[place]
    return typeof who === 'object' ? who : undefined
  }

  /** Who has a place; undefined where it is free. */
  at(place: number): Whole | Gone | undefined {
    const who = this.#who[place]
    if (typeof who !== 'string') return who
    return { userId: who, lastSeen: this.#lastSeen[place] ?? 0, username: this.#usernames[place] }
  }

  /** Keeps an object, in place of what was kept of that user. */
  put(whole: Whole): void {
    this.#keep(whole.userId, whole, 0, undefined)
  }

  /** Keeps a row, in place of what was kept of that user. */
  rest(userId: UserId, lastSeen: number, username: string | undefined): void {
    this.#keep(userId, userId, lastSeen, username)
  }

  forget(userId: UserId): void {
    const place = this.#places.get(userId)
    if (place === undefined) return
    this.#places.delete(userId)
    if (this.#places.size === 0) {
      this.#who = []
      this.#lastSeen = []
      this.#usernames = []
      this.#free = []
      return
    }
    this.#who[place] = undefined
    this.#usernames[place] = undefined
    this.#free.push(place)
  }

  /** Walks round and round through everybody: the next one. Whoever is there throughout a round is met. */
  next(): Whole | Gone | undefined {
    let step = this.#round?.next()
    if (!step || step.done) {
      this.#round = this.#places.values()
      step = this.#round.next()
    }
    return step.done ? undefined : this.at(step.value)
  }

  /** Everybody, as they are when they are reached. Users may come and go meanwhile. */
  *[Symbol.iterator](): Generator<Whole | Gone> {
    for (let place = 0; place < this.#who.length; place++) {
      const who = this.at(place)
      if (who) yield who
    }
  }

  #keep(userId: UserId, who: UserId | Whole, lastSeen: number, username: string | undefined): void {
    const place = this.#places.get(userId) ?? this.#take(userId)
    this.#who[place] = who
    this.#lastSeen[place] = lastSeen
    this.#usernames[place] = username
  }

  /** A place for a user who becomes known. */
  #take(userId: UserId): number {
    const place = this.#free.pop() ?? this.#who.length
    this.#places.set(userId, place)
    return place
  }
}

/**
 * The same text in memory of its own. Text that was cut out of a longer one, as an id is out of a URL, holds on to
 * all of that: too much to be kept for a month.
 */
export function ownCopy(text: string): string {
  return JSON.parse(JSON.stringify(text)) as string
}
