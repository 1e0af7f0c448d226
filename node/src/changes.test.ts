import { TestClient } from '@who-is-online/testing/client'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { ChangePage as ServerPage } from '../../server/src/changes/page.ts'
import type { ChangeRecord as ServerRecord } from '../../server/src/changes/record.ts'
import { KEYS, startApi } from '../../server/src/http/api/testing/api-server.ts'
import type { ApiError } from './api-error.ts'
import type { ChangePage, ChangeRecord, Place } from './change-page.ts'
import type { ChangesEvent } from './changes.ts'
import { createApiClient } from './client.ts'
import { answers, breaks, hangs, refuses, type Step, scriptedServer } from './scripted-server.fake.ts'

type Server = Awaited<ReturnType<typeof startApi>>

const clientOf = (port: number) => createApiClient({ url: `http://127.0.0.1:${port}`, key: KEYS.read })

/** The values that an iterator gives, one by one. It ends with the test. */
function reader(begin: (signal: AbortSignal) => AsyncGenerator<ChangesEvent, void>) {
  const abort = new AbortController()
  const events = begin(abort.signal)
  onTestFinished(async () => {
    abort.abort()
    await events.return()
  })
  return { events, abort, next: async () => (await events.next()).value as ChangesEvent }
}

/** A copy of presence, as the README describes it. */
class Copy {
  users = new Map<string, string>()
  place: Place | undefined

  /** @param takesState `false` for the negative control */
  apply(event: ChangesEvent, takesState = true): void {
    if (event.type === 'state') {
      if (takesState) this.users = new Map(event.users.map(({ userId, status }) => [userId, status]))
    } else {
      for (const { userId, status } of event.changes) {
        if (status === 'offline') this.users.delete(userId)
        else this.users.set(userId, status)
      }
    }
    this.place = event
  }
}

/** What the server shows. */
async function shown(server: Server): Promise<Map<string, string>> {
  const users = new Map<string, string>()
  for await (const { userId, status } of clientOf(server.port).iterateUsers()) {
    if (status !== 'offline') users.set(userId, status)
  }
  return users
}

/** Lets users connect; they stay until the server ends. */
async function connect(server: Server, ...userIds: string[]): Promise<void> {
  for (const userId of userIds) await TestClient.as(server, userId)
}

type Same<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false

test('the types of changes are those of the server', () => {
  const records: Same<ServerRecord, ChangeRecord> = true
  const fields: Same<keyof ServerRecord, keyof ChangeRecord> = true
  const pages = (page: ChangePage): ServerPage => page
  expect([records, fields, pages]).toHaveLength(3)
})

describe('with a real server', () => {
  test('begins with the full state, gives each change, and continues after the stored place', async () => {
    const server = await startApi()
    await connect(server, 'ann')
    const api = clientOf(server.port)
    const first = reader(signal => api.changes({ signal }))
    expect(await first.next()).toMatchObject({ type: 'state', users: [{ userId: 'ann', status: 'online' }] })
    await connect(server, 'bob')
    const change = await first.next()
    expect(change).toMatchObject({ type: 'changes', changes: [{ userId: 'bob', cause: 'opened' }] })
    first.abort.abort()
    expect(await first.events.next()).toEqual({ done: true, value: undefined })

    await connect(server, 'cid')
    const second = reader(signal => api.changes({ since: change, signal }))
    expect(await second.next()).toMatchObject({ type: 'changes', changes: [{ userId: 'cid' }] })
    const third = reader(signal => api.changes({ since: 'now', signal }))
    const now = await third.next()
    expect(now).toMatchObject({ type: 'changes', changes: [], seq: change.seq + 1 })
    await connect(server, 'dan')
    expect(await third.next()).toMatchObject({ seq: now.seq + 1, changes: [{ userId: 'dan' }] })
    await server.stop()
  })

  /** A reader that stands still beyond the horizon, and is away over a restart of the server. */
  async function slowCopy(
    takesState: boolean,
  ): Promise<{ copy: Copy; states: number; expected: Copy['users'] }> {
    const settings = { RECENT_CHANGES: '4', RESTART_GRACE_MS: '0' }
    const server = await startApi(settings)
    await connect(server, 'ann')
    const copy = new Copy()
    let states = 0
    const apply = (event: ChangesEvent) => {
      copy.apply(event, takesState)
      if (event.type === 'state') states++
    }
    const retries: ApiError[] = []
    const api = clientOf(server.port)
    const slow = reader(signal =>
      api.changes({ signal, limit: 3, onRetry: error => void retries.push(error) }),
    )
    apply(await slow.next())
    await connect(server, 'bob', 'cid', 'dan', 'eve', 'fay', 'gil', 'hal')
    apply(await slow.next())
    const lost = slow.next()
    await server.stop()
    await expect.poll(() => retries.length, { timeout: 5_000 }).toBeGreaterThan(0)
    const restarted = await startApi({ ...settings, PORT: String(server.port) })
    await connect(restarted, 'ivy', 'jon')
    apply(await lost)
    while (
      copy.place?.epoch !== (await api.listUsers()).epoch ||
      copy.place.seq < (await api.listUsers()).seq
    )
      apply(await slow.next())
    const expected = await shown(restarted)
    await restarted.stop()
    return { copy, states, expected }
  }

  test('a slow reader, and one whose server was away, get the full state and have an exact copy', async () => {
    const { copy, states, expected } = await slowCopy(true)
    expect(expected.size).toBe(2)
    expect(copy.users).toEqual(expected)
    expect(states).toBeGreaterThanOrEqual(3)
  })

  test('the negative control: a copy that ignores the full state differs', async () => {
    const { copy, expected } = await slowCopy(false)
    expect(copy.users).not.toEqual(expected)
  })

  test('a wrong place and a wrong key end the iterator with an error', async () => {
    const server = await startApi({ API_KEY: 'p'.repeat(40) })
    const wrong = { epoch: 'two words', seq: 1 }
    const api = createApiClient({ url: `http://127.0.0.1:${server.port}`, key: 'p'.repeat(40) })
    await expect(api.changes({ since: wrong }).next()).rejects.toMatchObject({ status: 400 })
    const other = createApiClient({ url: `http://127.0.0.1:${server.port}`, key: 'q'.repeat(40) })
    await expect(other.changes().next()).rejects.toMatchObject({ status: 401 })
    await server.stop()
  })
})

