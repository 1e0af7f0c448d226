import { isName, NAME_RULE, type Status } from '@who-is-online/protocol/words'
import type { UserRecord } from './store.ts'
import { isoTime, parseTime } from './time.ts'

/**
 * A user as a JSON object, in snapshot and journal alike:
 *
 *     {"userId":"123","status":"online","lastSeen":"2026-11-24T06:10:00.000Z","username":"ann"}
 *
 * `status` is what others see. What they don't see follows only where it differs: `"hidden":true` (connected,
 * chose to appear offline), `"held":true` (the connection is lost, the grace period runs), `"newUsername"` (taken
 * while hidden) and `"choice"` (what somebody who is gone had chosen).
 */
export function encodeRow(record: UserRecord): string {
  const { userId, session, status, lastSeen, username, newUsername } = record
  const gone = session === 'none'
  let row = `{"userId":${JSON.stringify(userId)},"status":"${gone ? 'offline' : status}","lastSeen":"${isoTime(lastSeen)}"`
  if (username !== undefined) row += `,"username":${JSON.stringify(username)}`
  if (newUsername !== undefined) row += `,"newUsername":${JSON.stringify(newUsername)}`
  if (gone && status !== 'offline') row += `,"choice":"${status}"`
  if (!gone && status === 'offline') row += ',"hidden":true'
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
  const connected = seen !== 'offline' || hidden || held
  if (hidden && seen !== 'offline') throw new BadRow(`"hidden" needs "status" to be "offline"`)
  if (held && seen === 'offline' && !hidden)
    throw new BadRow(`"held" needs a "status" other than "offline", or "hidden"`)
  if (connected && choice !== undefined) throw new BadRow(`"choice" is for users who are gone`)
  const session = held ? 'held' : connected ? 'live' : 'none'
  const status = choice ?? seen
  const lastSeen = timeIn('lastSeen', fields.lastSeen, unknownTime)
  const username = optionalNameIn('username', fields.username)
  const newUsername = optionalNameIn('newUsername', fields.newUsername)
  return { userId, session, status, lastSeen, ...username, ...newUsername }
}

type RowField = 'userId' | 'status' | 'lastSeen' | 'username' | 'newUsername' | 'choice' | 'hidden' | 'held'

const STATUSES: ReadonlySet<unknown> = new Set<Status>(['online', 'offline'])

function nameIn(field: RowField, value: unknown): string {
  if (typeof value === 'string' && isName(value)) return value
  throw new BadRow(`"${field}" must be ${NAME_RULE}`)
}

function optionalNameIn<Field extends RowField>(field: Field, value: unknown): { [F in Field]?: string } {
  if (value === undefined || value === null) return {}
  return { [field]: nameIn(field, value) } as { [F in Field]?: string }
}

function statusIn(field: RowField, value: unknown): Status {
  if (isStatus(value)) return value
  throw new BadRow(`"${field}" must be one of ${[...STATUSES].join(', ')}`)
}

function isStatus(value: unknown): value is Status {
  return STATUSES.has(value)
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

/** The largest time ECMAScript knows: some 270,000 years from 1970. */
const MAX_TIME = 8.64e15
