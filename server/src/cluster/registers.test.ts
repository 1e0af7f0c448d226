import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { RegisterItem, RegisterKey } from './entry.ts'
import { isRemoval } from './entry.ts'
import { joinValue, Registers } from './registers.ts'
import { register } from './testing/log.game.ts'

// Registers that are removed: the users were forgotten.

const T = 1_750_000_000_000
const REMEMBERED_MS = 120_000

const item = (key: RegisterKey, content: unknown, stamp = T): RegisterItem => [
  key,
  joinValue({ stamp, node: 'a', json: JSON.stringify(content) }),
]

function merged(items: readonly RegisterItem[], registers = new Registers()): Registers {
  registers.advance(T)
  for (const one of items) registers.merge(one, () => {})
  return registers
}

test('registers are those that Redis has after the same values, also if some were removed', () => {
  let removed = 0
  fc.assert(
    fc.property(fc.array(register, { size: 'large' }), items => {
      const redis = new Map<string, string>()
      const registers = new Registers()
      for (const one of items) {
        const [key, value] = one
        registers.merge(one, () => {})
        if (value <= (redis.get(key) ?? '')) continue
        if (isRemoval(value)) removed += Number(redis.delete(key))
        else redis.set(key, value)
        expect(new Map(registers)).toEqual(redis)
        expect([...registers.users()].toSorted()).toEqual(
          [
            ...new Set([...redis.keys()].flatMap(known => (/^[ns]/.test(known) ? [known.slice(2)] : []))),
          ].toSorted(),
        )
      }
    }),
    { numRuns: 300 },
  )
  expect(removed).toBeGreaterThan(100)
})

test('of two values with the same stamp the greater string wins, also if one node id begins with another one', () => {
  const values = ['', 'node1', 'node10'].map(node => joinValue({ stamp: T, node, json: '5' }))
  const greatest = values.toSorted().at(-1)
  for (const order of [values, values.toReversed()]) {
    const registers = merged(order.map(value => ['s:ann', value]))
    expect(registers.get('s:ann')).toBe(greatest)
  }
})

test('a removed register is said again in a new epoch, until it was read again or some time has passed', () => {
  const gone = item('n:ann', null, T + 1)
  const registers = merged([item('n:ann', 'Ann'), item('n:bob', 'Bob'), gone])
  registers.begin()
  expect([...registers.unrepeated()].toSorted()).toEqual(['n:ann', 'n:bob'])
  expect([registers.removed('n:ann'), registers.removed('n:bob')]).toEqual([gone[1], undefined])
  expect(registers.get('n:ann')).toBeUndefined()
  registers.merge(item('n:ann', null, T + 2), () => {})
  expect([...registers.unrepeated()]).toEqual(['n:bob'])
  registers.begin()
  registers.advance(T + REMEMBERED_MS - 1)
  expect(registers.removed('n:ann')).toBeDefined()
  registers.advance(T + REMEMBERED_MS)
  expect([...registers.unrepeated()]).toEqual(['n:bob'])
})

test('a register that has a value again is not said to be removed', () => {
  const registers = merged([item('c:ann', { status: 'busy' }), item('c:ann', null, T + 1)])
  registers.merge(item('c:ann', { status: 'away' }, T - 5), () => {})
  expect(registers.removed('c:ann')).toBeUndefined()
  registers.begin()
  expect([...registers.unrepeated()]).toEqual(['c:ann'])
})

test('what was not read again can be removed at once', () => {
  const registers = merged([item('n:ann', 'Ann'), item('s:ann', T), item('v:ann', {}), item('n:bob', 'Bob')])
  registers.begin()
  merged([item('n:bob', 'Bob'), item('s:ann', T)], registers)
  const told: string[] = []
  registers.dropUnrepeated((userId, kind) => told.push(`${kind}:${userId}`))
  expect(told.toSorted()).toEqual(['n:ann', 'v:ann'])
  expect(new Map(registers)).toEqual(new Map([item('n:bob', 'Bob'), item('s:ann', T)]))
})

test('[I9] after 100,000 users have come and were forgotten, the memory is that of before', () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const usedMb = () => {
    collect()
    return process.memoryUsage().heapUsed / 1e6
  }
  const registers = merged([item('n:ann', 'Ann'), item('s:ann', T)])
  const round = (from: number) => {
    for (let user = from; user < from + 100_000; user++) {
      registers.merge(item(`n:user-${user}`, `Name ${user}`), () => {})
      registers.merge(item(`s:user-${user}`, T), () => {})
    }
  }
  const forget = (from: number) => {
    for (let user = from; user < from + 100_000; user++) {
      for (const kind of ['n', 's'] as const)
        registers.merge(item(`${kind}:user-${user}`, null, T + 1), () => {})
    }
  }
  // The first round makes the code hot.
  round(0)
  forget(0)
  registers.advance(T + REMEMBERED_MS)
  const before = usedMb()
  registers.advance(T)
  round(100_000)
  const between = usedMb()
  forget(100_000)
  registers.advance(T + REMEMBERED_MS)
  expect(between - before).toBeGreaterThan(5)
  expect(usedMb() - before).toBeLessThan(2)
  expect(new Map(registers)).toEqual(new Map([item('n:ann', 'Ann'), item('s:ann', T)]))
})
