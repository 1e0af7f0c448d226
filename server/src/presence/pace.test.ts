import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Pace, readyAt, type Spent, spend, UNPACED } from './pace.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')
const paces = fc.record({ burst: fc.integer({ min: 1, max: 10 }), everyMs: fc.integer({ min: 1, max: 50 }) })

test('a burst is allowed at once, the next one an interval later', () => {
  const pace: Pace = { burst: 10, everyMs: 3_000 }
  let spent: Spent = 0
  for (let n = 0; n < 10; n++) {
    expect(readyAt(pace, spent)).toBeLessThanOrEqual(NOW)
    spent = spend(pace, spent, NOW)
  }
  expect(readyAt(pace, spent)).toBe(NOW + 3_000)
  spent = spend(pace, spent, NOW + 3_000)
  expect(readyAt(pace, spent)).toBe(NOW + 6_000)
})

test('after a quiet time one burst is allowed, and no more', () => {
  const pace: Pace = { burst: 3, everyMs: 10 }
  let spent: Spent = 0
  for (const at of [0, 0, 0, 1_000, 1_000, 1_000]) {
    expect(readyAt(pace, spent)).toBeLessThanOrEqual(NOW + at)
    spent = spend(pace, spent, NOW + at)
  }
  expect(readyAt(pace, spent)).toBe(NOW + 1_010)
})

test('one that was counted too early delays the next one', () => {
  const pace: Pace = { burst: 1, everyMs: 10 }
  const twice = spend(pace, spend(pace, 0, NOW), NOW)
  expect(readyAt(pace, twice)).toBe(NOW + 20)
})

test.each([UNPACED, { burst: 1, everyMs: 0 }])(
  'without a rate limit everything is allowed at once: %o',
  pace => {
    let spent: Spent = 0
    for (let n = 0; n < 100; n++) {
      expect(readyAt(pace, spent)).toBeLessThanOrEqual(NOW)
      spent = spend(pace, spent, NOW)
    }
  },
)

test('[R6] one is allowed if and only if no time window has more than a burst plus one per interval', () => {
  fc.assert(
    fc.property(paces, fc.array(fc.nat({ max: 60 }), { size: 'max', maxLength: 80 }), (pace, gaps) => {
      const went: number[] = []
      const is: boolean[] = []
      const should: boolean[] = []
      let spent: Spent = 0
      let now = NOW
      for (const gap of gaps) {
        // Mostly short gaps, sometimes a long one.
        now += gap > 50 ? gap * 10 : gap % 4
        const fits = went.every((since, n) => {
          const withThisOne = went.length - n + 1
          return withThisOne <= pace.burst + Math.floor((now - since) / pace.everyMs)
        })
        is.push(readyAt(pace, spent) <= now)
        should.push(fits)
        if (!fits) continue
        spent = spend(pace, spent, now)
        went.push(now)
      }
      expect(is).toEqual(should)
    }),
    { numRuns: 500 },
  )
})
