import { expect, test } from 'vitest'
import { MAX_REFUSED_USERS, RefusedUsers } from './refused-users.ts'

test('[E19] a user is refused until the time is over, and a later refusal replaces an earlier one', () => {
  const refused = new RefusedUsers()
  refused.take(['ann', 100, 10])
  expect([refused.msLeft('ann', 40), refused.msLeft('ann', 100), refused.msLeft('bob', 40)]).toEqual([
    60, 0, 0,
  ])
  refused.take(['ann', 50, 20])
  // It was said before that, and comes late.
  refused.take(['ann', 900, 15])
  expect(refused.msLeft('ann', 40)).toBe(10)
  expect(refused.users(49)).toEqual(['ann'])
  expect(refused.users(50)).toEqual([])
  refused.take(['ann', 900, 60])
  refused.forget('ann')
  expect(refused.msLeft('ann', 61)).toBe(0)
})

test('[E19] no more users are refused than fit, and those whose time is over make room', () => {
  const refused = new RefusedUsers()
  for (let user = 0; user < MAX_REFUSED_USERS; user++) refused.take([`u${user}`, user === 0 ? 5 : 9, 1])
  expect([refused.hasRoomFor('ann', 4), refused.hasRoomFor('u1', 4)]).toEqual([false, true])
  expect(refused.hasRoomFor('ann', 5)).toBe(true)
})
