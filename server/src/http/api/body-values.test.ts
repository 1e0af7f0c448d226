import fc from 'fast-check'
import { expect, test } from 'vitest'
import { hasMoreValues } from './body-values.ts'

/** The least number that a text does not exceed. */
function countOf(json: string): number {
  let most = 0
  while (hasMoreValues(Buffer.from(json), most)) most++
  return most
}

/** The number of values or of texts in something that was parsed, whichever is greater. */
function expectedOf(parsed: unknown): number {
  let [values, texts] = [0, 0]
  const add = (value: unknown): void => {
    if (typeof value === 'string') texts++
    if (typeof value !== 'object' || value === null) return
    const inner = Object.values(value)
    values += Math.max(1, inner.length)
    if (!Array.isArray(value)) texts += inner.length
    for (const one of inner) add(one)
  }
  add(parsed)
  return Math.max(values, texts)
}

test('[E4] the values and texts of a body are counted without parsing it', () => {
  expect(countOf('{"userIds":["a","b",3]}')).toBe(4)
  const text = fc.string({ unit: fc.constantFrom('"', '\\', ',', '[', '{', 'x', 'ä') })
  const { value } = fc.letrec(tie => ({
    value: fc.oneof({ maxDepth: 4 }, text, fc.integer(), tie('list'), tie('object')),
    list: fc.array(tie('value')),
    object: fc.dictionary(text, tie('value')),
  }))
  fc.assert(
    fc.property(value, value => {
      expect(countOf(JSON.stringify(value))).toBe(expectedOf(value))
    }),
  )
})

test('[E4] a body that is not JSON is counted too', () => {
  expect(countOf('')).toBe(0)
  expect(countOf('{"a":"never ends, not even [ here\\"')).toBe(2)
  expect(countOf('[[[[')).toBe(4)
  expect(countOf('""""""""')).toBe(4)
})
