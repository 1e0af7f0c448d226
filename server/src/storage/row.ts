import {
  isName,
  isStatusText,
  MAX_TEXT_CHARS,
  NAME_RULE,
  STATUSES,
  type Status,
} from '@who-is-online/protocol/words'
import { isoTime, MAX_TIME, parseTime } from './iso-time.ts'
import type { UserRecord } from './store.ts'

/**
 * A user as a JSON object, in snapshot and journal alike:
 *
 *     {"userId":"123","status":"online","lastSeen":"2026-11-24T06:10:00.000Z","username":"ann"}
 *
 * `status` is what others see. What they don't see follows only where it differs: `"hidden":true` (connected,
 * chose to appear offline), `"held":true` (the connection is lost, the grace period runs), `"idle":true` (in every
 * session), `"inactive":true` (a session said that nobody looks at it), `"newUsername"` (they don't see it yet), and
 * `"choice"` where it is another word than `status`: for users who are away because they are idle, and for users who
 * are gone with a choice that ends later. `"keptHidden":true` is for users who are gone and whose choice `offline`
 * still counts. `"text"`, `"expiresAt"` and `"chosenAt"` belong to the choice.
 */
export function encodeRow(record: UserRecord): string {
  const { userId, session, status, text, expiresAt, chosenAt, keptHidden } = record
  const { idle, inactive, lastSeen, username, newUsername } = record
  const gone = session === 'none'
  const seen = gone ? 'offline' : status === 'online' && idle ? 'away' : status
  let row = `{"userId":${JSON.stringify(userId)},"status":"${seen}","lastSeen":"${isoTime(lastSeen)}"`
  if (username !== undefined) row += `,"username":${JSON.stringify(username)}`
  if (newUsername !== undefined) row += `,"newUsername":${JSON.stringify(newUsername)}`
  if (seen !== status || (gone && expiresAt !== undefined)) row += `,"choice":"${status}"`
  if (text !== undefined) row += `,"text":${JSON.stringify(text)}`
  if (expiresAt !== undefined) row += `,"expiresAt":"${isoTime(expiresAt)}"`
  if (chosenAt !== undefined) row += `,"chosenAt":"${isoTime(chosenAt)}"`
  if (!gone && status === 'offline') row += ',"hidden":true'
  if (keptHidden) row += ',"keptHidden":true'
  if (inactive) row += ',"inactive":true'
  if (idle) row += ',"idle":true'
  if (session === 'held') row += ',"held":true'
  return `${row}}`
}

/** A row is not what it must be. The message names the field. */
export class BadRow extends Error {
  override readonly name = 'BadRow'
}

/**
 * Reads a row. `unknownTime` stands in for a `lastSeen` that is `null` or missing, as in imported files;
 * without it there must be one.
 *
 * @throws BadRow
 */
export function decodeRow(row: unknown, unknownTime?: number): UserRecord {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) throw new BadRow('must be an object')
  const fields: Partial<Record<RowField, unknown>> = row
  const userId = nameIn('userId', fields.userId)
  const seen = statusIn('status', fields.status)
  const hidden = markIn('hidden', fields.hidden)
  const held = markIn('held', fields.held)
  const choice = fields.choice === undefined ? undefined : statusIn('choice', fields.choice)
  const idle = markIn('idle', fields.idle)
  const inactive = markIn('inactive', fields.inactive)
  const keptHidden = markIn('keptHidden', fields.keptHidden)
  const connected = seen !== 'offline' || hidden || held
  if (hidden && seen !== 'offline') throw new BadRow(`"hidden" needs "status" to be "offline"`)
  if (held && seen === 'offline' && !hidden)
    throw new BadRow(`"held" needs a "status" other than "offline", or "hidden"`)
  if (connected && choice !== undefined && !(idle && seen === 'away' && choice === 'online'))
    throw new BadRow(`"choice" is for users who are gone or idle`)
  if (idle && !connected) throw new BadRow(`"idle" is for users who are here`)
  if (inactive && !connected) throw new BadRow(`"inactive" is for users who are here`)
  if (keptHidden && (connected || (choice ?? seen) !== 'offline'))
    throw new BadRow(`"keptHidden" is for users who are gone and chose "offline"`)
  if (idle && seen === 'online') throw new BadRow(`"idle" needs "status" to be another than "online"`)
  const session = held ? 'held' : connected ? 'live' : 'none'
  const lastSeen = timeIn('lastSeen', fields.lastSeen, unknownTime)
  return {
    userId,
    session,
    status: choice ?? seen,
    ...textIn(fields.text),
    ...optionalTimeIn('expiresAt', fields.expiresAt),
    ...optionalTimeIn('chosenAt', fields.chosenAt),
    ...(keptHidden && { keptHidden: true as const }),
    ...(idle && { idle: true as const }),
    ...(inactive && { inactive: true as const }),
    lastSeen,
    ...optionalNameIn('username', fields.username),
    ...optionalNameIn('newUsername', fields.newUsername),
  }
}

type RowField =
  | 'userId'
  | 'status'
  | 'lastSeen'
  | 'username'
  | 'newUsername'
  | 'choice'
  | 'text'
  | 'expiresAt'
  | 'chosenAt'
  | 'hidden'
  | 'keptHidden'
  | 'inactive'
  | 'idle'
  | 'held'

function nameIn(field: RowField, value: unknown): string {
  if (typeof value === 'string' && isName(value)) return value
  throw new BadRow(`"${field}" must be ${NAME_RULE}`)
}

function optionalNameIn<Field extends RowField>(field: Field, value: unknown): { [F in Field]?: string } {
  if (value === undefined || value === null) return {}
  return { [field]: nameIn(field, value) } as { [F in Field]?: string }
}

function textIn(value: unknown): { text?: string } {
  if (value === undefined || value === null || value === '') return {}
  if (typeof value === 'string' && isStatusText(value)) return { text: value }
  throw new BadRow(
    `"text" must be a string of at most ${MAX_TEXT_CHARS} characters without control characters`,
  )
}

function optionalTimeIn<Field extends RowField>(field: Field, value: unknown): { [F in Field]?: number } {
  if (value === undefined || value === null) return {}
  return { [field]: timeIn(field, value, undefined) } as { [F in Field]?: number }
}

function statusIn(field: RowField, value: unknown): Status {
  if (isStatus(value)) return value
  throw new BadRow(`"${field}" must be one of ${STATUSES.join(', ')}`)
}

function isStatus(value: unknown): value is Status {
  return (STATUSES as readonly unknown[]).includes(value)
}

function markIn(field: RowField, value: unknown): boolean {
  if (value === undefined || value === true || value === false) return value === true
  throw new BadRow(`"${field}" must be true or absent`)
}

function timeIn(field: RowField, value: unknown, unknownTime: number | undefined): number {
  if ((value === undefined || value === null) && unknownTime !== undefined) return unknownTime
  const time = typeof value === 'string' ? parseTime(value) : value
  if (typeof time === 'number' && Math.abs(time) <= MAX_TIME) return Math.trunc(time)
  throw new BadRow(`"${field}" must be a time such as "2026-11-24T06:10:00.000Z"`)
}
