import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Presence } from '../presence/presence.ts'
import { AT_ONCE } from '../presence/testing/options.ts'
import { ClusterFeed } from './cluster-feed.ts'
import type { Place } from './feed.ts'
import { NOWHERE } from './page.ts'
import { ChangeReader, type PageRequest } from './reader.ts'
import { newChange } from './testing/new-change.ts'
import { newFeed } from './testing/new-feed.ts'

// A node that is behind the one that has told a place. Time is simulated.

let places: { epoch: string; recalls: (place: Place) => boolean }
let feed: ClusterFeed
let reader: ChangeReader

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  places = { epoch: 'e', recalls: ({ epoch }) => epoch === places.epoch }
  const report = (error: unknown) => expect.unreachable(String(error))
  feed = new ClusterFeed({ places, recent: 100, report })
  feed.append([newChange('ann')], 10)
  reader = new ChangeReader(new Presence(AT_ONCE), feed)
})

afterEach(() => {
  reader.close()
  vi.useRealTimers()
})

/** Asks for a page, whose text is `undefined` until it comes. */
function ask(request: Partial<PageRequest>): { page?: string } {
  const asked: { page?: string } = {}
  void reader.read({ limit: 10, ...request }).then(({ epoch, prevSeq, seq, recovered, changes }) => {
    const told = changes.map(({ userId }) => userId).join()
    asked.page = `${prevSeq} to ${epoch}:${seq} ${recovered} ${told}`
  })
  return asked
}

const pass = (ms: number) => vi.advanceTimersByTimeAsync(ms)

test('[E9] a place that another node has told waits until this node has read up to it, and loses nothing', async () => {
  const since = { epoch: 'e', seq: 14 }
  const [atOnce, waiting] = [ask({ since }), ask({ since, waitMs: 30_000 })]
  await pass(100)
  feed.append([newChange('bob')], 12)
  await pass(100)
  expect([atOnce.page, waiting.page]).toEqual([undefined, undefined])
  // A number without a change is enough, though nobody is told of it.
  feed.reached(14)
  await pass(25)
  expect([atOnce.page, waiting.page]).toEqual(['14 to e:14 true ', undefined])
  feed.append([newChange('eve')], 15)
  await pass(10)
  expect(waiting.page).toBe('14 to e:15 true eve')
  expect(reader.waiting).toBe(0)
})

test('[E9] a page that comes in time has the changes after the place, and none before it', async () => {
  const asked = ask({ since: { epoch: 'e', seq: 14 } })
  feed.append([newChange('bob')], 14)
  feed.append([newChange('eve')], 16)
  await pass(25)
  expect(asked.page).toBe('14 to e:16 true eve')
})

test('[E9] a node that stays behind keeps the place, and a number that no node has told holds nobody for long', async () => {
  const asked = [1_000, 1_000_010].map(seq => ask({ since: { epoch: 'e', seq } }))
  const long = ask({ since: { epoch: 'e', seq: 1_000 }, waitMs: 3_000 })
  await pass(1_975)
  expect(asked.map(({ page }) => page)).toEqual([undefined, undefined])
  await pass(25)
  expect(asked.map(({ page }) => page)).toEqual(['1000 to e:1000 true ', '1000010 to e:1000010 true '])
  expect(long.page).toBeUndefined()
  await pass(1_000)
  expect(long.page).toBe('1000 to e:1000 true ')
  // So far ahead is no node, and another epoch is another log.
  const [far, other] = [
    { epoch: 'e', seq: 1_000_011 },
    { epoch: 'f', seq: 14 },
  ].map(since => ask({ since }))
  await pass(0)
  expect([far?.page, other?.page]).toEqual(['null to e:10 false ', 'null to e:10 false '])
})

test('[E10] if an epoch begins meanwhile, the full state follows', async () => {
  const asked = ask({ since: { epoch: 'e', seq: 14 }, waitMs: 30_000 })
  await pass(100)
  places.epoch = 'f'
  await pass(25)
  expect(asked.page).toBe('null to f:10 false ')
})

test('[E9] a stream goes on after a place that another node has told, without an event before', async () => {
  const pages = reader.pages({ since: { epoch: 'e', seq: 14 }, limit: 10 })
  const next = pages.next()
  await pass(40_000)
  feed.append([newChange('bob')], 14)
  feed.append([newChange('eve')], 15)
  await pass(25)
  expect((await next).value).toMatchObject({
    prevSeq: 14,
    seq: 15,
    recovered: true,
    changes: [{ userId: 'eve' }],
  })
})

test('a reader that goes away, and a server that stops, end the wait for another node', async () => {
  const gone = new AbortController()
  const since = { epoch: 'e', seq: 14 }
  const asked = [ask({ since, signal: gone.signal, waitMs: 30_000 }), ask({ since, waitMs: 30_000 })]
  await pass(10)
  gone.abort()
  await pass(0)
  expect([asked[0]?.page, asked[1]?.page]).toEqual([expect.any(String), undefined])
  reader.close()
  await pass(0)
  expect([asked[1]?.page, reader.waiting]).toEqual([expect.any(String), 0])
})

test('[E10] on a single server, a place that it has not told gets the full state at once', async () => {
  const single = new ChangeReader(new Presence(AT_ONCE), newFeed())
  for (const since of [{ epoch: 'e', seq: 1 }, NOWHERE]) {
    expect(await single.read({ since, limit: 10 })).toMatchObject({ seq: 0, recovered: false })
  }
})
