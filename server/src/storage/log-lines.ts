import { isName, isStatusText, STATUSES } from '@who-is-online/protocol/words'
import type { NumberedChange } from '../changes/feed.ts'
import type { LostNumbers } from '../changes/stored-log.ts'
import type { LogHead, LogPart } from './journal.ts'

// The lines of the log of changes in the journal:
//
//     {"log":{"epoch":"abc","after":0,"reserved":10000000,"lost":[]}}
//     {"change":1,"user":"ann","status":"online","previous":"offline","since":0,"at":1700000000000,
//      "lastSeen":1700000000000,"cause":"opened","name":"Ann"}
//
// Times are in ms since the epoch. A change does not have the key `userId`, which would make it a row of a user.

/** The JSON of each line of a part. */
export function* logLines({ head, changes }: LogPart): Generator<string> {
  if (head)
    yield JSON.stringify({ log: { ...head, lost: head.lost.map(({ after, before }) => [after, before]) } })
  for (const { seq, userId, previousStatus, previousSince, username, ...change } of changes) {
    const { status, at, lastSeen, cause, text } = change
    yield JSON.stringify({
      change: seq,
      user: userId,
      status,
      previous: previousStatus,
      since: previousSince,
      at,
      lastSeen,
      cause,
      name: username,
      text,
    })
  }
}

/** The change of a line; `undefined` if it is not valid. */
export function decodeChange(line: object): NumberedChange | undefined {
  const { change, user, status, previous, since, at, lastSeen, cause, name, text } = line as Record<
    string,
    unknown
  >
  const isValid =
    isNumber(change) &&
    isNameOf(user) &&
    isShown(status) &&
    isShown(previous) &&
    isNumber(since) &&
    isNumber(at) &&
    isNumber(lastSeen) &&
    typeof cause === 'string' &&
    (name === undefined || isNameOf(name)) &&
    (text === undefined || (typeof text === 'string' && isStatusText(text)))
  if (!isValid) return undefined
  return {
    seq: change,
    userId: user,
    status,
    previousStatus: previous,
    previousSince: since,
    at,
    lastSeen,
    cause: cause as NumberedChange['cause'],
    username: name,
    text,
  }
}

/** The head of a part; `undefined` if it is not valid. */
export function decodeLogHead(head: unknown): LogHead | undefined {
  if (typeof head !== 'object' || head === null) return undefined
  const { epoch, after, reserved, lost, erased } = head as Record<string, unknown>
  if (typeof epoch !== 'string' || !isNumber(after) || !isNumber(reserved) || !Array.isArray(lost))
    return undefined
  const ranges: LostNumbers[] = []
  for (const range of lost) {
    if (!Array.isArray(range) || !isNumber(range[0]) || !isNumber(range[1])) return undefined
    ranges.push({ after: range[0], before: range[1] })
  }
  return { epoch, after, reserved, lost: ranges, ...(isNumber(erased) && { erased }) }
}

function isNumber(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value)
}

function isNameOf(value: unknown): value is string {
  return typeof value === 'string' && isName(value)
}

function isShown(value: unknown): value is NumberedChange['status'] {
  return (STATUSES as readonly unknown[]).includes(value)
}
