import type { Status, User } from '@who-is-online/client'

/** When the current status of a user began. */
export interface Since {
  /** Ms since the epoch. */
  readonly at: number
  /** The status began at `at` or earlier, while this page did not watch. */
  readonly isUncertain: boolean
}

/** One row of the list. Immutable: a change makes another object, so `===` tells whether to draw it again. */
export interface Row {
  readonly userId: string
  readonly username: string | undefined
  readonly status: Status
  readonly text: string | undefined
  /** When the status returns to `online`, in ms since the epoch; `undefined` without an expiry. */
  readonly expiresAt: number | undefined
  /** Ms since the epoch; `null` for a user never seen. */
  readonly lastSeen: number | null
  readonly since: Since
  /** Whether this is the user of this tab. */
  readonly isMe: boolean
  /** Name and id in lower case: what the row is searched in. */
  readonly key: string
  /** What the row is sorted by: `key`, with numbers by value and letters without accents. */
  readonly sortKey: string
}

/** Makes the row of a user. */
export function rowOf(user: User, since: Since, isMe: boolean): Row {
  const { userId, username, status, text } = user
  const lastSeen = timeOf(user.lastSeen)
  const expiresAt = timeOf(user.expiresAt ?? null) ?? undefined
  const key = `${username ?? userId}\n${userId}`.toLowerCase()
  return { userId, username, status, text, expiresAt, lastSeen, since, isMe, key, sortKey: sortKeyOf(key) }
}

/** Digits of a number in a sort key, so that 325 comes before 3133. Longer numbers are sorted as text. */
const SORTED_DIGITS = 16

/** Made once for each row: an `Intl.Collator` makes sorting thousands of rows several times slower. */
function sortKeyOf(key: string): string {
  const letters = key.normalize('NFD').replace(/\p{M}/gu, '')
  return letters.replace(/\d+/g, digits => digits.padStart(SORTED_DIGITS, '0'))
}

/**
 * Returns whether a row still shows the user's state. `lastSeen` of a user who is online is the time of the
 * message, and no reason to draw the row again.
 */
export function isSameRow(row: Row, user: User): boolean {
  return (
    row.status === user.status &&
    row.text === user.text &&
    row.username === user.username &&
    row.expiresAt === (timeOf(user.expiresAt ?? null) ?? undefined) &&
    (isOnline(row) || row.lastSeen === timeOf(user.lastSeen)) &&
    isSameStart(row, user)
  )
}

/** A start that the server has told may differ from that of a state by so many ms. */
const SAME_START_MS = 1_000

function isSameStart({ since }: Row, user: User): boolean {
  const start = timeOf(user.since ?? null)
  return start === null || (!since.isUncertain && Math.abs(since.at - start) <= SAME_START_MS)
}

/** When the status of a user began, if the server knows it. */
export function toldStart({ since }: User): Since | undefined {
  const at = timeOf(since ?? null)
  return at === null ? undefined : { at, isUncertain: false }
}

/** Returns whether a user is online, away or busy. */
export function isOnline({ status }: { readonly status: Status }): boolean {
  return status !== 'offline'
}

/**
 * When the status of a row began, in ms since the epoch, as far as the page knows; `undefined` if it knows nothing.
 * A user who was offline before the page watched left when last seen.
 */
export function startOf(row: Row): Since | undefined {
  if (!row.since.isUncertain || isOnline(row)) return row.since
  return row.lastSeen === null ? undefined : { at: row.lastSeen, isUncertain: false }
}

function timeOf(time: string | null): number | null {
  return time === null ? null : Date.parse(time)
}
