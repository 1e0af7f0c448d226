import type { Status } from '@who-is-online/client'
import { expect, test } from 'vitest'
import { compareBy, DEFAULT_ORDER, nextOrder, type SortKey } from './order.ts'
import { rowOf } from './row.ts'

const row = (userId: string, status: Status, lastSeen: string | null, since: number) =>
  rowOf({ userId, status, lastSeen }, { at: since, isUncertain: false }, false)

const ROWS = [
  row('cid', 'away', '2026-01-01T12:00:00Z', 5_000),
  row('old', 'offline', '2026-01-01T10:00:00Z', 3_000),
  row('never', 'offline', null, 1_000),
  row('ann', 'busy', '2026-01-01T12:00:00Z', 4_000),
  row('new', 'offline', '2026-01-01T11:00:00Z', 2_000),
  row('bob', 'online', '2026-01-01T12:00:00Z', 6_000),
]

test.each<[SortKey, string]>([
  ['seen', 'ann bob cid new old never'],
  ['name', 'ann bob cid never new old'],
  ['status', 'bob cid ann never new old'],
  ['duration', 'bob cid ann old new never'],
])('sorts by %s', (by, wanted) => {
  const sorted = (isReversed: boolean) =>
    [...ROWS].sort(compareBy({ by, isReversed })).map(({ userId }) => userId)
  expect(sorted(false).join(' ')).toBe(wanted)
  expect(sorted(true).reverse().join(' ')).toBe(wanted)
})

test('numbers in names and ids are sorted by value, and letters without their accents', () => {
  const ids = ['user-3133', 'Élodie', 'user-325', 'zoe', 'user-0325', 'frank', 'user-9', 'user-325b']
  const rows = ids.map(id => row(id, 'online', null, 0))
  expect(rows.sort(compareBy({ by: 'name', isReversed: false })).map(({ userId }) => userId)).toEqual([
    'Élodie',
    'frank',
    'user-9',
    'user-0325',
    'user-325',
    'user-325b',
    'user-3133',
    'zoe',
  ])
})

test('a heading sorts ascending, then descending, and then the default order is back', () => {
  const first = nextOrder(DEFAULT_ORDER, 'name')
  const second = nextOrder(first, 'name')
  expect([first, second, nextOrder(second, 'name')]).toEqual([
    { by: 'name', isReversed: false },
    { by: 'name', isReversed: true },
    DEFAULT_ORDER,
  ])
  expect(nextOrder(second, 'status')).toEqual({ by: 'status', isReversed: false })
})
