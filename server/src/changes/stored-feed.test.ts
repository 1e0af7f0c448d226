import { expect, test } from 'vitest'
import { feedSuite } from './feed.suite.ts'
import { StoredFeed } from './stored-feed.ts'
import { newChange } from './testing/new-change.ts'

feedSuite((recent, report) => {
  const feed = new StoredFeed({
    epoch: 'e',
    stored: undefined,
    recent,
    report,
    grown: () => feed.synced(feed.seq),
  })
  return feed
})

test('[E20] the store is not given the changes of a user who is erased, while readers still are', () => {
  const feed = new StoredFeed({ epoch: 'e', stored: undefined, recent: 9, report: () => {}, grown: () => {} })
  for (const userId of ['ann', 'bob', 'ann', 'eve']) feed.append([newChange(userId)])
  feed.synced(4)
  const numbers = (changes: readonly { seq: number }[] | undefined) => changes?.map(({ seq }) => seq)
  feed.erase('ann')
  expect([feed.dropped, feed.endAfter(0).after, numbers(feed.endAfter(0).changes)]).toEqual([3, 3, [4]])
  expect(numbers(feed.after(0, 9))).toEqual([1, 2, 3, 4])
  feed.drop(3)
  expect(feed.after(0, 9)).toBeUndefined()
})
