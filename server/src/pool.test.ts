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

test('[L10] one user or one address gets at most half, and each further one half of what is left', () => {
  const pool = newPool(1_200)
  expect(takeAll(pool, user('ann'))).toBe(600)
  expect(takeAll(pool, { userId: 'bob', address: '8.8.8.8' })).toBe(300)
  expect(takeAll(pool, { userId: 'eve', address: '8.8.8.8' })).toBe(0)
  expect(takeAll(pool, { address: '9.9.9.9' })).toBe(150)
  expect(pool.refusalOf(1, user('ann'))).toEqual({ limit: 'MAX_WATCHED_IDS_SHARE', of: 'this user', left: 0 })
  expect(pool.refusalOf(1, { address: '8.8.8.8' })).toEqual({
    limit: 'MAX_WATCHED_IDS_SHARE',
    of: 'this address',
    left: 0,
  })
  expect(pool.refusalOf(151, user('joe'))).toEqual({ limit: 'MAX_WATCHED_IDS', of: 'all clients', left: 150 })
  expect(pool.refusalOf(150, user('joe'))).toBeUndefined()
})

test('[L10] the negative control: what is not counted for a user or an address can take everything', () => {
  const pool = newPool(1_200)
  expect(takeAll(pool, { address: undefined })).toBe(1_200)
  expect(pool.refusalOf(1, user('ann'))?.of).toBe('all clients')
})

test('[L10] twenty users who take as much as they can leave the others enough', () => {
  const pool = newPool(2_000_000)
  // As large clients do: a list of 1,000 ids at a time, in turn.
  for (let round = 0; round < 1_000; round++) {
    for (let n = 0; n < 20; n++) {
      if (!pool.refusalOf(1_000, user(`u${n}`))) pool.take(1_000, user(`u${n}`))
    }
  }
  expect(2_000_000 - pool.taken).toBeGreaterThan(90_000)
  expect(pool.refusalOf(10_000, user('ann'))).toBeUndefined()
})

test('[L10] a pool of one is for the first who comes, and nothing more than nothing is refused', () => {
  const pool = newPool(1)
  expect(takeAll(pool, user('ann'))).toBe(1)
  expect(pool.refusalOf(1, user('bob'))?.of).toBe('all clients')
  expect(pool.refusalOf(0, user('ann'))).toBeUndefined()
})

test('[L10 I9] what is given back can be taken again, and no holder remains', () => {
  const pool = newPool(100)
  const ann = { userId: 'ann', address: '8.8.8.8' }
  expect(takeAll(pool, ann)).toBe(50)
  expect(pool.holders).toBe(2)
  pool.giveBack(20, ann)
  expect(takeAll(pool, ann)).toBe(20)
  pool.giveBack(50, ann)
  expect([pool.taken, pool.holders]).toEqual([0, 0])
})

test('[L10] a pool without a limit refuses nothing', () => {
  const pool = newPool(Number.POSITIVE_INFINITY)
  pool.take(1e9, user('ann'))
  expect(pool.refusalOf(1e9, user('ann'))).toBeUndefined()
})
