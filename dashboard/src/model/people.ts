import type { Status, User } from '@who-is-online/client'
import { compareRows, isHere, isSameRow, type Row, rowOf, type Since } from './row.ts'
import { Sorted, type Swap } from './sorted.ts'

/** Something that happened to somebody: another status, or another text beside the same one. */
export interface Change {
  readonly at: number
  readonly userId: string
  readonly username: string | undefined
  readonly status: Status
  readonly previous: Status
  readonly text: string | undefined
}

/**
 * How a page comes to know of users: `first`, which says how they are and not what they did; `late`, of what they did while it
 * did not look; or `live`.
 */
export type Look = 'first' | 'late' | 'live'

/** Whom the list shows. */
export interface Filter {
  /** Letters of a name or an id, in any case. */
  readonly text: string
  readonly onlyHere: boolean
}

/** Everybody, and the list of those who are looked for, sorted. Knows nothing of a connection or a browser. */
export class People {
  readonly #rows = new Map<string, Row>()
  readonly #list = new Sorted<Row>(compareRows)
  #filter: Filter = { text: '', onlyHere: false }
  #me: string | undefined
  #here = 0

  /** The lines to show, sorted. The same array throughout; ask for it again after each change. */
  get list(): readonly Row[] {
    return this.#list.items
  }

  /** How many are known. */
  get known(): number {
    return this.#rows.size
  }

  /** How many of them are not offline. */
  get here(): number {
    return this.#here
  }

  /**
   * Takes users as they are at `now`. Returns what happened to them since they were told last; nothing at the first look.
   */
  take(users: readonly User[], now: number, look: Look): Change[] {
    const changes: Change[] = []
    const swaps: Swap<Row>[] = []
    for (const user of users) {
      const before = this.#rows.get(user.userId)
      if (before && isSameRow(before, user)) continue
      const previous = before?.status ?? 'offline'
      const isOtherStatus = previous !== user.status
      const since: Since =
        before && !isOtherStatus ? before.since : { at: now, isBefore: look !== 'live' || !isOtherStatus }
      const after = rowOf(user, since, user.userId === this.#me)
      this.#replace(before, after, swaps)
      if (look !== 'first' && (isOtherStatus || (user.text && user.text !== before?.text))) {
        const { userId, username, status, text } = user
        changes.push({ at: now, userId, username, status, previous, text })
      }
    }
    this.#list.swap(swaps)
    return changes
  }

  /** Shows others than before. */
  find(filter: Filter): void {
    this.#filter = { ...filter, text: filter.text.trim().toLowerCase() }
    this.#list.fill([...this.#rows.values()].filter(row => this.#isWanted(row)))
  }

  /** Marks who sits in front of this page, and puts them first. */
  setMe(userId: string | undefined): void {
    const swaps: Swap<Row>[] = []
    for (const [id, isMe] of [
      [this.#me, false],
      [userId, true],
    ] as const) {
      const before = id === undefined ? undefined : this.#rows.get(id)
      if (before && before.isMe !== isMe) this.#replace(before, { ...before, isMe }, swaps)
    }
    this.#me = userId
    this.#list.swap(swaps)
  }

  #replace(before: Row | undefined, after: Row, swaps: Swap<Row>[]): void {
    this.#rows.set(after.userId, after)
    this.#here += Number(isHere(after)) - Number(before !== undefined && isHere(before))
    const shownBefore = before && this.#isWanted(before) ? before : undefined
    const shownAfter = this.#isWanted(after) ? after : undefined
    if (shownBefore || shownAfter) swaps.push({ before: shownBefore, after: shownAfter })
  }

  #isWanted(row: Row): boolean {
    const { text, onlyHere } = this.#filter
    return (!onlyHere || row.isMe || isHere(row)) && row.key.includes(text)
  }
}
