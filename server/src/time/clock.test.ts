import { expect, test } from 'vitest'
import { SystemClock } from './clock.ts'

/** A clock whose two time sources a test sets, and the events that it reported. */
function newClock() {
  const sources = { wall: 1_000_000, steady: 500 }
  const clock = new SystemClock(
    () => sources.wall,
    () => sources.steady,
  )
  const found: string[] = []
  clock.listen({
    suspended: (ms, now) => found.push(`suspended ${ms} until ${now}`),
    jumped: (ms, now) => found.push(`jumped ${ms} to ${now}`),
    corrected: ms => found.push(`corrected ${ms}`),
  })
  const pass = (ms: number, step = 0) => {
    sources.wall += ms + step
    sources.steady += ms
  }
  return { clock, found, pass }
}

test('[R11] now() follows small corrections without going back', () => {
  const { clock, found, pass } = newClock()
  const after = (ms: number, step = 0) => {
    pass(ms, step)
    return clock.now()
  }
  expect(after(10)).toBe(1_000_010)
  expect(after(10, 2_000)).toBe(1_002_020)
  expect(after(10, -1_000)).toBe(1_002_025)
  expect(after(900)).toBe(1_002_475)
  expect(after(900)).toBe(1_002_925)
  expect(after(900)).toBe(1_003_730)
  expect(found).toEqual([
    'corrected 2000',
    'corrected -5',
    'corrected -450',
    'corrected -450',
    'corrected -95',
  ])
})

test.each([4_500, -4_500])(
  '[R11] the reported parts of a small correction of %d ms add up to it',
  async step => {
    const sources = { wall: 1_000_000, steady: 0 }
    const clock = new SystemClock(
      () => Math.floor(sources.wall),
      () => sources.steady,
    )
    let corrected = 0
    const never = () => expect.unreachable()
    clock.listen({ suspended: never, jumped: never, corrected: ms => (corrected += ms) })
    const start = clock.now() - clock.awake()
    sources.wall += step
    for (let read = 0; read < 4_000; read++) {
      sources.wall += 7.3
      sources.steady += 7.3
      const awake = clock.now() - start - corrected
      expect(Math.abs(awake - clock.awake())).toBeLessThan(7)
    }
    expect(Math.abs(corrected - step)).toBeLessThan(7)
  },
)

test.each([3_600_000, -3_600_000, 40 * 86_400_000, -1_000_000, 5_001, -5_001])(
  '[R11] now() follows a jump of %d ms at once, the jump is reported, and durations do not change',
  jump => {
    const { clock, found, pass } = newClock()
    pass(100)
    expect([clock.now(), clock.awake()]).toEqual([1_000_100, 100])
    pass(50, jump)
    expect(clock.awake()).toBe(150)
    expect(found).toEqual([])
    expect(clock.now()).toBe(1_000_150 + jump)
    pass(50)
    expect([clock.now(), clock.awake()]).toEqual([1_000_200 + jump, 200])
    expect(found).toEqual([`jumped ${jump} to ${1_000_150 + jump}`])
  },
)

test('[R11] reading durations often does not delay a correction of now()', () => {
  const { clock, pass } = newClock()
  pass(0, -2_000)
  for (let read = 0; read < 400; read++) {
    pass(10)
    clock.awake()
  }
  // Half speed for 4 s makes up for a step of 2 s.
  expect(clock.now()).toBe(1_002_000)
  pass(100)
  expect(clock.now()).toBe(1_002_100)
})

test('[R8 H3] awake() excludes a suspension, and the suspension is reported before awake() returns', () => {
  const { clock, found, pass } = newClock()
  pass(900)
  expect(clock.awake()).toBe(900)
  pass(15_000)
  expect(clock.now()).toBe(1_015_900)
  expect(clock.awake()).toBe(900)
  expect(clock.steady()).toBe(15_900)
  pass(999)
  expect(clock.awake()).toBe(1_899)
  pass(2_000)
  expect(clock.awake()).toBe(1_899)
  expect(found).toEqual(['suspended 15000 until 1015900', 'suspended 2000 until 1018899'])
})

test('[R8] a machine that slept with its steady clock stopped: the wall clock jumps, durations do not change', () => {
  const { clock, found, pass } = newClock()
  pass(100, 7_200_000)
  expect([clock.awake(), clock.now()]).toEqual([100, 8_200_100])
  expect(found).toEqual(['jumped 7200000 to 8200100'])
})

test('a listener may read the clock', () => {
  const sources = { wall: 0, steady: 0 }
  const clock = new SystemClock(
    () => sources.wall,
    () => sources.steady,
  )
  const heard: number[] = []
  clock.listen({
    suspended: () => heard.push(clock.awake()),
    jumped: () => heard.push(clock.now()),
    corrected: () => heard.push(clock.now()),
  })
  sources.wall = 100_000
  expect(clock.now()).toBe(100_000)
  sources.wall = 200_000
  sources.steady = 100_000
  expect(clock.awake()).toBe(0)
  expect(heard).toEqual([100_000, 0])
})
