import {
  DEVICE_RULE,
  isDevice,
  isName,
  isStatusText,
  MAX_TEXT_CHARS,
  NAME_RULE,
  STATUSES,
  type Status,
} from '@who-is-online/protocol/words'
import type { StoredLease } from '../presence/lease.ts'
import { isoTime, MAX_TIME, parseTime } from './iso-time.ts'
import type { UserRecord } from './store.ts'

/**
 * Encodes a user as a JSON object, for snapshots and for the journal:
 *
 *     {"userId":"123","status":"online","lastSeen":"2026-11-24T06:10:00.000Z","username":"ann"}
 *
 * `status` is the presence that others see. The other fields are present only if they differ from the
 * default:
 *
 * - `"hidden":true`: the user is connected and chose to appear offline.
 * - `"held":true`: the connection is lost, and the grace period runs.
 * - `"idle":true`: the user is idle in every session.
 * - `"inactive":true`: a session reported that its client is not visible.
 * - `"newUsername"`: a name that others don't see yet.
 * - `"choice"`: the status that the user chose, if it differs from `status`: the user is away because of
 * being idle, or offline with a choice that ends later.
 * - `"aheadMs"`: how far the clock was ahead that wrote `lastSeen`, in ms.
 * - `"unseen":true`: others have never seen the user, who was always hidden.
 * - `"keptHidden":true`: the user is offline, and the choice `offline` still applies on return.
 * - `"text"`, `"expiresAt"`, `"chosenAt"`: parts of the choice.
 * - `"leases"`: the leased sessions, each with `sessionId`, `openedAt`, `endsAt`, and perhaps `device` and `idle`.
 * - `"leased":true`: the user has only leased sessions.
 */
export function encodeRow(record: UserRecord): string {
  const { userId, session, status, text, expiresAt, chosenAt, keptHidden } = record
  const { leases, idle, inactive, lastSeen, aheadMs, unseen, username, newUsername } = record
  const isOffline = session === 'none'
  const presence = isOffline ? 'offline' : status === 'online' && idle ? 'away' : status
  let row = `{"userId":${JSON.stringify(userId)},"status":"${presence}","lastSeen":"${isoTime(lastSeen)}"`
  if (username !== undefined) row += `,"username":${JSON.stringify(username)}`
  if (newUsername !== undefined) row += `,"newUsername":${JSON.stringify(newUsername)}`
  if (presence !== status || (isOffline && expiresAt !== undefined)) row += `,"choice":"${status}"`
  if (text !== undefined) row += `,"text":${JSON.stringify(text)}`
  if (expiresAt !== undefined) row += `,"expiresAt":"${isoTime(expiresAt)}"`
  if (chosenAt !== undefined) row += `,"chosenAt":"${isoTime(chosenAt)}"`
  if (!isOffline && status === 'offline') row += ',"hidden":true'
  if (aheadMs !== undefined) row += `,"aheadMs":${aheadMs}`
  if (unseen) row += ',"unseen":true'
  if (keptHidden) row += ',"keptHidden":true'
  if (inactive) row += ',"inactive":true'
  if (idle) row += ',"idle":true'
  if (session === 'held') row += ',"held":true'
  if (session === 'leased') row += ',"leased":true'
  if (leases !== undefined) row += `,"leases":[${leases.map(leaseRow).join(',')}]`
  return `${row}}`
}

function leaseRow({ sessionId, openedAt, endsAt, device, idle }: StoredLease): string {
  return JSON.stringify({
    sessionId,
    openedAt: isoTime(openedAt),
    endsAt: isoTime(endsAt),
    device,
    idle,
  })
}

/** A row is invalid. The message names the field and what it must be. */
export class BadRow extends Error {
  override readonly name = 'BadRow'
}

/**
 * Decodes a row. `unknownTime` is used if `lastSeen` is `null` or missing, as in imported files. Without it,
 * `lastSeen` is required.
 *
 * @throws BadRow when a field is invalid
 */
