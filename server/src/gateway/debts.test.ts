import { expect, test } from 'vitest'
import { Debts } from './debts.ts'

const T = 1_000_000

test('[L4] a debt is remembered for each user, and the largest one counts', () => {
  const debts = new Debts()
  debts.add('ann', T + 500, T)
  debts.add('ann', T + 300, T)
  expect([debts.of('ann'), debts.of('bob')]).toEqual([T + 500, 0])
})

test('[L4 I9] debts expire, and their number is limited', () => {
  const debts = new Debts()
  for (let n = 0; n < 20_000; n++) debts.add(`u${n}`, T + 1_000, T)
  expect([debts.size, debts.of('u0'), debts.of('u19999')]).toEqual([10_000, 0, T + 1_000])
  debts.add('ann', T + 9_000, T + 1_000)
  expect(debts.size).toBe(1)
})

test('[L4] a smaller debt does not replace a larger one, even of the oldest of too many', () => {
  const debts = new Debts()
  debts.add('ann', 9_000, 0)
  for (let n = 1; n < 10_000; n++) debts.add(`user-${n}`, 9_000, 0)
  debts.add('ann', 5_000, 0)
  expect([debts.of('ann'), debts.of('user-1')]).toEqual([9_000, 9_000])
})
