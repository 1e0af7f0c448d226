import { expect, test } from 'vitest'
import type { UserPart } from '../presence/user-part.ts'
import { isUserPart, MAX_SESSIONS, shortened } from './answer.ts'

const SESSION = {
  sessionId: 'tab',
  kind: 'socket',
  device: 'web',
  connectedAt: 1,
  lastAliveAt: 2,
  active: true,
  visible: false,
} as const
const PART: UserPart = { state: 'active', sessions: [SESSION], graces: [{ sessionId: 'tab', endsAt: 5 }] }

const many = (count: number): UserPart => {
  const ids = Array.from({ length: count }, (_, i) => `${i}`.padStart(128, 'x'))
  return {
    ...PART,
    sessions: ids.map(sessionId => ({ ...SESSION, sessionId })),
    graces: ids.map(sessionId => ({ sessionId, endsAt: 5 })),
  }
}

test('[N9] an answer has a limit, and says how much more there is', () => {
  const whole = many(MAX_SESSIONS)
  expect(shortened(whole)).toBe(whole)
  const { sessions, graces, more, state } = shortened(many(5_000))
  expect([sessions.length, graces.length, more, state]).toEqual([100, 100, 4_900, 'active'])
  expect(sessions.at(-1)?.sessionId).toMatch(/x4999$/)
  expect(JSON.stringify(shortened(many(5_000))).length).toBeLessThan(64 * 1_024)
})

test('[N8] an answer is read as it was written, and more fields of a newer version are ignored', () => {
  const read = (part: UserPart): unknown => JSON.parse(JSON.stringify(part))
  const lease = { ...SESSION, kind: 'lease', leaseEndsAt: 9, device: undefined } as const
  for (const part of [PART, many(3), shortened(many(200)), { ...PART, sessions: [lease], delayedUntil: 7 }])
    expect(isUserPart(read(part))).toBe(true)
  expect(isUserPart({ ...PART, nonsense: 1, sessions: [{ ...SESSION, rooms: [] }] })).toBe(true)
})

test.each([
  ['no object', 'x'],
  ['an unknown state', { ...PART, state: 'dancing' }],
  ['no sessions', { ...PART, sessions: undefined }],
  ['a session without an id', { ...PART, sessions: [{ ...SESSION, sessionId: 1 }] }],
  ['an unknown kind', { ...PART, sessions: [{ ...SESSION, kind: 'fax' }] }],
  ['a wrong device', { ...PART, sessions: [{ ...SESSION, device: 1 }] }],
  ['a time that no clock has', { ...PART, sessions: [{ ...SESSION, connectedAt: 10 ** 15 }] }],
  ['a wrong sign of life', { ...PART, sessions: [{ ...SESSION, lastAliveAt: '1' }] }],
  [
    'a session of which it does not say whether it is active',
    { ...PART, sessions: [{ ...SESSION, active: 1 }] },
  ],
  [
    'a session of which it does not say whether it is visible',
    { ...PART, sessions: [{ ...SESSION, visible: 1 }] },
  ],
  ['a wrong end of a lease', { ...PART, sessions: [{ ...SESSION, leaseEndsAt: -1 }] }],
  ['a grace without an end', { ...PART, graces: [{ sessionId: 'tab' }] }],
  ['a grace with a wrong session', { ...PART, graces: [{ sessionId: 1, endsAt: 5 }] }],
  ['graces that are no list', { ...PART, graces: {} }],
  ['a wrong end of a delay', { ...PART, delayedUntil: 'soon' }],
  ['a wrong count', { ...PART, more: 1.5 }],
])('[N8] an answer with %s counts as no answer', (_, value) => {
  expect(isUserPart(value)).toBe(false)
})
