import { expect, test } from 'vitest'
import type { Fact } from './fact.ts'
import { PendingFacts } from './pending.ts'

function fact(userId: string, at: number): Fact {
  const said = { sessions: 'active', choice: { status: 'online' } } as const
  return { userId, ...said, username: undefined, lastSeen: at, cause: 'opened', at }
}

test('the newest fact of each user is pending until it is visible', () => {
  const pending = new PendingFacts()
  const [ann1, bob1, ann2] = [fact('ann', 1), fact('bob', 1), fact('ann', 2)]
  const times = () => ['ann', 'bob', 'eve'].map(userId => pending.get(userId)?.at)
  expect(times()).toEqual([undefined, undefined, undefined])
  for (const one of [ann1, bob1, ann2]) pending.add(one)
  expect(times()).toEqual([2, 1, undefined])
  pending.applied(ann1)
  expect(times()).toEqual([2, 1, undefined])
  pending.applied(bob1)
  expect(times()).toEqual([2, undefined, undefined])
  pending.applied(ann2)
  expect(times()).toEqual([undefined, undefined, undefined])
})

test('an older fact of the same user that becomes visible ends nothing', () => {
  const pending = new PendingFacts()
  const [ann1, ann2, bob] = [fact('ann', 1), fact('ann', 2), fact('bob', 3)]
  for (const one of [ann1, ann2, bob]) pending.add(one)
  pending.applied(ann1)
  expect(pending.get('ann')?.at).toBe(2)
  pending.applied(fact('ann', 2))
  expect(pending.get('ann')?.at).toBe(2)
  pending.applied(ann2)
  pending.applied(bob)
  expect([pending.get('ann'), pending.get('bob')]).toEqual([undefined, undefined])
})

test('when only the newest fact of a user becomes visible, none of the older ones stays pending', () => {
  const pending = new PendingFacts()
  const facts = [fact('ann', 1), fact('ann', 2), fact('bob', 3), fact('ann', 4)] as const
  for (const one of facts) pending.add(one)
  pending.applied(facts[3])
  expect([pending.get('ann'), pending.get('bob')?.at]).toEqual([undefined, 3])
})
