import type { UserPart } from '../presence/user-part.ts'
import { isTime, isWhole } from './place.ts'

/**
 * How many sessions an answer has at most: about 45 KB with the longest ids. A user may have 50 connections and 20
 * leases if no setting says more, so only an id that many people share has more on a node.
 */
export const MAX_SESSIONS = 100

/** What a node answers of what it knows: the sessions that began last. */
export function shortened(part: UserPart): UserPart {
  const more = part.sessions.length - MAX_SESSIONS
  if (more <= 0) return part
  const sessions = part.sessions.slice(more)
  const kept = new Set(sessions.map(({ sessionId }) => sessionId))
  return { ...part, sessions, graces: part.graces.filter(({ sessionId = '' }) => kept.has(sessionId)), more }
}

/** Whether a value of the log is what a node has answered about a user; see `UserPart`. There may be more in it. */
export function isUserPart(value: unknown): boolean {
  if (!isObject(value)) return false
  const { state, sessions, graces, delayedUntil, more } = value
  return (
    (state === 'none' || state === 'idle' || state === 'active') &&
    Array.isArray(sessions) &&
    sessions.every(isSession) &&
    Array.isArray(graces) &&
    graces.every(isGrace) &&
    isOptional(delayedUntil, isTime) &&
    isOptional(more, isWhole)
  )
}

function isSession(value: unknown): boolean {
  if (!isObject(value)) return false
  const { sessionId, kind, device, connectedAt, lastAliveAt, active, visible, leaseEndsAt } = value
  return (
    typeof sessionId === 'string' &&
    (kind === 'socket' || kind === 'lease') &&
    isOptional(device, each => typeof each === 'string') &&
    isTime(connectedAt) &&
    isTime(lastAliveAt) &&
    typeof active === 'boolean' &&
    typeof visible === 'boolean' &&
    isOptional(leaseEndsAt, isTime)
  )
}

function isGrace(value: unknown): boolean {
  return (
    isObject(value) &&
    isOptional(value['sessionId'], each => typeof each === 'string') &&
    isTime(value['endsAt'])
  )
}

function isOptional(value: unknown, is: (value: unknown) => boolean): boolean {
  return value === undefined || is(value)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
