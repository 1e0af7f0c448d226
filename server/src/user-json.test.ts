import { expect, test } from 'vitest'
import { asUser, diffItem } from './user-json.ts'

const T = Date.UTC(2026, 0, 1)
const nothing = { username: undefined, text: undefined, expiresAt: undefined }
const ann = { userId: 'ann', status: 'online', lastSeen: T, since: T, ...nothing } as const

test('[E18] an item of a diff has the start of a status only if it is not the last sign of life', () => {
  const seconds = (since: number | undefined) => {
    const { since: told } = JSON.parse(diffItem({ ...ann, since })) as { since?: string | null }
    return typeof told === 'string' ? (Date.parse(told) - T) / 1_000 : told
  }
  expect([T, T - 1_000, T + 1_000].map(seconds)).toEqual([undefined, undefined, undefined])
  expect([T - 1_001, T + 1_001, T - 720_000].map(seconds)).toEqual([-1.001, 1.001, -720])
  expect(seconds(undefined)).toBeNull()
})

test('[E18] a change of a user who has just done something takes no more bytes than without a start', () => {
  const bytes = (since: number) => diffItem({ ...ann, since }).length
  const { since: _, ...without } = asUser(ann)
  expect(bytes(T)).toBe(JSON.stringify(without).length)
  expect(bytes(T - 720_000) - bytes(T)).toBe(',"since":"2026-01-01T00:00:00.000Z"'.length)
})

test('[E18] a user has a start or null, and while offline neither', () => {
  expect(asUser(ann).since).toBe('2026-01-01T00:00:00.000Z')
  expect(asUser({ ...ann, since: undefined }).since).toBeNull()
  expect(asUser({ ...ann, status: 'offline', since: undefined })).not.toHaveProperty('since', null)
})
