import { expect, test } from 'vitest'
import { Batch } from './batch.ts'
import { linesIn, newLineEncoder } from './testing/line-encoder.ts'

/** A batch of the changes 8, 10 and 11, in a window that ends with change 12. */
function newBatch(): Batch {
  const items = [8, 10, 11].map(seq => ({ topic: undefined, seq, json: `{"userId":"user-${seq}"}` }))
  return new Batch(items, 12)
}

test.each([
  [0, ['user-8', 'user-10', 'user-11']],
  [7, ['user-8', 'user-10', 'user-11']],
  [8, ['user-10', 'user-11']],
  [10, ['user-11']],
  [11, []],
])('[V2 I6] a subscriber that was told change %i gets only what is newer, in order', (told, userIds) => {
  const texts = linesIn(newBatch().diff(told, newLineEncoder()))
  const users = userIds.map(userId => ({ userId }))
  expect(texts.map(text => JSON.parse(text))).toEqual([
    { type: 'presence_diff', prevSeq: told, seq: 12, users },
  ])
})

test.each([
  [7, ['ann', 'bob', 'eve']],
  [20, ['eve']],
  [25, ['eve']],
  [31, []],
])('[V2 I6] a subscriber that was told %i of a log gets each newer entry as a whole', (told, userIds) => {
  const items = [
    ['ann', 20],
    ['bob', 20],
    ['eve', 31],
  ].map(([userId, seq]) => ({ topic: undefined, seq: Number(seq), json: JSON.stringify({ userId }) }))
  const texts = linesIn(new Batch(items, 31).diff(told, newLineEncoder()))
  const users = userIds.map(userId => ({ userId }))
  expect(texts.map(text => JSON.parse(text))).toEqual([
    { type: 'presence_diff', prevSeq: told, seq: 31, users },
  ])
})

test('[F7] subscribers that were told the same get the same bytes, encoded once for each transport', () => {
  const batch = newBatch()
  const [one, other] = [newLineEncoder(), newLineEncoder()]
  const bytes = batch.diff(7, one)
  expect(batch.diff(7, one)).toBe(bytes)
  expect(batch.diff(8, one)).not.toBe(bytes)
  expect(batch.diff(7, other)).not.toBe(bytes)
  expect(batch.diff(7, one)).toBe(bytes)
  expect([one.calls.length, other.calls.length]).toEqual([2, 1])
})

test('[B8] the first three diffs for each transport may be compressed, and no others', () => {
  const batch = newBatch()
  const encoder = newLineEncoder()
  const diffs = [7, 8, 9, 10, 11].map(told => batch.diff(told, encoder))
  expect(encoder.shared).toEqual(diffs.slice(0, 3))
  batch.diff(7, encoder)
  expect(encoder.shared).toHaveLength(3)
  const other = newLineEncoder()
  batch.diff(11, other)
  expect(other.shared).toHaveLength(1)
})
