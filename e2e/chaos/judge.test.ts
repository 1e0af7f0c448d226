import { expect, test } from 'vitest'
import { type Choice, missing } from './choices.ts'
import { Health } from './health.ts'
import { Judge } from './judge.ts'
import { forgotten, knownUsers } from './known.ts'

/** A judge and two observers that were told of Ann, who is there. */
function watched(): Judge {
  const judge = new Judge()
  for (const observer of ['one', 'two']) judge.synced(observer, new Map(), 0)
  judge.present('ann', 0)
  for (const observer of ['one', 'two']) judge.shown(observer, 'ann', 'online', 10)
  judge.tick(2_000, 0)
  return judge
}

const rules = (judge: Judge) => judge.violations.map(({ rule }) => rule)

test('who is there and is seen offline once is a violation of I2, by a change and by a state', () => {
  const changed = watched()
  changed.shown('two', 'ann', 'offline', 5_000)
  changed.shown('two', 'ann', 'online', 5_010)
  expect(rules(changed)).toEqual(['I2'])
  const restarted = watched()
  restarted.lost('one')
  restarted.started(6_000)
  restarted.synced('one', new Map([['ann', 'busy']]), 6_100)
  expect(rules(restarted)).toEqual([])
  restarted.lost('one')
  restarted.synced('one', new Map(), 9_000)
  expect(rules(restarted)).toEqual(['I2'])
})

test('who is not seen at all soon after coming is a violation of I2', () => {
  const judge = new Judge()
  judge.synced('one', new Map(), 0)
  judge.present('bob', 5_000)
  judge.tick(6_000, 0)
  expect(rules(judge)).toEqual([])
  judge.tick(7_000, 0)
  expect(rules(judge)).toEqual(['I2'])
})

for (const [how, bound] of [
  ['clean', 1_000],
  ['reset', 6_000],
  ['silent', 30_000],
] as const) {
  test(`who left (${how}) must be offline for all after ${bound} ms`, () => {
    const judge = watched()
    judge.left('ann', how, 10_000)
    judge.shown('one', 'ann', 'offline', 10_500)
    judge.tick(10_000 + bound - 1, 0)
    judge.tick(10_000 + bound + 300, 400)
    expect(rules(judge)).toEqual([])
    expect(judge.isGoneForAll('ann')).toBe(false)
    judge.tick(10_000 + bound + 400, 400)
    expect(rules(judge)).toEqual(['I1'])
    expect(judge.detections[how]).toEqual([500])
  })
}

test('who left and is seen again is a violation of I1, unless a restart came between', () => {
  const judge = watched()
  judge.left('ann', 'clean', 10_000)
  for (const observer of ['one', 'two']) judge.shown(observer, 'ann', 'offline', 10_100)
  judge.tick(11_000, 0)
  expect(judge.isGoneForAll('ann')).toBe(true)
  judge.shown('one', 'ann', 'online', 20_000)
  expect(rules(judge)).toEqual(['I1'])

  const restarted = watched()
  restarted.left('ann', 'reset', 10_000)
  restarted.started(12_000)
  restarted.tick(40_000, 0)
  expect(rules(restarted)).toEqual([])
  restarted.tick(43_001, 0)
  expect(rules(restarted)).toEqual(['I1'])
})

test('a leaving that was seen long before a crash is durable: the restart does not excuse the ghost', () => {
  const judge = watched()
  judge.left('ann', 'clean', 10_000)
  for (const observer of ['one', 'two']) judge.shown(observer, 'ann', 'offline', 10_100)
  judge.tick(11_000, 0)
  judge.lost('one')
  judge.started(15_000)
  judge.synced('one', new Map([['ann', 'online']]), 15_100)
  expect(rules(judge)).toEqual(['I1'])
})

test('who hides and is seen is a violation, and is counted once for all observers', () => {
  const judge = watched()
  judge.hidden('ann', 3_000)
  for (const observer of ['one', 'two']) judge.shown(observer, 'ann', 'offline', 3_100)
  judge.tick(5_000, 0)
  expect(rules(judge)).toEqual([])
  for (const observer of ['one', 'two']) judge.shown(observer, 'ann', 'online', 8_000)
  expect(rules(judge)).toEqual(['hidden'])
})

test('an observer without a connection is no witness', () => {
  const judge = watched()
  judge.left('ann', 'clean', 10_000)
  judge.lost('one')
  judge.shown('two', 'ann', 'offline', 10_100)
  judge.tick(12_000, 0)
  judge.shown('one', 'ann', 'online', 12_100)
  expect(rules(judge)).toEqual([])
  expect(judge.isGoneForAll('ann')).toBe(true)
})

test('a choice that was acknowledged 150 ms before a crash must be found, by its name and its text', () => {
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
  // Not acknowledged, and there all the same.
  expect(missing(choices, found(2, 'online'), how)).toBeUndefined()
  expect(missing(choices, found(0, 'busy'), how)).toMatch('choice 1 was durable, the name is name-0')
  expect(missing(choices, { status: 'offline', lastSeen: null }, how)).toMatch('the name is undefined')
  expect(missing(choices, { ...found(1, 'away'), text: 'text-0' }, how)).toMatch('the text is text-0')
  expect(missing(choices, found(1, 'online'), how)).toMatch('choice 1 was away')
  expect(missing(choices, found(0, 'busy'), { ...how, killedAt: 1_100 })).toBeUndefined()
  expect(missing([{ status: 'busy' }], found(0, 'busy'), how)).toBeUndefined()
})

test('who is not known any more is forgotten; a changed lastSeen counts while the clock is right', () => {
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

test('a process is unwell that answers late, uses its core for more than 10 s, or grows', () => {
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

test('after a suspension that clients have noticed, users whose line was lost may be held for the restart grace', () => {
  const judge = new Judge()
  judge.synced(
    'o',
    new Map([
      ['ann', 'online'],
      ['bob', 'online'],
      ['eve', 'online'],
    ]),
    0,
  )
  judge.left('ann', 'reset', 1_000)
  judge.resumed(3_000)
  judge.left('bob', 'reset', 4_000)
  judge.left('eve', 'clean', 4_000)
  judge.tick(33_000, 0)
  expect(judge.violations.map(({ text }) => text)).toEqual([expect.stringContaining('eve')])
  judge.tick(34_001, 0)
  expect(judge.violations).toHaveLength(3)
})
