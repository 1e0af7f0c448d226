import { expect, test } from 'vitest'
import type { Fact } from './fact.ts'
import { fact as online, T } from './testing/scenario.ts'
import { type ListedStatus, type Page, View } from './view.ts'

function viewOf(userIds: readonly string[] = [], signs: Record<string, number> = {}): View {
  const view = new View({ shown: lastSeen => Math.min(lastSeen, T + 1_000) }, userId => signs[userId])
  for (const userId of userIds) view.apply(online(userId))
  return view
}

function offline(userId: string, what: Partial<Fact> = {}): Fact {
  return online(userId, { sessions: 'none', cause: 'left', ...what })
}

const idsOf = (users: Iterable<{ readonly userId: string }>) => Array.from(users, ({ userId }) => userId)

/**
 * 2^blocks ids with the same hash, as somebody can choose them: two texts that lead to the same hash can stand for
 * each other in every id.
 */
function idsOfOneBucket(blocks: number): string[] {
  let ids = ['']
  let hash = 0x81_1c_9d_c5
  for (let block = 0; block < blocks; block++) {
    const textByHash = new Map<number, string>()
    for (let n = 0; ; n++) {
      const text = (Math.imul(n, 0x9e_37_79_b1) >>> 0).toString(36).padStart(7, '0')
      let after = hash
      for (const char of text) after = Math.imul(after ^ char.charCodeAt(0), 0x01_00_01_93)
      const other = textByHash.get(after)
      textByHash.set(after, text)
      if (other === undefined) continue
      ids = ids.flatMap(id => [id + other, id + text])
      hash = after
      break
    }
  }
  return ids
}

/** All pages, one after the other. */
function pagesOf(view: View, limit: number, status?: ListedStatus): Page[] {
  const pages: Page[] = []
  let page: Page | undefined
  do {
    page = view.page(page?.next, limit, status)
    pages.push(page)
  } while (page.next)
  return pages
}

test('[M3 M8] a change says the same on all nodes, whatever the clock of each says', () => {
  const times = [T - 90, T, T + 60_000].map(now => {
    const view = new View({ shown: lastSeen => Math.min(lastSeen, now) }, () => undefined)
    const changes = [
      view.apply(online('ann', { at: T, lastSeen: T })),
      view.apply(offline('ann', { at: T + 5, lastSeen: T + 4 })),
      // The clock of its node was set back since.
      view.apply(online('bob', { at: T, lastSeen: T + 3_600_000 })),
    ]
    return changes.map(({ lastSeen, at }) => `${lastSeen - T} ${at - T}`).join()
  })
  expect(times).toEqual(['0 0,4 5,0 0', '0 0,4 5,0 0', '0 0,4 5,0 0'])
})

test('a fact is one change, from what others saw before', () => {
  const view = viewOf()
  const busy = { status: 'busy', text: 'at lunch', expiresAt: T + 9 } as const
  expect(view.apply(online('ann'))).toEqual({
    userId: 'ann',
    status: 'online',
    previousStatus: 'offline',
    previousSince: 0,
    lastSeen: T,
    cause: 'opened',
    at: T,
    username: undefined,
    text: undefined,
  })
  expect(view.apply(online('ann', { choice: busy, username: 'Ann', cause: 'chosen', at: T + 1 }))).toEqual({
    userId: 'ann',
    status: 'busy',
    previousStatus: 'online',
    previousSince: T,
    lastSeen: T,
    cause: 'chosen',
    at: T + 1,
    username: 'Ann',
    text: 'at lunch',
  })
  expect(view.see('ann')).toEqual({ userId: 'ann', ...busy, since: T + 1, username: 'Ann', lastSeen: T })
  expect(view.apply(offline('ann', { at: T + 2, lastSeen: T + 1 }))).toMatchObject({
    status: 'offline',
    previousStatus: 'busy',
    previousSince: T + 1,
    text: undefined,
  })
  expect(view.see('ann')).toEqual({
    userId: 'ann',
    status: 'offline',
    text: undefined,
    expiresAt: undefined,
    username: undefined,
    lastSeen: T + 1,
  })
})

test('a change names the status before it, and when that began', () => {
  const view = viewOf(['ann'])
  const sinceOf = (fact: Fact) => {
    const { previousStatus, previousSince } = view.apply(fact)
    return `${previousStatus} ${previousSince > 0 ? previousSince - T : 'unknown'}`
  }
  expect([
    // A new text does not begin a status.
    sinceOf(online('ann', { choice: { status: 'online', text: 'hi', expiresAt: undefined }, at: T + 1 })),
    sinceOf(online('ann', { sessions: 'idle', at: T + 2 })),
    sinceOf(offline('ann', { at: T + 3 })),
    sinceOf(online('ann', { at: T + 5 })),
  ]).toEqual(['online 0', 'online 0', 'away 2', 'offline unknown'])
  view.forget('ann')
  expect(view.apply(online('ann')).previousSince).toBe(0)
  view.put('bob', { status: 'online', text: undefined, expiresAt: undefined }, T, undefined)
  expect(view.apply(offline('bob')).previousSince).toBe(0)
})

