import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { MemoryFeed } from '../../changes/memory-feed.ts'
import { type ChangePage, textOf } from '../../changes/page.ts'
import { ChangeReader } from '../../changes/reader.ts'
import { StoredFeed } from '../../changes/stored-feed.ts'
import { Copy, linesOf } from '../../changes/testing/copy.ts'
import { newChange } from '../../changes/testing/new-change.ts'
import { newFeed } from '../../changes/testing/new-feed.ts'
import { UNPACED } from '../../presence/pace.ts'
import { Presence } from '../../presence/presence.ts'
import { AT_ONCE } from '../../presence/testing/options.ts'
import { Refusals } from '../../refusals.ts'
import { newTracker } from '../../testing/new-tracker.ts'
import type { Tracker } from '../../tracker.ts'
import { createApi } from './api.ts'
import type { CallContext } from './call.ts'
import { changeCalls } from './change-calls.ts'

// Backends that read the log of changes over HTTP. The clock stands still; nothing else is simulated.

const T = Date.UTC(2030, 0, 1)
/** How many changes the feed keeps. */
const RECENT = 20

let presence: Presence
let feed: MemoryFeed
let reader: ChangeReader
let tracker: Tracker
let server: Server
let origin: string

beforeEach(async () => {
  presence = new Presence(AT_ONCE)
  feed = newFeed(RECENT)
  reader = new ChangeReader(presence, feed)
  tracker = newTracker({ presence, feed, clock: { now: () => T } })
  const { handler } = createApi({
    presence,
    tracker,
    feed,
    changes: reader,
    clock: { now: () => T, steady: () => performance.now() },
    log: { info() {}, limited() {} },
    addressOf: () => '',
    testWebhooks: () => expect.unreachable(),
    node: 'here',
    refusals: new Refusals(),
    health: { stopping: false },
    countHistory: () => expect.unreachable(),
    connectionsElsewhere: () => 0,
    ask: () => undefined,
    keys: [],
    isDevelopment: true,
    pace: UNPACED,
  })
  server = createServer(express().use(handler))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterEach(() => {
  reader.close()
  server.closeAllConnections()
  server.close()
})

const open = (userId: string) => tracker.open({ userId, sessionId: 'tab', isNamed: false }, {})
const leave = (userId: string) => tracker.leave({ userId, sessionId: 'tab' })

async function read(query: string, signal?: AbortSignal): Promise<ChangePage> {
  const response = await fetch(`${origin}/api/v1/changes?${query}`, { signal: signal ?? null })
  expect(response.status).toBe(200)
  return (await response.json()) as ChangePage
}

/** The pages of a stream, until the client ends it. */
async function* stream(query: string, signal: AbortSignal, lastEventId = ''): AsyncGenerator<ChangePage> {
  const headers = { 'Last-Event-ID': lastEventId }
  const { body } = await fetch(`${origin}/api/v1/stream?${query}`, { signal, headers })
  let text = ''
  for await (const part of (body as ReadableStream<Uint8Array<ArrayBuffer>>).pipeThrough(
    new TextDecoderStream(),
  )) {
    text += part
    for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
      const [, id, data] = /^(?:id: (.*)\n)?data: (.*)$/.exec(text.slice(0, end)) ?? []
      text = text.slice(end + 2)
      const page = JSON.parse(data as string) as ChangePage
      expect(id).toBe(page.cursor === undefined ? textOf(page) : undefined)
      yield page
    }
  }
}

test('[E9] a page has the changes after a place, and without a place it tells the present one', async () => {
  void open('ann')
  const here = await read('')
  expect(here).toEqual({ epoch: 'e', prevSeq: 1, seq: 1, recovered: true, changes: [] })
  tracker.setStatus({ userId: 'ann', sessionId: 'tab' }, { status: 'busy', text: 'hi' })
  tracker.identify('ann', 'Ann')
  void tracker.endSessions('ann')
  const response = await fetch(`${origin}/api/v1/changes?since=e:1&limit=2`)
  expect(response.headers.get('cache-control')).toBe('no-store')
  const time = new Date(T).toISOString()
  const common = { userId: 'ann', lastSeen: time, at: time, previousSince: time, epoch: 'e' }
  const busy = { ...common, seq: 2, status: 'busy', previousStatus: 'online', cause: 'chosen', text: 'hi' }
  expect(await response.json()).toEqual({
    epoch: 'e',
    prevSeq: 1,
    seq: 3,
    recovered: true,
    changes: [busy, { ...busy, seq: 3, previousStatus: 'busy', cause: 'renamed', username: 'Ann' }],
  })
  const text = await (await fetch(`${origin}/api/v1/changes?since=e:3`)).text()
  expect(text).toBe(
    `{"epoch":"e","prevSeq":3,"seq":4,"recovered":true,"changes":[{"epoch":"e","seq":4,"at":"${time}",` +
      `"userId":"ann","status":"offline","previousStatus":"busy","previousSince":"${time}",` +
      `"lastSeen":"${time}","cause":"kicked","username":"Ann"}]}`,
  )
})

test('[E11] hiding is leaving, and showing is opening', async () => {
  void open('ann')
  for (const status of ['offline', 'busy'] as const) {
    tracker.setStatus({ userId: 'ann', sessionId: 'tab' }, { status })
  }
  const { changes } = await read('since=e:1')
  expect(changes.map(({ status, cause }) => `${status} ${cause}`)).toEqual(['offline left', 'busy opened'])
})

test('[E9] beyond the horizon, and in another epoch, the full state follows in pages', async () => {
  for (let user = 0; user < RECENT + 1; user++) void open(`user ${user}`)
  leave('user 3')
  for (const since of ['e:0', 'other:22', 'e:23']) {
    const copy = new Copy()
    let page = await read(`since=${since}&limit=7`)
    let pages = 1
    for (; page.cursor !== undefined; pages++) {
      expect([page.recovered, page.prevSeq, page.last]).toEqual([false, null, false])
      copy.fold(page)
      page = await read(new URLSearchParams({ cursor: page.cursor, limit: '7' }).toString())
    }
    copy.fold(page)
    expect([page.recovered, page.seq, page.last, pages]).toEqual([false, 22, true, 3])
    expect(copy.users).toHaveLength(RECENT)
  }
})

test('a reader waits for the next change, for as long as it says', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const page = read('since=e:0&waitMs=30000')
    const empty = read('since=e:0&waitMs=500')
    await vi.waitUntil(() => reader.waiting === 2)
    vi.advanceTimersByTime(500)
    expect(await empty).toMatchObject({ prevSeq: 0, seq: 0, changes: [] })
    void open('ann')
    void open('bob')
    vi.advanceTimersByTime(10)
    expect((await page).changes.map(({ userId }) => userId)).toEqual(['ann', 'bob'])
  } finally {
    vi.useRealTimers()
  }
})

