import { expect, test } from 'vitest'
import { type Holder, Pool } from './pool.ts'

/** Takes one at a time for as long as the pool allows it. Returns how much that was. */
function takeAll(pool: Pool, holder: Holder): number {
  let taken = 0
  while (!pool.refusalOf(1, holder)) {
    pool.take(1, holder)
    taken++
  }
  return taken
}

const newPool = (size: number) => new Pool('MAX_WATCHED_IDS', size)
const user = (userId: string): Holder => ({ userId, address: undefined })
const users = (count: number) => Array.from({ length: count }, (_, n) => user(`u${n}`))
const NOT_COUNTED: Holder = { address: undefined }

const share = (of: 'this user' | 'this address', left: number) => ({
  limit: 'MAX_WATCHED_IDS_SHARE',
  of,
  left,
})

test('[L10] one user or one address gets at most three quarters, and each further one half of what it finds', () => {
  const pool = newPool(1_200)
  expect(takeAll(pool, user('ann'))).toBe(900)
  expect(takeAll(pool, { userId: 'bob', address: '8.8.8.8' })).toBe(150)
  expect(takeAll(pool, { userId: 'eve', address: '8.8.8.8' })).toBe(0)
  expect(takeAll(pool, { address: '9.9.9.9' })).toBe(75)
  expect(pool.refusalOf(1, user('ann'))).toEqual(share('this user', 0))
  expect(pool.refusalOf(1, { address: '8.8.8.8' })).toEqual(share('this address', 0))
  expect(pool.refusalOf(76, user('joe'))).toEqual(share('this user', 38))
  expect(pool.refusalOf(38, user('joe'))).toBeUndefined()
})

test('[L10] one large request gets no more than many small ones, and the refusal says how much that is', () => {
  const pool = newPool(1_000)
  expect(pool.refusalOf(1_000, user('ann'))).toEqual(share('this user', 750))
  pool.take(750, user('ann'))
  expect(pool.refusalOf(250, { address: '8.8.8.8' })).toEqual(share('this address', 125))
  expect(pool.refusalOf(125, { address: '8.8.8.8' })).toBeUndefined()
})

/** How much a holder may take one at a time, in the words of the rule. */
function oneByOne(size: number, held: number, byOthers: number): number {
  for (let taken = 0; ; taken++) {
    const left = size - held - byOthers - taken
    const isEnough = left - 1 >= size / 4 || held + taken < left
    if (left === 0 || !isEnough) return taken
  }
}

test('[L10] in each state, exactly as much may be taken at once as one at a time', () => {
  for (let size = 1; size <= 24; size++) {
    for (let held = 0; held <= size; held++) {
      for (let byOthers = 0; held + byOthers <= size; byOthers++) {
        const pool = newPool(size)
        pool.take(held, user('ann'))
        pool.take(byOthers, NOT_COUNTED)
        const most = oneByOne(size, held, byOthers)
        expect(pool.refusalOf(most, user('ann'))).toBeUndefined()
        expect(pool.refusalOf(most + 1, user('ann'))?.left).toBe(most)
        expect(takeAll(pool, user('ann'))).toBe(most)
      }
    }
  }
})

test('[L10] the negative control: a holder that counts for no user and no address can take everything', () => {
  const pool = newPool(1_200)
  expect(pool.refusalOf(1_200, NOT_COUNTED)).toBeUndefined()
  expect(takeAll(pool, NOT_COUNTED)).toBe(1_200)
  expect(pool.refusalOf(1, user('ann'))).toEqual({ limit: 'MAX_WATCHED_IDS', of: 'all clients', left: 0 })
})

/** An office of 700 users behind one address, where others hold so much that this is left. */
function office(left: number) {
  const pool = newPool(2_000_000)
  const members = users(700).map(({ userId }) => ({ userId, address: '8.8.8.8' }))
  for (const member of members) pool.take(900, member)
  pool.take(2_000_000 - 630_000 - left, NOT_COUNTED)
  return { pool, members }
}

test('[L10] while a quarter is left, a large office can reload its pages, one by one and all at once', () => {
  const { pool, members } = office(500_000)
  for (const member of members) {
    pool.giveBack(900, member)
    expect(pool.refusalOf(900, member)).toBeUndefined()
    pool.take(900, member)
  }
  for (const member of members) pool.giveBack(900, member)
  for (const member of members) {
    expect(pool.refusalOf(900, member)).toBeUndefined()
    pool.take(900, member)
  }
  expect(pool.taken).toBe(1_500_000)
})

test('[L10] the negative control: of the last quarter, an office that holds more than is left gets nothing back', () => {
  const { pool, members } = office(500_000)
  const [member] = members as [Holder]
  pool.giveBack(900, member)
  expect(pool.refusalOf(900, member)).toBeUndefined()
  pool.take(1, NOT_COUNTED)
  expect(pool.refusalOf(900, member)).toEqual(share('this address', 899))
  pool.take(900, NOT_COUNTED)
  expect(pool.refusalOf(1, member)).toEqual(share('this address', 0))
  // Others get their part.
  expect(pool.refusalOf(10_000, { userId: 'ann', address: '9.9.9.9' })).toBeUndefined()
})

test.each([
  [1, 4],
  [2, 4],
  [3, 4],
  [4, 5],
  [10, 11],
  [20, 21],
])('[L10] %i users who take all they can in turn leave one part in %i', (count, part) => {
  const pool = newPool(46_200)
  for (let before = -1; before < pool.taken; ) {
    before = pool.taken
    for (const one of users(count)) if (!pool.refusalOf(1, one)) pool.take(1, one)
  }
  expect(46_200 - pool.taken).toBe(46_200 / part)
})

test('[L10] users who take all they can, one after the other, leave a quarter, and then half of what each finds', () => {
  const pool = newPool(4_096)
  const left = users(12).map(one => {
    // While anything is left, a new user gets some of it.
    expect(takeAll(pool, one)).toBeGreaterThan(0)
    return 4_096 - pool.taken
  })
  expect(left).toEqual([1_024, 512, 256, 128, 64, 32, 16, 8, 4, 2, 1, 0])
})

test('[L10] a pool of one goes to the first who takes it, and an amount of 0 is never refused', () => {
  const pool = newPool(1)
  expect(takeAll(pool, user('ann'))).toBe(1)
  expect(pool.refusalOf(1, user('bob'))?.of).toBe('all clients')
  expect(pool.refusalOf(0, user('ann'))).toBeUndefined()
})

test('[L10 I9] what is given back can be taken again, and no holder remains', () => {
  const pool = newPool(100)
  const ann = { userId: 'ann', address: '8.8.8.8' }
  expect(takeAll(pool, ann)).toBe(75)
  expect(pool.holders).toBe(2)
  pool.giveBack(20, ann)
  expect(takeAll(pool, ann)).toBe(20)
  pool.giveBack(75, ann)
  expect([pool.taken, pool.holders]).toEqual([0, 0])
})

test('[L10] a pool without a limit refuses nothing, and a size is rounded down', () => {
  const pool = newPool(Number.POSITIVE_INFINITY)
  pool.take(1e9, user('ann'))
  expect(pool.refusalOf(1e9, user('ann'))).toBeUndefined()
  expect(takeAll(newPool(4.99), NOT_COUNTED)).toBe(4)
})
