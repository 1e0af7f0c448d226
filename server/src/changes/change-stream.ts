import type { NumberedChange, Place } from './feed.ts'

/** The changes of one number, as they are stored. */
export interface NewEntry {
  readonly seq: number
  /** The changes as text; see {@link encodeChanges}. */
  readonly content: string
}

/**
 * The changes of one number, as the stream keeps them. `after` is the number of the entry before, so a reader notices
 * if one is missing. The first entry of a stream has its own number.
 */
export interface StreamEntry extends NewEntry {
  readonly after: number
}

/** What is added to the stream. All numbers are of the epoch of `to`. */
export interface StoreRequest {
  /** The end of the stream that the writer knows. With another one, nothing is stored. */
  readonly expected: Place | undefined
  /**
   * Another stream begins with an empty entry of this number: the one that there is can't be continued. `undefined` if
   * it is continued.
   */
  readonly beginAt: number | undefined
  /** In the order of their numbers. */
  readonly entries: readonly NewEntry[]
  /** The new end: the stream has all changes up to this place. */
  readonly to: Place
  /** Changes up to this number are not needed any more. */
  readonly dropped: number
}

/**
 * The port for the visible changes of a cluster, which all nodes share. They survive each node. The end of the stream
 * is the place up to which it has every change, also if the last entries of the log of facts have changed nothing.
 *
 * Several nodes may write: only what continues the end that the writer knows is stored.
 */
export interface ChangeStream {
  /** The end; `undefined` if there is no stream. */
  end(): Promise<Place | undefined>
  /** The entries after a place, at most `count`, in order. Only those of its epoch. */
  read(after: Place, count: number): Promise<readonly StreamEntry[]>
  /** Stores all of it or nothing. Returns the end after that: it is `to` if it was stored. */
  store(request: StoreRequest): Promise<Place | undefined>
}

/** The keys of a change, in the order in which they stand in the text. A change has them all, besides its number. */
type StoredChange = Omit<NumberedChange, 'seq'>

/** The changes of one number as text: a format, and the changes as JSON. */
export function encodeChanges(changes: readonly NumberedChange[]): string {
  return JSON.stringify({ format: 1, changes: changes.map(({ seq: _, ...change }) => change) })
}

/** The changes of an entry; `undefined` if no node of this version has written it. */
export function decodeChanges({ seq, content }: NewEntry): NumberedChange[] | undefined {
  let value: unknown
  try {
    value = JSON.parse(content)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { format, changes } = value as { format?: unknown; changes?: unknown }
  if (format !== 1 || !Array.isArray(changes) || !changes.every(isStoredChange)) return undefined
  return changes.map(change => ({
    seq,
    userId: change.userId,
    status: change.status,
    previousStatus: change.previousStatus,
    previousSince: change.previousSince,
    at: change.at,
    lastSeen: change.lastSeen,
    cause: change.cause,
    username: change.username,
    text: change.text,
  }))
}

function isStoredChange(value: unknown): value is StoredChange {
  if (typeof value !== 'object' || value === null) return false
  const { userId, status, previousStatus, cause, username, text, ...times } = value as Record<string, unknown>
  const { previousSince, at, lastSeen } = times
  return (
    [userId, status, previousStatus, cause].every(each => typeof each === 'string') &&
    [username, text].every(each => each === undefined || typeof each === 'string') &&
    [previousSince, at, lastSeen].every(each => Number.isSafeInteger(each))
  )
}