test('a reader that goes away is forgotten, and so are all when the server stops', async () => {
  const gone = new AbortController()
  const wait = read('since=e:0&waitMs=30000', gone.signal)
  const pages = stream('', gone.signal)
  expect((await pages.next()).value).toMatchObject({ seq: 0, changes: [] })
  await vi.waitUntil(() => reader.waiting === 2)
  gone.abort()
  await expect(wait).rejects.toThrow('aborted')
  await expect(pages.next()).rejects.toThrow('aborted')
  await vi.waitUntil(() => reader.waiting === 0)

  const stopped = fetch(`${origin}/api/v1/changes?since=e:0&waitMs=30000`)
  const ended = stream('since=e:0', new AbortController().signal).next()
  await vi.waitUntil(() => reader.waiting === 2)
  reader.close()
  expect((await stopped).status).toBe(503)
  expect((await ended).done).toBe(true)
})

test.each([
  ['changes?since=5', 'bad_request', 'since'],
  ['stream?since=e:', 'bad_request', 'since'],
  ['changes?cursor=e:1:zzzz.a', 'bad_cursor', 'cursor'],
  ['changes?cursor=e:1', 'bad_cursor', 'cursor'],
  ['changes?waitMs=30001', 'bad_request', 'waitMs'],
  ['stream?limit=0', 'bad_request', 'limit'],
])('%s is refused', async (path, code, field) => {
  const response = await fetch(`${origin}/api/v1/${path}`)
  expect([response.status, await response.json()]).toMatchObject([400, { code, field }])
})

