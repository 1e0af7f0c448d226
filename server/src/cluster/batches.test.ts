import { expect, test } from 'vitest'
import { Batches } from './batches.ts'
import type { Place } from './entry.ts'

const EPOCH = 1_000

function at(seq: number, epoch = EPOCH): Place {
  return { epoch, seq }
}

/** Batches that have landed at these places, and were not read back. */
function landedAt(...places: readonly Place[]): Batches {
  const batches = new Batches()
  for (const [i, place] of places.entries()) {
    const sent = { id: i, batch: i + 1, kind: 'say', assertion: 0, subject: undefined, from: at(0) } as const
    batches.send(sent)
    batches.landed(sent, place, { kicks: [`user-${i + 1}`] })
  }
  return batches
}

function lost(batches: Batches, passed: Place): number[] {
  return batches.takeLost(passed).map(({ batch }) => batch)
}

test('a batch is lost when its place is passed without it', () => {
  const batches = landedAt(at(5), at(7))
  expect([lost(batches, at(4)), lost(batches, at(5)), lost(batches, at(5))]).toEqual([[], [1], []])
  expect(batches.takeLost(at(0, EPOCH + 1))).toMatchObject([{ batch: 2, said: { kicks: ['user-2'] } }])
})

test('negative control: a batch that is found at its place is not lost', () => {
  const batches = landedAt(at(5), at(7))
  for (const [batch, seq] of [
    [1, 5],
    [2, 7],
  ] as const) {
    batches.found(batch)
    expect(lost(batches, at(seq))).toEqual([])
    batches.readBack(batch)
    expect(batches.takePlaced()).toBe(batch)
  }
  expect(lost(batches, at(99))).toEqual([])
})

test('[N5] a batch is lost when a later one is read before its place: Redis has gone back', () => {
  const batches = landedAt(at(5), at(100), at(101))
  batches.found(1)
  expect(lost(batches, at(5))).toEqual([])
  // Batch 4 has landed at 6, and its answer has not come.
  batches.found(4)
  expect(lost(batches, at(6))).toEqual([2, 3])
})

test('[N5] a batch is lost when a later one lands at its place or before it: Redis has gone back', () => {
  expect(lost(landedAt(at(100), at(92)), at(90))).toEqual([1])
  expect(lost(landedAt(at(100), at(100)), at(90))).toEqual([1])
  expect(lost(landedAt(at(100), at(101)), at(90))).toEqual([])
})

test('what was appended in the epoch that was loaded is not lost', () => {
  const batches = landedAt(at(5), at(6), at(2_000, 2_000))
  batches.loaded(EPOCH)
  expect(lost(batches, at(9))).toEqual([])
  expect(lost(batches, at(2_000, 2_000))).toEqual([3])
})
