import { seeded } from '@who-is-online/testing/random'
import { describe, expect, test } from 'vitest'
import {
  checkStart,
  contentOf,
  createState,
  flipped,
  type Outcome,
  Tally,
  truncated,
} from './testing/damage.ts'

/* A sample. damage.faults.test.ts tries every byte and thousands of bits. */
describe.for(['main and backup', 'main', 'journal'] as const)('damage to %s', places => {
  test('[I8] truncated files: no loss goes unreported', async () => {
    const state = await createState(places, 40)
    const tally = new Tally()
    for (const name of state.files.keys()) {
      const { length } = contentOf(state, name)
      const places = [
        0,
        1,
        2,
        length - 2,
        length - 1,
        ...Array.from({ length: 40 }, (_, step) => Math.floor((step * length) / 40)),
      ]
      for (const bytes of places)
        tally.add(await checkStart(state, truncated(state, name, bytes)), `${name} cut at ${bytes}`)
    }
    expect(tally.violations).toEqual([])
  })

  test('[I8] flipped bits: no loss goes unreported', async () => {
    const state = await createState(places, 40)
    const random = seeded(7)
    const tally = new Tally()
    for (const name of state.files.keys()) {
      for (let flip = 0; flip < 60; flip += 1) {
        const bit = Math.floor(random() * contentOf(state, name).length * 8)
        tally.add(await checkStart(state, flipped(state, name, bit)), `${name} bit ${bit}`)
      }
    }
    expect(tally.violations).toEqual([])
  })
})

test('control: a reader that starts with an empty state, or loses a user silently, is detected', async () => {
  const state = await createState('main', 10)
  const allButOne = new Map([...state.users].slice(1))
  const kinds: Outcome['kind'][] = []
  for (const users of [new Map(), allButOne, state.users]) {
    kinds.push((await checkStart(state, state.files, async () => ({ users, log: { errors: [] } }))).kind)
  }
  expect(kinds).toEqual(['violation', 'violation', 'complete'])
})