test('a wrong Last-Event-ID is refused', async () => {
  const headers = { 'Last-Event-ID': 'e:1:1f.ann' }
  const wrong = await fetch(`${origin}/api/v1/stream`, { headers })
  expect([wrong.status, await wrong.json()]).toMatchObject([400, { field: 'Last-Event-ID' }])
})

const contextOf = (name: string) => {
  const gone = new AbortController()
  const context = { caller: { name, right: 'read' }, gone: gone.signal } as CallContext
  return { context, gone }
}

test('[L9 L10] one key can not open all streams, and a stream counts until its connection has ended', () => {
  const refusals = new Refusals()
  const { streamChanges } = changeCalls(reader, refusals, 8)
  const open = (name: string) => {
    const { context, gone } = contextOf(name)
    void streamChanges({}, context)
    return gone
  }
  const opened = Array.from({ length: 6 }, () => open('one'))
  expect(() => open('one')).toThrow('too many streams and waiting requests of the key "one"')
  open('two')
  open('three')
  expect(() => open('four')).toThrow('too many streams and waiting requests of all keys')
  for (const gone of opened) gone.abort()
  open('four')
  expect(refusals.counts).toMatchObject({ API_READERS_SHARE: 1, API_READERS: 1 })
})

test('[E10] while the disk fails, changes have a page and a full state has 503 within 5 s', async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  try {
    const stored = new StoredFeed({
      epoch: 'e',
      stored: undefined,
      recent: RECENT,
      report: error => expect.unreachable(String(error)),
      grown() {},
    })
    const { getChanges } = changeCalls(new ChangeReader(presence, stored), new Refusals())
    stored.append([newChange('ann')])
    const { context } = contextOf('key')
    expect(await getChanges({ since: 'e:0' }, context)).toMatchObject({ status: 200 })
    const waits = getChanges({ since: 'other:0' }, context)
    const failure = expect(waits).rejects.toMatchObject({ code: 'unavailable', retryAfterS: 5 })
    await vi.advanceTimersByTimeAsync(4_999)
    const isDurable = getChanges({ since: 'other:0' }, context)
    await vi.advanceTimersByTimeAsync(1)
    await failure
    stored.synced(1)
    await vi.advanceTimersByTimeAsync(10)
    expect(await isDurable).toMatchObject({ status: 200 })
  } finally {
    vi.useRealTimers()
  }
})

// Copies

const USERS = ['ann', 'bob', 'cid', 'dan', 'eve', 'fay', 'gil', 'hal'] as const

type Act =
  | { readonly do: 'open' | 'leave' | 'kick'; readonly userId: string }
  | { readonly do: 'choose'; readonly userId: string; readonly status: 'online' | 'busy' | 'offline' }
  | { readonly do: 'name'; readonly userId: string; readonly name: string }

const userId = fc.constantFrom(...USERS)
const act: fc.Arbitrary<Act> = fc.oneof(
  { weight: 3, arbitrary: fc.record({ do: fc.constantFrom('open' as const, 'leave' as const), userId }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('kick' as const), userId }) },
  {
    weight: 3,
    arbitrary: fc.record({
      do: fc.constant('choose' as const),
      userId,
      status: fc.constantFrom('online' as const, 'busy' as const, 'offline' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant('name' as const), userId, name: fc.constantFrom('x', 'y') }),
  },
)
/** What happens between two pages: mostly less than the horizon. */
const acts = fc.oneof(
  { weight: 5, arbitrary: fc.array(act, { maxLength: 6 }) },
  { weight: 2, arbitrary: fc.array(act, { minLength: RECENT, maxLength: 3 * RECENT }) },
)
/** The acts after each page, how many users a page has, and whether the reader loses its connection after them. */
const turn = fc.record({ acts, limit: fc.integer({ min: 1, max: 4 }), breaks: fc.boolean() })
const TURNS = 40

