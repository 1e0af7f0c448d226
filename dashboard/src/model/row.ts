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
  /** Ms since the epoch; `null` for a user never seen. */
  readonly lastSeen: number | null
  readonly since: Since
  /** Whether this is the user of this tab. */
  readonly isMe: boolean
  /** Name and id in lower case: what the row is sorted by and searched in. */
  readonly key: string
}

/** Makes the row of a user. */
export function rowOf(user: User, since: Since, isMe: boolean): Row {
  const { userId, username, status, text } = user
  const lastSeen = user.lastSeen === null ? null : Date.parse(user.lastSeen)
  const key = `${username ?? userId}\n${userId}`.toLowerCase()
  return { userId, username, status, text, lastSeen, since, isMe, key }
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
    (isOnline(row) || row.lastSeen === (user.lastSeen === null ? null : Date.parse(user.lastSeen)))
  )
}

/** Returns whether a user is online, away or busy. */
export function isOnline({ status }: { readonly status: Status }): boolean {
  return status !== 'offline'
}

/**
 * Orders rows: the user of this tab, then users online by name, so that a row keeps its place when its user
 * is away, then users offline by the time they were last seen, the last one first.
 */
export function compareRows(a: Row, b: Row): number {
  const byGroup = groupOf(a) - groupOf(b)
  if (byGroup !== 0) return byGroup
  if (groupOf(a) === OFFLINE && a.lastSeen !== b.lastSeen) return (b.lastSeen ?? 0) - (a.lastSeen ?? 0)
  return compareTexts(a.key, b.key) || compareTexts(a.userId, b.userId)
}

/** Compares by code units: `localeCompare` is too slow for thousands of rows. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

const OFFLINE = 2

function groupOf(row: Row): number {
  if (row.isMe) return 0
  return isOnline(row) ? 1 : OFFLINE
}
