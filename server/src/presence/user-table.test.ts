import { expect, test } from 'vitest'
import { ownCopy, UserTable } from './user-table.ts'

interface Active {
  readonly userId: string
  readonly mood: string
}

const known = (...names: string[]) => {
  const known = new UserTable<Active>()
  for (const [index, name] of names.entries()) known.archive(name, index, undefined)
  return known
}
const ids = (known: UserTable<Active>) => Array.from(known, ({ userId }) => userId)

test('a user is a row or an object, and the table tells which', () => {
  const known = new UserTable<Active>()
  known.archive('ann', 1.5, 'Ann')
  expect(known.get('ann')).toEqual({ userId: 'ann', lastSeen: 1.5, username: 'Ann' })
  expect(known.active('ann')).toBeUndefined()
  const whole = { userId: 'ann', mood: 'fine' }
  known.put(whole)
  expect(known.get('ann')).toBe(whole)
  expect(known.active('ann')).toBe(whole)
  known.archive('ann', -7, undefined)
  expect(known.get('ann')).toEqual({ userId: 'ann', lastSeen: -7, username: undefined })
  expect([known.size, known.end]).toEqual([1, 1])
  for (const nobody of [known.get('bob'), known.active('bob'), known.at(1)]) expect(nobody).toBeUndefined()
})

test('any text can be an id', () => {
  const hostile = ['__proto__', 'constructor', '0', '-1', 'length', '\u{1F600}', 'e\u0301', '\u00e9', ' ']
  const all = known(...hostile)
  expect(ids(all)).toEqual(hostile)
  for (const [index, id] of hostile.entries()) expect(all.get(id)).toMatchObject({ lastSeen: index })
  for (const id of hostile) all.forget(id)
  expect(ids(all)).toEqual([])
})

test('[R16] a user keeps one position as a row and as an object, and a new user gets that of a forgotten one', () => {
  const all = known('ann', 'bob', 'eve')
  all.put({ userId: 'bob', mood: 'fine' })
  all.forget('ann')
  expect(all.at(0)).toBeUndefined()
  expect(all.at(1)).toMatchObject({ userId: 'bob' })
  all.archive('joe', 9, undefined)
  expect(all.at(0)).toEqual({ userId: 'joe', lastSeen: 9, username: undefined })
  all.archive('bob', 8, 'Bob')
  all.archive('ann', 7, undefined)
  expect(ids(all)).toEqual(['joe', 'bob', 'eve', 'ann'])
  expect([all.size, all.end]).toEqual([4, 4])
})

test('[R9] a user who gets the position of a forgotten user gets nothing else of that user', () => {
  const all = new UserTable<Active>()
  all.archive('bob', 1, undefined)
  all.archive('ann', 5, 'Ann')
  all.forget('ann')
  all.put({ userId: 'eve', mood: 'fine' })
  all.archive('eve', 6, undefined)
  expect(all.get('eve')).toEqual({ userId: 'eve', lastSeen: 6, username: undefined })
  expect(all.get('ann')).toBeUndefined()
  all.forget('nobody')
  expect(all.size).toBe(2)
})

test('[I9] when all users are forgotten there are no positions, and the next user gets the first one', () => {
  const all = known(...Array.from({ length: 1_000 }, (_, index) => `user ${index}`))
  for (let index = 999; index >= 0; index--) all.forget(`user ${index}`)
  expect([all.size, all.end, ids(all), all.next()]).toEqual([0, 0, [], undefined])
  for (const name of ['ann', 'bob']) all.archive(name, 1, undefined)
  expect([all.end, ids(all)]).toEqual([2, ['ann', 'bob']])
})

test('[I9] there are never more positions than users at one time', () => {
  const all = known('ann')
  for (let round = 0; round < 10_000; round++) {
    all.archive(`user ${round}`, round, 'name')
    if (round >= 9) all.forget(`user ${round - 9}`)
  }
  expect([all.size, all.end]).toEqual([10, 11])
})

test('each round includes all users who are known during the whole round', () => {
  const all = known('ann', 'bob', 'eve', 'joe')
  expect(all.next()?.userId).toBe('ann')
  all.forget('bob')
  all.forget('ann')
  all.archive('zoe', 1, undefined)
  all.put({ userId: 'joe', mood: 'fine' })
  expect(Array.from({ length: 5 }, () => all.next()?.userId)).toEqual(['eve', 'joe', 'zoe', 'eve', 'joe'])
})

test('users may come, change and go during an iteration', () => {
  const all = known('ann', 'bob', 'eve', 'joe')
  const met = []
  for (const { userId } of all) {
    met.push(userId)
    if (userId === 'bob') {
      all.forget('eve')
      all.forget('ann')
      all.put({ userId: 'joe', mood: 'fine' })
      all.archive('zoe', 1, undefined) // gets the position of ann, which was passed
      all.archive('kim', 1, undefined)
      all.archive('max', 1, undefined)
    }
  }
  expect(met).toEqual(['ann', 'bob', 'kim', 'joe', 'max'])
})

test('a copy of a text is the same text', () => {
  for (const text of ['', 'ann', '"\\ \u2028 \u{1F600}', 'x'.repeat(128), '\u0000'])
    expect(ownCopy(text)).toBe(text)
})