function play(acts: readonly Act[]): void {
  for (const act of acts) {
    const { userId } = act
    const session = { userId, sessionId: 'tab' }
    if (act.do === 'open') void open(userId)
    else if (act.do === 'leave') leave(userId)
    else if (act.do === 'kick') void tracker.endSessions(userId)
    else if (act.do === 'choose') tracker.setStatus(session, { status: act.status })
    else if (act.do === 'name') tracker.identify(userId, act.name)
  }
}

const shown = () => linesOf(presence.list(RECENT))

/** A reader with a copy. It gives one page, and can lose its connection. */
interface CopyReader {
  /** Folds the next page, if there is one. */
  turn(limit: number): Promise<void>
  /** Loses the connection. What was sent and not folded is lost. */
  lose(): void
}

function pollingReader(copy: Copy): CopyReader {
  return {
    async turn(limit) {
      const { cursor, place } = copy
      const from = cursor !== undefined ? { cursor } : place ? { since: textOf(place) } : {}
      copy.fold(await read(new URLSearchParams({ ...from, limit: String(limit) }).toString()))
    },
    lose() {},
  }
}

/** A reader of an endless sequence of pages, which begins after a place. */
function endlessReader(
  copy: Copy,
  begin: (limit: number, signal: AbortSignal) => AsyncGenerator<ChangePage, void>,
): CopyReader {
  let pages: AsyncGenerator<ChangePage, void> | undefined
  let connection = new AbortController()
  return {
    async turn(limit) {
      pages ??= begin(limit, connection.signal)
      if (copy.place && !copy.cursor && textOf(copy.place) === textOf(reader.place)) return
      const { value } = await pages.next()
      copy.fold(value as ChangePage)
    },
    lose() {
      connection.abort()
      // What has arrived is not read any more.
      void pages?.next().catch(() => {})
      connection = new AbortController()
      pages = undefined
      copy.cursor = undefined
    },
  }
}

const READERS = {
  changes: pollingReader,
  stream: (copy: Copy) =>
    endlessReader(copy, (limit, signal) =>
      stream(`limit=${limit}`, signal, copy.place && textOf(copy.place)),
    ),
  iterator: (copy: Copy) =>
    endlessReader(copy, (limit, signal) => reader.pages({ since: copy.place, limit, signal })),
}

/** Plays random turns with a copy, which resumes after a break or does not. Returns the copy. */
async function copied(door: keyof typeof READERS, seed: number, resumes: boolean): Promise<Copy> {
  const copy = new Copy()
  const copyReader = READERS[door](copy)
  for (const { acts, limit, breaks } of fc.sample(turn, { seed, numRuns: TURNS })) {
    await copyReader.turn(limit)
    play(acts)
    if (!breaks) continue
    copyReader.lose()
    // Without resuming, the copy goes on from the place of the moment.
    if (!resumes) copy.place = undefined
  }
  for (let left = 1_000; left > 0; left--) {
    await copyReader.turn(100)
    if (copy.place && !copy.cursor && textOf(copy.place) === textOf(reader.place)) break
  }
  copyReader.lose()
  return copy
}

describe.each(['changes', 'stream', 'iterator'] as const)('%s', door => {
  test.each([1, 2, 3])(
    '[E9] a copy is equal to the view after random acts, breaks and lost places (%i)',
    async seed => {
      const copy = await copied(door, seed, true)
      expect(copy.users).toEqual(shown())
      expect(copy.states).toBeGreaterThan(1)
    },
  )

  test.each([1, 2])('control: a copy that does not resume after a break differs (%i)', async seed => {
    expect((await copied(door, seed, false)).users).not.toEqual(shown())
  })
})
