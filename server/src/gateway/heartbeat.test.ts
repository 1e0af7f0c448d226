import { expect, test } from 'vitest'
import { SystemClock } from '../time/clock.ts'
import { Heartbeat } from './heartbeat.ts'

const T = 1_000_000
const client = () => ({ heardAt: T })

function watch(random = 0.5) {
  const heartbeat = new Heartbeat<ReturnType<typeof client>>({
    pingMs: 15_000,
    pongTimeoutMs: 8_000,
    random: () => random,
  })
  const one = client()
  heartbeat.add(one, T)
  return { heartbeat, one }
}

test('[H1] a quiet connection is pinged, and one that stays quiet is silent after the pong timeout', () => {
  const { heartbeat, one } = watch()
  expect(heartbeat.advance(T + 7_499)).toEqual({ ping: [], silent: [] })
  expect(heartbeat.advance(T + 7_500)).toEqual({ ping: [one], silent: [] })
  expect(heartbeat.advance(T + 15_499)).toEqual({ ping: [], silent: [] })
  expect(heartbeat.advance(T + 15_500)).toEqual({ ping: [], silent: [one] })
  expect(heartbeat.size).toBe(0)
  expect(heartbeat.advance(T + 1_000_000)).toEqual({ ping: [], silent: [] })
})

test('[H2] any frame answers a ping, and delays the next one', () => {
  const { heartbeat, one } = watch()
  heartbeat.advance(T + 7_500)
  one.heardAt = T + 7_600
  expect(heartbeat.advance(T + 15_500).silent).toEqual([])
  expect(heartbeat.advance(T + 22_599).ping).toEqual([])
  one.heardAt = T + 20_000
  expect(heartbeat.advance(T + 34_999).ping).toEqual([])
  expect(heartbeat.advance(T + 35_000).ping).toEqual([one])
})

test('[H3] the time of a suspension does not count', () => {
  const sources = { wall: T, steady: 0 }
  const clock = new SystemClock(
    () => sources.wall,
    () => sources.steady,
  )
  const pass = (ms: number) => {
    sources.wall += ms
    for (let left = ms; left > 0; left -= 100) {
      sources.steady += Math.min(100, left)
      clock.awake()
    }
  }
  const heartbeat = new Heartbeat({ pingMs: 15_000, pongTimeoutMs: 8_000, random: () => 0.5 })
  const one = { heardAt: clock.awake() }
  heartbeat.add(one, one.heardAt)
  pass(7_500)
  expect(heartbeat.advance(clock.awake()).ping).toEqual([one])
  sources.steady += 60_000
  expect(heartbeat.advance(clock.awake())).toEqual({ ping: [], silent: [] })
  pass(7_999)
  expect(heartbeat.advance(clock.awake())).toEqual({ ping: [], silent: [] })
  pass(1)
  expect(heartbeat.advance(clock.awake())).toEqual({ ping: [], silent: [one] })
})

test('[H4] a silent connection is found within 24.5 s and one tick, for all random numbers', () => {
  for (const random of [0, 0.3, 0.999]) {
    const { heartbeat, one } = watch(random)
    let found = Number.POSITIVE_INFINITY
    one.heardAt = T + 15_000
    for (let at = T; at < T + 60_000; at += 100) {
      if (heartbeat.advance(at).silent.length > 0) found = Math.min(found, at - one.heardAt)
      if (at < T + 15_000) one.heardAt = at
    }
    expect(found).toBeLessThanOrEqual(24_600)
  }
})

test('[H5] a connection that was removed is neither pinged nor silent', () => {
  const { heartbeat, one } = watch()
  heartbeat.remove(one)
  expect(heartbeat.advance(T + 60_000)).toEqual({ ping: [], silent: [] })
})
