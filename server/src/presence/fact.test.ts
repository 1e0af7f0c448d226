import { expect, test } from 'vitest'
import { OFFLINE } from './choice.ts'
import { NOTHING_SAID, presenceOf } from './fact.ts'

test('[R1 R4 R12] what others see follows from the sessions and the choice alone', () => {
  const table = (['none', 'idle', 'active'] as const).map(sessions =>
    (['online', 'away', 'busy', 'offline'] as const).map(
      status => presenceOf({ sessions, choice: { status } }).status,
    ),
  )
  expect(table).toEqual([
    ['offline', 'offline', 'offline', 'offline'],
    ['away', 'away', 'busy', 'offline'],
    ['online', 'away', 'busy', 'offline'],
  ])
  expect(presenceOf(NOTHING_SAID)).toBe(OFFLINE)
})

test('[V13 V9] others see text and end of a choice, but none of a user who is hidden or not here', () => {
  const choice = { text: 'at lunch', expiresAt: 9 }
  const seen = presenceOf({ sessions: 'idle', choice: { status: 'online', ...choice } })
  expect(seen).toEqual({ status: 'away', ...choice })
  expect(presenceOf({ sessions: 'active', choice: { status: 'offline', ...choice } })).toBe(OFFLINE)
  expect(presenceOf({ sessions: 'none', choice: { status: 'busy', ...choice } })).toBe(OFFLINE)
})
