import type { Status, User } from '@who-is-online/client'

/** From when on a status is the one it is: `at`, or some time before it, when this page did not look. */
export interface Since {
  /** Ms since the epoch. */
  readonly at: number
  readonly isBefore: boolean
}

/** One line of the list. Another object whenever something of it is another, so `===` says whether to draw it again. */
export interface Row {
  readonly userId: string
  readonly username: string | undefined
  readonly status: Status
  readonly text: string | undefined
  /** Ms since the epoch; `null` for a user never seen. */
  readonly lastSeen: number | null
  readonly since: Since
  readonly isMe: boolean
  /** What the line is sorted by among those of its kind, and searched in. */
  readonly key: string
}

/** The line of a user; `since` is for the caller to know. */
export function rowOf(user: User, since: Since, isMe: boolean): Row {
  const { userId, username, status, text } = user
  const lastSeen = user.lastSeen === null ? null : Date.parse(user.lastSeen)
  const key = `${username ?? userId}\n${userId}`.toLowerCase()
  return { userId, username, status, text, lastSeen, since, isMe, key }
}

/**
 * Whether a user is still as the line says. For somebody who is here "last seen" is now: the time that comes with them
 * is that of the message, and is not worth drawing a line again.
 */
export function isSameRow(row: Row, user: User): boolean {
  return (
    row.status === user.status &&
    row.text === user.text &&
    row.username === user.username &&
    (isHere(row) || row.lastSeen === (user.lastSeen === null ? null : Date.parse(user.lastSeen)))
  )
}

export function isHere({ status }: { readonly status: Status }): boolean {
  return status !== 'offline'
}

/** First oneself, then who is here, by name, so that nobody jumps when they are away; then who left, the last one first. */
export function compareRows(a: Row, b: Row): number {
  const byKind = kindOf(a) - kindOf(b)
  if (byKind !== 0) return byKind
  if (kindOf(a) === GONE && a.lastSeen !== b.lastSeen) return (b.lastSeen ?? 0) - (a.lastSeen ?? 0)
  return compareTexts(a.key, b.key) || compareTexts(a.userId, b.userId)
}

/** By code units: collation would be nicer to some names, and takes too long for thousands. */
function compareTexts(a: string, b: string): number {
  if (a === b) return 0
  return a < b ? -1 : 1
}

const GONE = 2

function kindOf(row: Row): number {
  if (row.isMe) return 0
  return isHere(row) ? 1 : GONE
}
