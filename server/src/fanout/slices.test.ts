import { afterEach, expect, test, vi } from 'vitest'
import { SLICE_MS, Slices } from './slices.ts'

afterEach(() => vi.restoreAllMocks())

const nextTurn = () => new Promise(resolve => setImmediate(resolve))

/** A clock that only work moves, and tasks that each take so long and note their name. */
function workshop(taskMs: number) {
  let now = 0
  vi.spyOn(performance, 'now').mockImplementation(() => now)
  const done: unknown[] = []
  const task = (name: unknown) => () => {
    now += taskMs
    done.push(name)
  }
  return { done, task }
}

test('[F8] what fits into a slice is done at once; the rest has to wait for its turn, in order', async () => {
  const { done, task } = workshop(SLICE_MS / 2)
  const slices = new Slices()
  for (let n = 0; n < 7; n++) slices.do(task(n))
  expect(done).toEqual([0, 1])
  await nextTurn()
  expect(done).toEqual([0, 1, 2, 3])
  // A task that comes now comes last, though this turn had time left.
  slices.do(task('late'))
  expect(done).toEqual([0, 1, 2, 3])
  await nextTurn()
  await nextTurn()
  expect(done).toEqual([0, 1, 2, 3, 4, 5, 6, 'late'])
})

test('[F8] others have their turns between, as many as there are slices', async () => {
  const { done, task } = workshop(SLICE_MS)
  const slices = new Slices()
  const seen: number[] = []
  for (let n = 0; n < 5; n++) slices.do(task(n))
  while (done.length < 5) {
    seen.push(done.length)
    await nextTurn()
  }
  expect(seen).toEqual([1, 2, 3, 4])
})

test('[F8] a turn in which nothing is to be done is not taken from the next', async () => {
  const { done, task } = workshop(SLICE_MS)
  const slices = new Slices()
  slices.do(task('a'))
  await nextTurn()
  await nextTurn()
  slices.do(task('b'))
  expect(done).toEqual(['a', 'b'])
})

test('[F8] one task may ask for the next', async () => {
  const { done, task } = workshop(1)
  const slices = new Slices()
  slices.do(() => slices.do(task('inner')))
  await nextTurn()
  expect(done).toEqual(['inner'])
})
