import { expect, test } from 'vitest'
import { type Choice, crashed, missing } from './choices.ts'
import { Health } from './health.ts'
import { InvariantChecker } from './invariants.ts'
import { forgotten, knownUsers } from './known-users.ts'
import { wrongLastSeen } from './last-seen.ts'
import { ServerClock } from './server-clock.ts'

/** A checker with two observers who see that Ann is online. */
function checkerWithAnn(): InvariantChecker {
  const checker = new InvariantChecker()
  for (const observer of ['one', 'two']) checker.synced(observer, new Map(), 0)
  checker.present('ann', 0)
  for (const observer of ['one', 'two']) checker.shown(observer, 'ann', 'online', 10)
  checker.tick(2_000, 0)
  return checker
}

const rules = (checker: InvariantChecker) => checker.violations.map(({ rule }) => rule)

test('a connected user who is seen offline once violates I2, in a change and in a state', () => {
  const changed = checkerWithAnn()
  changed.shown('two', 'ann', 'offline', 5_000)
  changed.shown('two', 'ann', 'online', 5_010)
  expect(rules(changed)).toEqual(['I2'])
  const restarted = checkerWithAnn()
  restarted.lost('one')
  restarted.started(6_000)
  restarted.synced('one', new Map([['ann', 'busy']]), 6_100)
  expect(rules(restarted)).toEqual([])
  restarted.lost('one')
  restarted.synced('one', new Map(), 9_000)
  expect(rules(restarted)).toEqual(['I2'])
})

test('a user who is not seen soon after connecting violates I2', () => {
  const checker = new InvariantChecker()
  checker.synced('one', new Map(), 0)
  checker.present('bob', 5_000)
  checker.tick(6_000, 0)
  expect(rules(checker)).toEqual([])
  checker.tick(7_000, 0)
  expect(rules(checker)).toEqual(['I2'])
})

for (const [how, bound] of [
  ['clean', 1_000],
  ['reset', 6_000],
  ['silent', 30_000],
] as const) {
  test(`a user who left (${how}) must be offline for all observers after ${bound} ms`, () => {
    const checker = checkerWithAnn()
    checker.left('ann', how, 10_000)
    checker.shown('one', 'ann', 'offline', 10_500)
    checker.tick(10_000 + bound - 1, 0)
    checker.tick(10_000 + bound + 300, 400)
    expect(rules(checker)).toEqual([])
    expect(checker.isOfflineForAll('ann')).toBe(false)
    checker.tick(10_000 + bound + 400, 400)
    expect(rules(checker)).toEqual(['I1'])
    expect(checker.detections[how]).toEqual([500])
  })
}

test('a user who left and is seen online again violates I1, unless the server restarted', () => {
  const checker = checkerWithAnn()
  checker.left('ann', 'clean', 10_000)
  for (const observer of ['one', 'two']) checker.shown(observer, 'ann', 'offline', 10_100)
  checker.tick(11_000, 0)
  expect(checker.isOfflineForAll('ann')).toBe(true)
  checker.shown('one', 'ann', 'online', 20_000)
  expect(rules(checker)).toEqual(['I1'])

  const restarted = checkerWithAnn()
  restarted.left('ann', 'reset', 10_000)
  restarted.started(12_000)
  restarted.tick(40_000, 0)
  expect(rules(restarted)).toEqual([])
  restarted.tick(43_001, 0)
  expect(rules(restarted)).toEqual(['I1'])
})

test('a user whose leaving was seen long before a crash must stay offline after the restart', () => {
  const checker = checkerWithAnn()
  checker.left('ann', 'clean', 10_000)
  for (const observer of ['one', 'two']) checker.shown(observer, 'ann', 'offline', 10_100)
  checker.tick(11_000, 0)
  checker.lost('one')
  checker.started(15_000)
  checker.synced('one', new Map([['ann', 'online']]), 15_100)
  expect(rules(checker)).toEqual(['I1'])
})

test('a user who came shortly before a crash may be unknown until the restart grace is over', () => {
  const checker = checkerWithAnn()
  checker.present('bob', 5_500)
  checker.started(6_000)
  checker.synced('one', new Map([['ann', 'online']]), 6_100)
  checker.tick(9_000, 0)
  expect(rules(checker)).toEqual([])
  checker.tick(6_000 + 31_000 + 1_500, 0)
  expect(checker.violations.map(({ text }) => text)).toEqual([expect.stringContaining('bob')])
})

test('a hidden user who is seen is a violation, counted once for all observers', () => {
  const checker = checkerWithAnn()
  checker.hidden('ann', 3_000)
  for (const observer of ['one', 'two']) checker.shown(observer, 'ann', 'offline', 3_100)
  checker.tick(5_000, 0)
  expect(rules(checker)).toEqual([])
  for (const observer of ['one', 'two']) checker.shown(observer, 'ann', 'online', 8_000)
  expect(rules(checker)).toEqual(['hidden'])
})

