import { expect, test } from 'vitest'
import { lengthOf, restarts, setsClock } from './fault.ts'
import { count, describe, only, type Schedule, type Step, schedule } from './schedule.ts'

const SEEDS = Array.from({ length: 300 }, (_, seed) => seed)
const FIVE_MINUTES = 5 * 60_000

const ONE_MINUTE = 60_000

const endOf = ({ at, fault }: Step) => at + lengthOf(fault)
const stepsOf = (all: Schedule) => Object.values(all).flat()

test('a schedule depends only on the seed and the length', () => {
  expect(schedule(7, FIVE_MINUTES)).toEqual(schedule(7, FIVE_MINUTES))
  expect(describe(schedule(7, FIVE_MINUTES))).not.toEqual(describe(schedule(8, FIVE_MINUTES)))
})

test('faults of a lane do not overlap, and all are undone before the end', () => {
  for (const seed of SEEDS) {
    for (const lane of Object.values(schedule(seed, FIVE_MINUTES))) {
      for (const [index, step] of lane.entries()) {
        expect(endOf(step)).toBeLessThan(FIVE_MINUTES)
        const next = lane[index + 1]
        if (next) expect(next.at).toBeGreaterThan(endOf(step))
      }
    }
  }
})

test('the process is not ended within 7 s after a fault of its data, so that it can save again', () => {
  let close = 0
  for (const seed of SEEDS) {
    let couldSaveMs = Number.POSITIVE_INFINITY
    let before = 0
    for (const step of schedule(seed, FIVE_MINUTES)['process and data']) {
      const { fault } = step
      couldSaveMs += step.at - before
      if (restarts(fault)) {
        expect(couldSaveMs, `seed ${seed}, ${step.at} ms`).toBeGreaterThanOrEqual(7_000)
        if (couldSaveMs < 15_000) close++
      }
      if (fault.do === 'fill' || fault.do === 'remove') couldSaveMs = 0
      // During a sleep the process runs, and can save.
      before = fault.do === 'sleep' ? step.at : endOf(step)
    }
  }
  // Enough cases were checked.
  expect(close).toBeGreaterThan(100)
})

test('the process is not suspended, and its machine does not sleep, within 12 s after its start', () => {
  for (const seed of SEEDS) {
    let startedAt = Number.NEGATIVE_INFINITY
    for (const step of schedule(seed, FIVE_MINUTES)['process and data']) {
      if (step.fault.do === 'suspend' || step.fault.do === 'sleep')
        expect(step.at - startedAt, `seed ${seed}`).toBeGreaterThanOrEqual(12_000)
      if (restarts(step.fault)) startedAt = endOf(step)
    }
  }
})

test('faults that set the clock do not overlap, also in different lanes', () => {
  for (const seed of SEEDS) {
    const steps = stepsOf(schedule(seed, FIVE_MINUTES))
      .filter(({ fault }) => setsClock(fault))
      .toSorted((a, b) => a.at - b.at)
    for (const [index, step] of steps.entries()) {
      const next = steps[index + 1]
      if (next) expect(next.at, `seed ${seed}`).toBeGreaterThan(endOf(step))
    }
  }
})

test('a run of one minute has a start and a kill while the clock is wrong, and a sleep', () => {
  for (const seed of SEEDS) {
    const kinds = count(schedule(seed, ONE_MINUTE))
    for (const kind of ['wrong-start', 'wrong-kill', 'sleep'])
      expect(kinds[kind] ?? 0, `seed ${seed}: ${kind}`).toBeGreaterThan(0)
  }
})

test('small steps of the clock go forward and back by 1 to 5 s', () => {
  const offsets = SEEDS.flatMap(seed => schedule(seed, FIVE_MINUTES)['small clock steps']).map(({ fault }) =>
    fault.do === 'clock' ? fault.offset : Number.NaN,
  )
  expect([...new Set(offsets)].sort()).toEqual([-1, -2, -3, -4, -5, 1, 2, 3, 4, 5])
})

test('suspensions are between 5 and 40 s', () => {
  const lengths = SEEDS.flatMap(seed => stepsOf(schedule(seed, FIVE_MINUTES))).flatMap(({ fault }) =>
    fault.do === 'suspend' ? [fault.forMs] : [],
  )
  expect(Math.min(...lengths)).toBeGreaterThanOrEqual(5_000)
  expect(Math.max(...lengths)).toBeLessThanOrEqual(40_000)
  expect(Math.max(...lengths)).toBeGreaterThan(30_000)
})

test('five minutes contain most kinds of faults, and every kind occurs for some seed', () => {
  const kinds = new Set(SEEDS.flatMap(seed => Object.keys(count(schedule(seed, FIVE_MINUTES)))))
  expect([...kinds].sort()).toEqual([
    'clock +1 h',
    'clock +960 h',
    'clock -1 h',
    'clock -960 h',
    'clock 1970',
    'clock step',
    'close stderr',
    'close stdout',
    'close stdout and stderr',
    'fill data',
    'fill log',
    'kill',
    'remove data',
    'remove data and log',
    'remove log',
    'sleep',
    'stall stderr',
    'stall stdout',
    'stall stdout and stderr',
    'suspend',
    'terminate',
    'wrong-kill',
    'wrong-start',
  ])
  for (const seed of SEEDS) {
    expect(Object.keys(count(schedule(seed, FIVE_MINUTES))).length, `seed ${seed}`).toBeGreaterThan(14)
  }
})

test('leaving out some kinds does not move the others', () => {
  const all = schedule(3, FIVE_MINUTES)
  const kills = stepsOf(only(all, ['kill']))
  expect(kills).toEqual(stepsOf(all).filter(({ fault }) => fault.do === 'kill'))
  expect(kills.length).toBeGreaterThan(0)
})
