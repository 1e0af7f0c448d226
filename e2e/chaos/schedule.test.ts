import { expect, test } from 'vitest'
import { count, describe, only, type Schedule, type Step, schedule } from './schedule.ts'

const SEEDS = Array.from({ length: 300 }, (_, seed) => seed)
const FIVE_MINUTES = 5 * 60_000

const endOf = ({ at, fault }: Step) =>
  at + ('forMs' in fault ? fault.forMs : 'outageMs' in fault ? fault.outageMs : 0)
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
      if (fault.do === 'kill' || fault.do === 'terminate') {
        expect(couldSaveMs, `seed ${seed}, ${step.at} ms`).toBeGreaterThanOrEqual(7_000)
        if (couldSaveMs < 15_000) close++
      }
      if (fault.do === 'fill' || fault.do === 'remove') couldSaveMs = 0
      before = endOf(step)
    }
  }
  // Enough cases were checked.
  expect(close).toBeGreaterThan(100)
})

test('the process is not suspended within 12 s after its start, while clients reconnect', () => {
  for (const seed of SEEDS) {
    let startedAt = Number.NEGATIVE_INFINITY
    for (const step of schedule(seed, FIVE_MINUTES)['process and data']) {
      if (step.fault.do === 'suspend')
        expect(step.at - startedAt, `seed ${seed}`).toBeGreaterThanOrEqual(12_000)
      if ('outageMs' in step.fault) startedAt = endOf(step)
    }
  }
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
    'close stderr',
    'close stdout',
    'close stdout and stderr',
    'fill data',
    'fill log',
    'kill',
    'remove data',
    'remove data and log',
    'remove log',
    'stall stderr',
    'stall stdout',
    'stall stdout and stderr',
    'suspend',
    'terminate',
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