test('observations of a disconnected observer are ignored', () => {
  const checker = checkerWithAnn()
  checker.left('ann', 'clean', 10_000)
  checker.lost('one')
  checker.shown('two', 'ann', 'offline', 10_100)
  checker.tick(12_000, 0)
  checker.shown('one', 'ann', 'online', 12_100)
  expect(rules(checker)).toEqual([])
  expect(checker.isOfflineForAll('ann')).toBe(true)
})

test('a choice acknowledged 150 ms before a crash must be found, with its name and text', () => {
  const choices: Choice[] = [
    { status: 'busy', acknowledgedAt: 100 },
    { status: 'away', acknowledgedAt: 1_000 },
    { status: 'online' },
  ]
  const found = (n: number, status: string) => ({
    status,
    lastSeen: null,
    username: `name-${n}`,
    text: `text-${n}`,
  })
  const how = { killedAt: 2_000, hasText: true, isBack: false }
  expect(missing(choices, found(1, 'away'), how)).toBeUndefined()
  // Not acknowledged, but found: allowed.
  expect(missing(choices, found(2, 'online'), how)).toBeUndefined()
  expect(missing(choices, found(0, 'busy'), how)).toMatch('choice 1 was durable, the name is name-0')
  expect(missing(choices, { status: 'offline', lastSeen: null }, how)).toMatch('the name is undefined')
  expect(missing(choices, { ...found(1, 'away'), text: 'text-0' }, how)).toMatch('the text is text-0')
  expect(missing(choices, found(1, 'online'), how)).toMatch('choice 1 was away')
  expect(missing(choices, found(0, 'busy'), { ...how, killedAt: 1_100 })).toBeUndefined()
  expect(missing([{ status: 'busy' }], found(0, 'busy'), how)).toBeUndefined()
})

test('a choice acknowledged less than 150 ms before a crash may stay lost after it', () => {
  const choices: Choice[] = [
    { status: 'busy', acknowledgedAt: 1_000 },
    { status: 'away', acknowledgedAt: 1_900 },
  ]
  const older = { status: 'busy', lastSeen: null, username: 'name-0', text: 'text-0' }
  const later = { killedAt: 60_000, hasText: true, isBack: false }
  expect(missing(choices, older, later)).toMatch('choice 1 was durable')
  crashed(choices, 2_000)
  expect(missing(choices, older, later)).toBeUndefined()
  expect(missing(choices, { status: 'offline', lastSeen: null }, later)).toMatch('choice 0 was durable')
})

test('an unknown user counts as forgotten; lastSeen is compared only while the clock is right', () => {
  const known = knownUsers(10, Date.parse('2026-06-01T00:00:00.000Z'))
  expect([...known.values()].at(-1)).toBe('2026-05-03T00:00:00.000Z')
  const found = new Map([...known].map(([id, lastSeen]) => [id, { status: 'offline', lastSeen }]))
  expect(forgotten(known, found, true)).toEqual([])
  found.set('known-3', { status: 'offline', lastSeen: '1970-01-01T00:00:10.000Z' })
  expect(forgotten(known, found, false)).toEqual([])
  expect(forgotten(known, found, true)).toHaveLength(1)
  found.delete('known-9')
  expect(forgotten(known, found, false)).toEqual([expect.stringContaining('known-9')])
})

test('a process has a problem if it responds late, uses a whole core for more than 10 s, or grows', () => {
  const health = new Health()
  expect(health.answered(1_900, 0)).toBeUndefined()
  expect(health.answered(2_100, 200)).toBeUndefined()
  expect(health.answered(2_100, 0)).toMatch('took 2100 ms')
  const busy = Array.from({ length: 30 }, (_, second) => health.used(second === 15 ? 500 : 1_000, 1_000))
  expect(busy.filter(problem => problem !== undefined)).toHaveLength(2)
  expect(busy.findIndex(problem => problem !== undefined)).toBe(10)
  expect(health.resident(100 * 1024 * 1024)).toBeUndefined()
  expect(health.resident(500 * 1024 * 1024)).toMatch('500 MiB')
  expect(health.mostBytes).toBe(500 * 1024 * 1024)
})

