import fc from 'fast-check'
import { expect, test } from 'vitest'
import { SortedList } from './sorted-list.ts'

interface Item {
  readonly id: number
  readonly weight: number
}

const compare = (a: Item, b: Item) => a.weight - b.weight || a.id - b.id

test('equals a sort of all items, after few and after many replacements', () => {
  const rounds = fc.array(
    fc.uniqueArray(fc.record({ id: fc.nat(400), weight: fc.option(fc.nat(20)) }), {
      selector: ({ id }) => id,
      maxLength: 300,
    }),
    { maxLength: 12 },
  )
  fc.assert(
    fc.property(rounds, steps => {
      const sorted = new SortedList(compare)
      const naive = new Map<number, Item>()
      for (const step of steps) {
        const replacements = step.map(({ id, weight }) => {
          const before = naive.get(id)
          const after = weight === null ? undefined : { id, weight }
          if (after) naive.set(id, after)
          else naive.delete(id)
          return { before, after }
        })
        sorted.replace(replacements)
        expect(sorted.items).toEqual([...naive.values()].sort(compare))
      }
    }),
    { numRuns: 300 },
  )
})
