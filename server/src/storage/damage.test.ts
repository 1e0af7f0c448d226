import { seeded } from '@who-is-online/testing/random'
import { describe, expect, test } from 'vitest'
import { contentOf, cutOff, flipped, judge, leave, type Outcome, Tally } from './testing/damage.ts'

/* A sample; every byte and thousands of bits are in damage.faults.test.ts. */
describe.for(['main and backup', 'main', 'journal'] as const)('damage to %s', places => {
  test('[I8] files cut off here and there: nothing is lost in silence', async () => {
    const left = await leave(places, 40)
    const tally = new Tally()
    for (const name of left.files.keys()) {
      const { length } = contentOf(left, name)
      const places = [
        0,
        1,
        2,
        length - 2,
        length - 1,
        ...Array.from({ length: 40 }, (_, step) => Math.floor((step * length) / 40)),
      ]
      for (const bytes of places)
        tally.add(await judge(left, cutOff(left, name, bytes)), `${name} cut at ${bytes}`)
    }
    expect(tally.violations).toEqual([])
  })

  test('[I8] flipped bits: nothing is lost in silence', async () => {
    const left = await leave(places, 40)
    const random = seeded(7)
    const tally = new Tally()
    for (const name of left.files.keys()) {
      for (let flip = 0; flip < 60; flip += 1) {
        const bit = Math.floor(random() * contentOf(left, name).length * 8)
        tally.add(await judge(left, flipped(left, name, bit)), `${name} bit ${bit}`)
      }
    }
    expect(tally.violations).toEqual([])
  })
})

test('control: a reader that starts with nobody, or loses somebody in silence, is caught', async () => {
  const left = await leave('main', 10)
  const allButOne = new Map([...left.users].slice(1))
  const kinds: Outcome['kind'][] = []
  for (const users of [new Map(), allButOne, left.users]) {
    kinds.push((await judge(left, left.files, async () => ({ users, log: { errors: [] } }))).kind)
  }
  expect(kinds).toEqual(['violation', 'violation', 'whole'])
})