export function decodeRow(row: unknown, unknownTime?: number): UserRecord {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) throw new BadRow('must be an object')
  const fields: Partial<Record<RowField, unknown>> = row
  const userId = nameIn('userId', fields.userId)
  const presence = statusIn('status', fields.status)
  const hidden = flagIn('hidden', fields.hidden)
  const held = flagIn('held', fields.held)
  const leased = flagIn('leased', fields.leased)
  const leases = leasesIn(fields.leases)
  const choice = fields.choice === undefined ? undefined : statusIn('choice', fields.choice)
  const idle = flagIn('idle', fields.idle)
  const inactive = flagIn('inactive', fields.inactive)
  const keptHidden = flagIn('keptHidden', fields.keptHidden)
  const unseen = flagIn('unseen', fields.unseen)
  const connected = presence !== 'offline' || hidden || held
  if (leased && !leases.leases) throw new BadRow('"leased" needs "leases"')
  if (leased && held) throw new BadRow('"leased" must not be combined with "held"')
  if (leases.leases && !connected) throw new BadRow('"leases" is only valid for users who have a session')
  if (hidden && presence !== 'offline') throw new BadRow(`"hidden" needs "status" to be "offline"`)
  if (held && presence === 'offline' && !hidden)
    throw new BadRow(`"held" needs a "status" other than "offline", or "hidden"`)
  if (connected && choice !== undefined && !(idle && presence === 'away' && choice === 'online'))
    throw new BadRow(`"choice" is only valid for users who are offline or idle`)
  if (idle && !connected) throw new BadRow(`"idle" is only valid for users who are connected or held`)
  if (inactive && !connected) throw new BadRow(`"inactive" is only valid for users who are connected or held`)
  if (keptHidden && (connected || (choice ?? presence) !== 'offline'))
    throw new BadRow(`"keptHidden" is only valid for users who are offline and chose "offline"`)
  if (unseen && presence !== 'offline') throw new BadRow(`"unseen" needs "status" to be "offline"`)
  if (idle && presence === 'online') throw new BadRow(`"idle" needs a "status" other than "online"`)
  const session = held ? 'held' : leased ? 'leased' : connected ? 'live' : 'none'
  const lastSeen = timeIn('lastSeen', fields.lastSeen, unknownTime)
  return {
    userId,
    session,
    status: choice ?? presence,
    ...textIn(fields.text),
    ...optionalTimeIn('expiresAt', fields.expiresAt),
    ...optionalTimeIn('chosenAt', fields.chosenAt),
    ...leases,
    ...(keptHidden && { keptHidden: true as const }),
    ...(idle && { idle: true as const }),
    ...(inactive && { inactive: true as const }),
    lastSeen,
    ...aheadIn(fields.aheadMs),
    ...(unseen && { unseen: true as const }),
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
  | 'unseen'
  | 'aheadMs'
  | 'inactive'
  | 'idle'
  | 'held'
  | 'leased'
  | 'leases'

/** A field of one of the leases. */
type LeaseField = `leases.${keyof StoredLease}`

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

function leasesIn(value: unknown): { leases?: readonly StoredLease[] } {
  if (value === undefined) return {}
  if (Array.isArray(value) && value.length > 0) return { leases: value.map(leaseIn) }
  throw new BadRow('"leases" must be a list of sessions')
}

function leaseIn(value: unknown): StoredLease {
  if (typeof value !== 'object' || value === null) throw new BadRow('"leases" must be a list of sessions')
  const fields: Partial<Record<keyof StoredLease, unknown>> = value
  const { sessionId, device } = fields
  if (typeof sessionId !== 'string' || !isName(sessionId)) {
    throw new BadRow(`"leases.sessionId" must be ${NAME_RULE}`)
  }
  if (device !== undefined && !(typeof device === 'string' && isDevice(device))) {
    throw new BadRow(`"leases.device" must be ${DEVICE_RULE}`)
  }
  return {
    sessionId,
    openedAt: timeIn('leases.openedAt', fields.openedAt, undefined),
    endsAt: timeIn('leases.endsAt', fields.endsAt, undefined),
    ...(device !== undefined && { device }),
    ...(flagIn('leases.idle', fields.idle) && { idle: true as const }),
  }
}

function aheadIn(value: unknown): { aheadMs?: number } {
  if (value === undefined) return {}
  if (typeof value === 'number' && value > 0 && value <= MAX_TIME) return { aheadMs: Math.trunc(value) }
  throw new BadRow('"aheadMs" must be a number of milliseconds above 0')
}

function statusIn(field: RowField, value: unknown): Status {
  if (isStatus(value)) return value
  throw new BadRow(`"${field}" must be one of ${STATUSES.join(', ')}`)
}

function isStatus(value: unknown): value is Status {
  return (STATUSES as readonly unknown[]).includes(value)
}

function flagIn(field: RowField | LeaseField, value: unknown): boolean {
  if (value === undefined || value === true || value === false) return value === true
  throw new BadRow(`"${field}" must be true or absent`)
}

function timeIn(field: RowField | LeaseField, value: unknown, unknownTime: number | undefined): number {
  if ((value === undefined || value === null) && unknownTime !== undefined) return unknownTime
  const time = typeof value === 'string' ? parseTime(value) : value
  if (typeof time === 'number' && Math.abs(time) <= MAX_TIME) return Math.trunc(time)
  throw new BadRow(`"${field}" must be a time such as "2026-11-24T06:10:00.000Z"`)
}
