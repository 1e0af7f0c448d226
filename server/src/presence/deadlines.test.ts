import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Deadlines } from './deadlines.ts'

test('a new heap is empty', () => {
  const deadlines = new Deadlines<string>()
  expect(deadlines.size).toBe(0)
  expect(deadlines.next).toBe(Number.POSITIVE_INFINITY)
  expect(deadlines.take(Number.MAX_SAFE_INTEGER)).toBeUndefined()
})

test('an item is due at its time, not a millisecond before', () => {
  const deadlines = new Deadlines<string>()
  deadlines.add(10, 'a')
  expect(deadlines.take(9)).toBeUndefined()
  expect(deadlines.size).toBe(1)
  expect(deadlines.take(10)).toBe('a')
  expect(deadlines.take(10)).toBeUndefined()
})

test('[I9] random adds and takes give the same order as a sorted list, and an empty heap at the end', () => {
  const adds = fc.record({ add: fc.nat({ max: 50 }) })
  const takes = fc.record({ takeAt: fc.nat({ max: 60 }) })
  fc.assert(
    fc.property(fc.array(fc.oneof(adds, adds, takes), { size: 'max', maxLength: 200 }), steps => {
      const deadlines = new Deadlines<{ at: number }>()
      let sorted: { at: number }[] = []
      const is: unknown[] = []
      const should: unknown[] = []
      const atTheEnd = steps.map(() => ({ takeAt: 60 }))
      for (const step of [...steps, ...atTheEnd]) {
        if ('add' in step) {
          const item = { at: step.add }
          deadlines.add(step.add, item)
          sorted = [...sorted, item].sort((a, b) => a.at - b.at)
        } else {
          const item = deadlines.take(step.takeAt)
          const [first] = sorted
          // Items with the same deadline may come in any order, but each comes once.
          is.push(item?.at, item === undefined || sorted.includes(item))
          should.push(first && first.at <= step.takeAt ? first.at : undefined, true)
          sorted = sorted.filter(other => other !== item)
        }
        is.push(deadlines.size, deadlines.next)
        should.push(sorted.length, sorted[0]?.at ?? Number.POSITIVE_INFINITY)
      }
      expect(is).toEqual(should)
      expect(deadlines.size).toBe(0)
    }),
    { numRuns: 300 },
  )
})

test('100,000 items come out in order', () => {
  const deadlines = new Deadlines<number>()
  for (let n = 0; n < 100_000; n++) {
    const at = (n * 7_919) % 100_003
    deadlines.add(at, at)
  }
  let last = -1
  let ordered = 0
  for (let at = deadlines.take(200_000); at !== undefined; at = deadlines.take(200_000)) {
    if (at >= last) ordered++
    last = at
  }
  expect(ordered).toBe(100_000)
})