test('the count is that of the users who are not offline', () => {
  const view = viewOf(['ann', 'bob'])
  view.apply(online('ann', { sessions: 'idle', cause: 'idle' }))
  view.apply(offline('bob'))
  view.apply(offline('eve'))
  expect([view.onlineCount, view.size]).toEqual([1, 3])
  expect(idsOf(view.visibleUsers())).toEqual(['ann'])
  expect(['ann', 'bob', 'joe'].map(userId => view.isVisible(userId))).toEqual([true, false, false])
  expect(view.get('bob')).toEqual({ userId: 'bob', lastSeen: T, username: undefined })
})

test('[R10] a list has the online users first, ends at its limit, and keeps its order over changes', () => {
  const view = viewOf(['ann', 'bob', 'eve', 'joe'])
  view.apply(offline('bob'))
  expect(idsOf(view.list(9))).toEqual(['ann', 'eve', 'joe', 'bob'])
  view.apply(online('ann', { choice: { status: 'busy' }, cause: 'chosen' }))
  expect(idsOf(view.list(9))).toEqual(['ann', 'eve', 'joe', 'bob'])
  for (const limit of [0, 1, 2, 3]) expect(idsOf(view.list(limit))).toHaveLength(limit)
  view.apply(offline('ann'))
  view.apply(online('ann'))
  expect(idsOf(view.list(3))).toEqual(['eve', 'joe', 'ann'])
  for (const userId of ['ann', 'eve', 'joe']) view.apply(offline(userId))
  expect(idsOf(view.list(2))).toEqual(['ann', 'bob'])
})

test('[R16] pages have every user once, and the last page has no next one', () => {
  const view = viewOf(['ann', 'bob', 'eve', 'joe', 'zoe'])
  view.apply(offline('bob'))
  const all = pagesOf(view, 2)
  expect(all.map(page => page.users.length)).toEqual([2, 2, 1])
  const everyone = ['ann', 'bob', 'eve', 'joe', 'zoe']
  expect(all.flatMap(page => idsOf(page.users)).toSorted()).toEqual(everyone)
  const online = pagesOf(view, 2, 'online').flatMap(page => idsOf(page.users))
  expect(online.toSorted()).toEqual(['ann', 'eve', 'joe', 'zoe'])
  expect(pagesOf(view, 5)).toHaveLength(1)
  expect(view.page(undefined, 5, 'offline')).toEqual({ users: [view.see('bob')], next: undefined })
})

test.each(['online', 'away', 'busy', 'offline', 'visible'] as const)(
  '[R16] the first pages of all users who are %s have each of them once',
  listed => {
    // Nothing was read of this view before, so nothing is sorted.
    const view = viewOf()
    const statuses = ['online', 'away', 'busy', 'offline'] as const
    const ids = Array.from({ length: 400 }, (_, n) => `u${n}`)
    for (const [n, userId] of ids.entries()) {
      const shown = { status: statuses[n % 4] ?? 'online', text: undefined, expiresAt: undefined }
      view.put(userId, shown, T, undefined)
    }
    const wanted = ids.filter((_, n) =>
      listed === 'visible' ? n % 4 !== 3 : statuses.indexOf(listed) === n % 4,
    )
    expect(idsOf(pagesOf(view, 30, listed).flatMap(page => page.users)).toSorted()).toEqual(wanted.toSorted())
  },
)

test('[R16] a page can begin after a forgotten user, and in another view of the same users', () => {
  const names = Array.from({ length: 50 }, (_, n) => `u${n}`)
  const view = viewOf(names)
  const { users, next } = view.page(undefined, 20)
  const rest = pagesOf(view, 50)[0]?.users.slice(20)
  for (const userId of idsOf(users)) view.forget(userId)
  expect(idsOf(view.page(next, 50).users)).toEqual(idsOf(rest ?? []))
  const other = viewOf(names.toReversed())
  expect(idsOf(other.page(next, 50).users)).toEqual(idsOf(rest ?? []))
})

test('[R16] a page ends soon after it has read 10,000 users', () => {
  const view = viewOf(Array.from({ length: 20_500 }, (_, n) => `u${n}`))
  const pages = pagesOf(view, 1, 'offline')
  expect(pages).toHaveLength(3)
  expect(pages.flatMap(page => page.users)).toEqual([])
})

