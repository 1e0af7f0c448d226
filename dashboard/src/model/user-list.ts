import type { Status, User } from '@who-is-online/client'
import { compareBy, DEFAULT_ORDER, type Order } from './order.ts'
import { isSameRow, type Row, rowOf, type Since, toldStart } from './row.ts'
import { type Replacement, SortedList } from './sorted-list.ts'

/** A user has changed: another status, or another text beside the same status. */
export interface Change {
  /** Ms since the epoch. */
  readonly at: number
  readonly userId: string
  readonly username: string | undefined
  readonly status: Status
  readonly previous: Status
  readonly text: string | undefined
}

/**
 * When the page receives users: `initial`, the first state, which contains no changes; `late`, after the page
 * did not watch for a while; `live`, right after each change.
 */
export type Arrival = 'initial' | 'late' | 'live'

/** Which rows the list shows. */
export interface Filter {
  /** A part of the name or the id, in any case. */
  readonly text: string
  /** Only users with this status; `undefined` for all. */
  readonly status: Status | undefined
}

/** All users, and the sorted list of those who match the filter. Knows nothing of connections and browsers. */
export class UserList {
  readonly #rows = new Map<string, Row>()
  readonly #list = new SortedList<Row>(compareBy(DEFAULT_ORDER))
  readonly #counts: Record<Status, number> = { online: 0, away: 0, busy: 0, offline: 0 }
  #filter: Filter = { text: '', status: undefined }
  #me: string | undefined

  /** The rows to show, sorted. The array is mutable: read it again after each call. */
  get list(): readonly Row[] {
    return this.#list.items
  }

  /** How many users there are. */
  get total(): number {
    return this.#rows.size
  }

  /** How many users have each status. */
  get counts(): Readonly<Record<Status, number>> {
    return { ...this.#counts }
  }

  /** How many users are not offline. */
  get online(): number {
    return this.total - this.#counts.offline
  }

  /** The row of a user, whether the list shows it or not. */
  get(userId: string): Row | undefined {
    return this.#rows.get(userId)
  }

  /** The place of a user in the list; -1 if the list does not show the user. */
  indexOf(userId: string): number {
    const row = this.#rows.get(userId)
    return row && this.#matches(row) ? this.#list.indexOf(row) : -1
  }

  /** Takes the state of users at `now`. Returns their changes since the last state; none for an `initial` one. */
  update(users: readonly User[], now: number, arrival: Arrival): Change[] {
    const changes: Change[] = []
    const replacements: Replacement<Row>[] = []
    for (const user of users) {
      const before = this.#rows.get(user.userId)
      if (before && isSameRow(before, user)) continue
      const previous = before?.status ?? 'offline'
      const isOtherStatus = previous !== user.status
      const seenStart: Since =
        before && !isOtherStatus
          ? before.since
          : { at: now, isUncertain: arrival !== 'live' || !isOtherStatus }
      const since = toldStart(user) ?? seenStart
      const after = rowOf(user, since, user.userId === this.#me)
      this.#replace(before, after, replacements)
      if (arrival !== 'initial' && (isOtherStatus || (user.text && user.text !== before?.text))) {
        const { userId, username, status, text } = user
        changes.push({ at: now, userId, username, status, previous, text })
      }
    }
    this.#list.replace(replacements)
    return changes
  }

  /** Changes which rows the list shows, and their order. */
  show(filter: Filter, order: Order): void {
    this.#filter = { ...filter, text: filter.text.trim().toLowerCase() }
    this.#list.fill(
      [...this.#rows.values()].filter(row => this.#matches(row)),
      compareBy(order),
    )
  }

  /** Marks the user of this tab; `undefined` if there is no such user. */
  setMe(userId: string | undefined): void {
    const replacements: Replacement<Row>[] = []
    for (const [id, isMe] of [
      [this.#me, false],
      [userId, true],
    ] as const) {
      const before = id === undefined ? undefined : this.#rows.get(id)
      if (before && before.isMe !== isMe) this.#replace(before, { ...before, isMe }, replacements)
    }
    this.#me = userId
    this.#list.replace(replacements)
  }

  #replace(before: Row | undefined, after: Row, replacements: Replacement<Row>[]): void {
    this.#rows.set(after.userId, after)
    if (before) this.#counts[before.status]--
    this.#counts[after.status]++
    const shownBefore = before && this.#matches(before) ? before : undefined
    const shownAfter = this.#matches(after) ? after : undefined
    if (shownBefore || shownAfter) replacements.push({ before: shownBefore, after: shownAfter })
  }

  #matches(row: Row): boolean {
    const { text, status } = this.#filter
    return (status === undefined || row.status === status) && row.key.includes(text)
  }
}
