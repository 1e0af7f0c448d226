import type { Status } from '@who-is-online/client'
import { expect, test } from 'vitest'
import { changeWords } from './change-words.ts'

test.each<[Status, Status, string]>([
  ['offline', 'online', 'came online'],
  ['offline', 'busy', 'came online, busy'],
  ['online', 'away', 'is away'],
  ['busy', 'online', 'is online again'],
  ['away', 'offline', 'went offline'],
  ['busy', 'busy', 'changed the text'],
])('from %s to %s: "%s"', (previous, status, words) => {
  expect(changeWords({ previous, status })).toBe(words)
})
