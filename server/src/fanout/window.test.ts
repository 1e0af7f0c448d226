import type { ShownStatus } from '@who-is-online/protocol/words'
import { expect, test } from 'vitest'
import { newChange, numbered } from '../changes/testing/new-change.ts'
import { framesIn } from '../gateway/frames.ts'
import { webSocketEncoder } from '../gateway/websocket-encoder.ts'
import type { Change } from '../presence/change.ts'
import { linesIn, newLineEncoder } from './testing/line-encoder.ts'
import { ClosedWindow } from './window.ts'

const T = Date.UTC(2030, 0, 1)

function newStatus(userId: string, previousStatus: ShownStatus, status: ShownStatus): Change {
  return { ...newChange(userId), previousStatus, status, at: T, cause: 'chosen' }
}

const idsIn = (texts: readonly string[]) => texts.map(text => JSON.parse(text).userId)

test('[F6 P7] v1 is told who comes and goes, and when, but not what happens in between', () => {
  const window = new ClosedWindow(
    numbered(
      [
        newStatus('ann', 'offline', 'busy'),
        newStatus('bob', 'busy', 'away'),
        newStatus('bob', 'away', 'away'),
        newStatus('bob', 'away', 'offline'),
      ],
      [1, 2, 3, 4],
    ),
  )
  const timestamp = '2030-01-01T00:00:00.000Z'
  expect(linesIn(window.after(0, newLineEncoder())).map(text => JSON.parse(text))).toEqual([
    { type: 'user_status_change', userId: 'ann', status: 'online', timestamp },
    { type: 'user_status_change', userId: 'bob', status: 'offline', timestamp },
  ])
})

// The window has the changes 5 to 9; those with the numbers 6 and 9 are no change in v1.
test.each([
  [0, ['five', 'seven', 'eight']],
  [4, ['five', 'seven', 'eight']],
  [5, ['seven', 'eight']],
  [6, ['seven', 'eight']],
  [7, ['eight']],
  [8, []],
  [9, []],
])('[F2] a connection that joined after change %i gets only what is newer', (seq, userIds) => {
  const window = new ClosedWindow(
    numbered(
      [
        newChange('five'),
        newStatus('six', 'online', 'away'),
        newChange('seven'),
        newChange('eight'),
        newStatus('nine', 'busy', 'away'),
      ],
      [5, 6, 7, 8, 9],
    ),
  )
  expect(idsIn(linesIn(window.after(seq, newLineEncoder())))).toEqual(userIds)
})

// The entries 20, 31 and 40 of a log: the second has no change for v1.
test.each([
  [0, ['ann', 'bob', 'dan', 'eve']],
  [19, ['ann', 'bob', 'dan', 'eve']],
  [20, ['dan', 'eve']],
  [25, ['dan', 'eve']],
  [31, ['dan', 'eve']],
  [39, ['dan', 'eve']],
  [40, []],
  [45, []],
])('[F2] a connection that joined at %i of a log gets the whole of each newer entry', (seq, userIds) => {
  const changes = [
    ...['ann', 'bob'].map(newChange),
    newStatus('cid', 'online', 'away'),
    ...['dan', 'eve'].map(newChange),
  ]
  const window = new ClosedWindow(numbered(changes, [20, 20, 31, 40, 40]))
  expect(idsIn(linesIn(window.after(seq, newLineEncoder())))).toEqual(userIds)
})

test('[F2 B1] the tail begins with a whole message, whatever its length and characters', () => {
  // The frames have headers of 2 and 4 bytes, and the ids have characters of 1 to 4 bytes.
  const userIds = ['a', 'ä'.repeat(64), 'b', '\u{1f642}'.repeat(32), 'c'.repeat(128), 'd']
  const window = new ClosedWindow(numbered(userIds.map(newChange), [1, 2, 3, 4, 5, 6]))
  const lines = newLineEncoder()
  for (let seq = 0; seq < userIds.length; seq++) {
    const frames = [...framesIn(window.after(seq, webSocketEncoder))]
    expect(idsIn(frames.map(({ payload }) => payload.toString()))).toEqual(userIds.slice(seq))
    expect(idsIn(linesIn(window.after(seq, lines)))).toEqual(userIds.slice(seq))
  }
})

test('[F1 F7] all connections of one transport get the same bytes, encoded once and not before the first asks', () => {
  const window = new ClosedWindow(numbered([newChange('ann'), newChange('bob')], [1, 2]))
  const [one, other] = [newLineEncoder(), newLineEncoder()]
  const bytes = window.after(0, one)
  window.after(1, one)
  expect(window.after(0, one)).toBe(bytes)
  expect(one.calls).toHaveLength(1)
  expect(one.shared).toEqual([bytes])
  expect(other.calls).toEqual([])
  window.after(1, other)
  // Both transports frame the same texts: a change becomes JSON once.
  expect(other.calls[0]).toBe(one.calls[0])
})

test('[F6] a window without a change for v1 has no bytes', () => {
  const window = new ClosedWindow(numbered([newStatus('ann', 'online', 'away')], [1]))
  expect([0, 1].map(seq => window.after(seq, newLineEncoder()).length)).toEqual([0, 0])
})