describe('with a server that fails', () => {
  const user = (userId: string) => ({ userId, status: 'online', lastSeen: null })
  const statePage = (seq: number, userIds: string[], cursor?: string) =>
    answers({
      epoch: 'e',
      prevSeq: null,
      seq,
      recovered: false,
      changes: [],
      users: userIds.map(user),
      last: cursor === undefined,
      cursor,
    })

  /** The first event of a server with these steps, the requests, and the errors after which it was asked again. */
  async function firstOf(...steps: Step[]) {
    const { url, seen } = await scriptedServer(...steps)
    const retries: string[] = []
    const api = createApiClient({ url, timeoutMs: 50 })
    const { next } = reader(signal => api.changes({ signal, onRetry: ({ code }) => void retries.push(code) }))
    return { event: await next(), urls: seen.map(({ url }) => url), retries }
  }

  test('a page of the full state that fails is asked for again', async () => {
    const { event, urls, retries } = await firstOf(
      statePage(1, ['ann'], 'c1'),
      breaks,
      statePage(1, ['bob'], 'c2'),
      hangs,
      statePage(1, ['cid']),
    )
    expect(event).toEqual({ type: 'state', epoch: 'e', seq: 1, users: ['ann', 'bob', 'cid'].map(user) })
    expect(urls).toEqual([
      '/api/v1/changes?since=-%3A0&waitMs=25000&limit=1000',
      ...['c1', 'c1', 'c2', 'c2'].map(cursor => `/api/v1/changes?cursor=${cursor}&limit=1000`),
    ])
    expect(retries).toEqual(['unreachable', 'timeout'])
  })

  test('a full state that the server begins again is not mixed with the first one', async () => {
    const { event } = await firstOf(
      statePage(1, ['gone'], 'c1'),
      statePage(9, ['ann'], 'c2'),
      statePage(9, ['bob']),
    )
    expect(event).toMatchObject({ seq: 9, users: [{ userId: 'ann' }, { userId: 'bob' }] })
  })

  test('a cursor that the server no longer knows begins the full state again', async () => {
    const { event, urls } = await firstOf(
      statePage(1, ['gone'], 'c1'),
      refuses(400, 'bad_cursor'),
      statePage(1, ['ann']),
    )
    expect(event).toMatchObject({ type: 'state', users: [{ userId: 'ann' }] })
    expect(urls[2]).toContain('since=-%3A0')
  })

  test.each([
    ['no page', answers({ users: [] })],
    ['a state that can not go on', answers({ epoch: 'e', seq: 1, recovered: false, changes: [], users: [] })],
    ['no JSON', answers('<html>')],
  ])('an answer that is %s is an error', async (_what, step) => {
    await expect(firstOf(step)).rejects.toMatchObject({ code: 'bad_answer' })
  })
})
