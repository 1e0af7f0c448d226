import { expect, test } from 'vitest'
import { startsOf } from './restart.ts'
import { newChange } from './testing/new-change.ts'

test('[E18] the changes tell when a status began, not the change of a text', () => {
  const change = (
    userId: string,
    status: 'busy' | 'online',
    previousStatus: 'busy' | 'online',
    at: number,
  ) => ({
    ...newChange(userId),
    status,
    previousStatus,
    previousSince: 3,
    at,
  })
  const starts = startsOf([
    change('ann', 'busy', 'online', 10),
    change('ann', 'busy', 'busy', 20),
    change('bob', 'busy', 'busy', 20),
    change('eve', 'online', 'busy', 30),
  ])
  expect([...starts]).toEqual([
    ['ann', { status: 'busy', since: 10 }],
    ['bob', { status: 'busy', since: 3 }],
    ['eve', { status: 'online', since: 30 }],
  ])
})
