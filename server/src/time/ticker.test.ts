import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { SystemClock } from './clock.ts'
import { Ticker } from './ticker.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] }))
afterEach(() => void vi.useRealTimers())

test('[R8 R11] the ticker reads the clock ten times a second, so that suspensions and jumps are detected', () => {
  const sources = { wall: 1_000_000, steady: 0 }
  const found: string[] = []
  const clock = new SystemClock(
    () => sources.wall,
    () => sources.steady,
  )
  clock.listen({
    suspended: ms => found.push(`suspended ${ms}`),
    jumped: ms => found.push(`jumped ${ms}`),
    corrected: ms => found.push(`corrected ${ms}`),
  })
  const ticks: [number, number][] = []
  const ticker = new Ticker(clock, (now, awake) => {
    found.push('tick')
    ticks.push([now, awake])
  })
  const tick = (ms: number, step = 0) => {
    sources.wall += ms + step
    sources.steady += ms
    vi.advanceTimersByTime(100)
  }
  ticker.start()
  ticker.start()
  tick(100)
  tick(15_000)
  tick(100, -3_600_000)
  expect(found).toEqual(['tick', 'suspended 15000', 'tick', 'jumped -3600000', 'tick'])
  expect(ticks).toEqual([
    [1_000_100, 100],
    [1_015_100, 100],
    [1_015_200 - 3_600_000, 200],
  ])
  ticker.stop()
  tick(100)
  expect(ticks).toHaveLength(3)
})