test('[R16] a page ends as soon if all users have the same hash, and the next page continues there', () => {
  const ids = idsOfOneBucket(14)
  const view = viewOf(ids)
  const pages = pagesOf(view, 1, 'offline')
  expect(pages.map(({ users }) => users.length)).toEqual([0, 0])
  expect(pages[0]?.next?.after).not.toBe('')
  const met = pagesOf(view, 1_000).flatMap(page => idsOf(page.users))
  expect(met).toEqual(ids.toSorted())
})

test('[V13 R4] a user whom others have never seen is in no list, page or round', () => {
  const view = viewOf()
  expect(view.see('ann')).toEqual({
    userId: 'ann',
    status: 'offline',
    lastSeen: null,
    username: undefined,
    text: undefined,
    expiresAt: undefined,
  })
  view.correct('ann', T)
  view.forget('ann')
  expect([...view.list(9), ...view.users()]).toEqual([])
  expect(view.page(undefined, 9)).toEqual({ users: [], next: undefined })
  expect([view.next(), view.get('ann'), view.size]).toEqual([undefined, undefined, 0])
})

test('a forgotten user counts as never seen', () => {
  const view = viewOf(['ann'])
  view.apply(offline('ann'))
  view.forget('ann')
  expect(view.see('ann').lastSeen).toBeNull()
  expect([view.size, view.next()]).toEqual([0, undefined])
})

test('the round meets all users, online or not', () => {
  const view = viewOf(['ann', 'bob'])
  view.apply(offline('ann'))
  expect([view.next(), view.next(), view.next()].map(user => user?.userId)).toEqual(['ann', 'bob', 'ann'])
})

test('[R2] a sign of life counts more than the fact, but only while the user is visible', () => {
  const view = viewOf(['ann', 'bob'], { ann: T + 500 })
  expect([view.see('ann').lastSeen, view.see('bob').lastSeen]).toEqual([T + 500, T])
  view.apply(offline('ann', { lastSeen: T + 300 }))
  expect(view.see('ann').lastSeen).toBe(T + 300)
})

test('[R11] a corrected time replaces `lastSeen` only, and none is shown in the future', () => {
  const view = viewOf()
  const choice = { status: 'busy', text: 'at lunch', expiresAt: undefined } as const
  view.apply(online('ann', { choice, username: 'Ann' }))
  view.apply(offline('bob', { username: 'Bob' }))
  for (const userId of ['ann', 'bob']) view.correct(userId, T + 700)
  expect(view.see('ann')).toEqual({ userId: 'ann', ...choice, since: T, username: 'Ann', lastSeen: T + 700 })
  expect(view.see('bob')).toMatchObject({ status: 'offline', username: 'Bob', lastSeen: T + 700 })
  view.correct('ann', T + 9_000)
  expect(view.see('ann').lastSeen).toBe(T + 1_000)
})

test('others also see what is set without a change', () => {
  const view = viewOf(['ann'])
  view.put('ann', { status: 'offline', text: undefined, expiresAt: undefined }, T + 1, 'Ann')
  expect(view.onlineCount).toBe(0)
  expect(view.see('ann')).toMatchObject({ status: 'offline', lastSeen: T + 1, username: 'Ann' })
})

test('[E18] a status has begun when it became another one, and of an offline user nobody knows that', () => {
  const view = viewOf(['ann'])
  const since = (fact?: Fact) => {
    if (fact) view.apply(fact)
    return view.see('ann').since
  }
  expect([
    since(online('ann', { choice: { status: 'online', text: 'hi', expiresAt: undefined }, at: T + 1 })),
    since(online('ann', { sessions: 'idle', at: T + 2 })),
    since(online('ann', { sessions: 'idle', username: 'Ann', at: T + 3 })),
    since(offline('ann', { at: T + 4 })),
    since(online('ann', { at: T + 5 })),
    // None is in the future.
    since(online('ann', { sessions: 'idle', at: T + 9_000 })),
  ]).toEqual([T, T + 2, T + 2, undefined, T + 5, T + 1_000])
  view.correct('ann', T + 7)
  expect(since()).toBe(T + 1_000)
})

test('[E18] a start that is not known is told later, if the user still has that status', () => {
  const view = viewOf()
  const shown = { status: 'busy', text: undefined, expiresAt: undefined } as const
  for (const userId of ['ann', 'bob', 'eve']) view.put(userId, shown, T, undefined)
  view.apply(online('eve', { at: T + 8 }))
  view.begun('ann', 'busy', T + 5)
  for (const userId of ['bob', 'eve', 'nobody']) view.begun(userId, 'online', T + 5)
  const starts = () => ['ann', 'bob', 'eve', 'nobody'].map(userId => view.see(userId).since)
  expect(starts()).toEqual([T + 5, undefined, T + 8, undefined])
  view.forgetStarts()
  expect(starts()).toEqual([undefined, undefined, undefined, undefined])
})