test('after a suspension that clients can notice, users with a lost connection may be held for the restart grace', () => {
  const checker = new InvariantChecker()
  checker.synced(
    'o',
    new Map([
      ['ann', 'online'],
      ['bob', 'online'],
      ['eve', 'online'],
    ]),
    0,
  )
  checker.left('ann', 'reset', 1_000)
  checker.resumed(3_000)
  checker.left('bob', 'reset', 4_000)
  checker.left('eve', 'clean', 4_000)
  checker.tick(33_000, 0)
  expect(checker.violations.map(({ text }) => text)).toEqual([expect.stringContaining('eve')])
  checker.tick(34_001, 0)
  expect(checker.violations).toHaveLength(3)
})

test('a user who left on purpose when the server was killed is held like one with a lost connection', () => {
  const checker = new InvariantChecker()
  checker.synced('o', new Map([['ann', 'online']]), 0)
  checker.left('ann', 'clean', 1_000)
  checker.shown('o', 'ann', 'offline', 1_100)
  checker.started(1_500)
  checker.synced('o', new Map([['ann', 'online']]), 1_600)
  checker.resumed(20_000)
  checker.tick(50_999, 0)
  expect(checker.violations).toEqual([])
  checker.tick(51_001, 0)
  expect(checker.violations.map(({ text }) => text)).toEqual([expect.stringContaining('ann')])
})

test('after a jump of the clock forward, users with a lost connection may be held for the restart grace', () => {
  const jumps: string[] = []
  const clock = new ServerClock(
    seconds => jumps.push(`set ${seconds}`),
    () => jumps.push('jumped'),
  )
  clock.set(-5)
  clock.set(0)
  clock.set(9)
  clock.set(-3_600)
  clock.set(0)
  clock.sleep(30)
  clock.set(3_600)
  expect(jumps).toEqual([
    'set -5',
    'set 0',
    'set 9',
    'set -3600',
    'set 0',
    'jumped',
    'set 30',
    'jumped',
    'set 3630',
    'jumped',
  ])
  expect(clock.isRight).toBe(false)
  clock.set(5)
  expect(clock.isRight).toBe(true)
  expect(clock.now() - Date.now()).toBeCloseTo(30_000, -2)
})

test('a connected user who is seen offline after a sleep is attributed to the sleep, for 15 s', () => {
  const checker = checkerWithAnn()
  checker.slept(10_000)
  checker.shown('two', 'ann', 'offline', 15_100)
  checker.shown('two', 'ann', 'online', 15_110)
  checker.shown('two', 'ann', 'offline', 25_000)
  expect(rules(checker)).toEqual(['sleep', 'I2'])
})

test('lastSeen must be near the time at which the user was last present', () => {
  const at = (seconds: number) => ({ lastSeen: new Date(1_800_000_000_000 + seconds * 1_000).toISOString() })
  const seen = { from: 1_800_000_000_000, to: 1_800_000_010_000 }
  for (const seconds of [-7, 0, 10, 17]) expect(wrongLastSeen(seen, at(seconds))).toBeUndefined()
  expect(wrongLastSeen(seen, at(-3_600))).toMatch('3593.0 s too early')
  expect(wrongLastSeen(seen, at(40 * 24 * 3_600))).toMatch('3455983.0 s too late')
  expect(wrongLastSeen(seen, { lastSeen: null })).toMatch('the server says null')
  expect(wrongLastSeen(null, { lastSeen: null })).toBeUndefined()
  expect(wrongLastSeen(null, at(0))).toMatch('never seen')
})

test('after a start with a clock that is ahead unnoticed, a sleep and the time until the next start are allowed for, and no more', () => {
  const clock = new ServerClock(
    () => {},
    () => {},
  )
  const startsAt = (seconds: number | '1970') => {
    clock.set(seconds)
    clock.starts()
    clock.started(10_000)
    clock.set(0)
  }
  // The server notices all other wrong clocks at the start.
  for (const seconds of [0, 5, -3_600, 40 * 86_400, '1970'] as const) {
    startsAt(seconds)
    clock.sleep(80)
    expect(clock.tooLateMs).toBe(0)
  }
  startsAt(3_600)
  expect(clock.tooLateMs).toBe(0)
  clock.sleep(80)
  // A sleep of the next process adds nothing. What the previous one has stored stays too late.
  startsAt(0)
  clock.sleep(80)
  expect(clock.tooLateMs).toBe(90_000)
  const seen = { from: 1_800_000_000_000, to: 1_800_000_010_000 }
  const at = (seconds: number) => ({ lastSeen: new Date(1_800_000_000_000 + seconds * 1_000).toISOString() })
  for (const seconds of [-7, 97]) expect(wrongLastSeen(seen, at(seconds), 80_000)).toBeUndefined()
  expect(wrongLastSeen(seen, at(98))).toMatch('81.0 s too late')
  expect(wrongLastSeen(seen, at(98), 80_000)).toMatch('1.0 s too late')
  expect(wrongLastSeen(seen, at(-8), 80_000)).toMatch('1.0 s too early')
})
