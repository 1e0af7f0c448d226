import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Command } from './command.ts'
import type { RedisConnection } from './redis.ts'
import { type RedisFailure, RedisLink } from './redis-link.ts'
import { FakeConnection, FakeMember, info, later, refusal } from './testing/fake-link-parts.ts'

const request = {
  epoch: 1,
  node: 'a',
  batch: 1,
  kind: 'beat',
  body: { format: 1, at: 1, facts: [], registers: [] },
} as const

const ALL: Command[] = [
  { do: 'append', id: 2, request },
  { do: 'read', id: 3, after: { epoch: 1, seq: 1 }, count: 1 },
  { do: 'load', id: 4 },
  { do: 'time', id: 5 },
  { do: 'audit', id: 6 },
]

function set(connect?: () => Promise<RedisConnection>, isTls = false) {
  const member = new FakeMember()
  const connections: FakeConnection[] = []
  const failures: RedisFailure[] = []
  const tries: number[] = []
  const link = new RedisLink({
    member,
    node: 'a',
    isTls,
    connect: () => {
      tries.push(Date.now())
      if (connect) return connect()
      connections.push(new FakeConnection())
      return Promise.resolve(connections.at(-1) as FakeConnection)
    },
    now: () => Date.now(),
    report: failure => failures.push(failure),
  })
  return { member, link, connections, failures, tries }
}

/** A link whose member is connected, and has asked everything. */
async function connected() {
  const parts = set()
  parts.member.asks.set('connected', ALL)
  parts.link.start()
  await settle()
  const [connection] = parts.connections
  if (!connection) throw new Error('not connected')
  parts.member.inputs.length = 0
  return { ...parts, connection }
}

const settle = () => vi.advanceTimersByTimeAsync(0)

beforeEach(() => void vi.useFakeTimers({ now: 0 }))
afterEach(() => {
  expect(vi.getTimerCount(), 'timers that are left').toBe(0)
  vi.useRealTimers()
})

describe('commands', () => {
  test('the member gets each answer with the id of its command, in the order of the answers', async () => {
    const { member, link, connection } = await connected()
    expect(connection.calls.map(({ name }) => name)).toEqual(['append', 'read', 'load', 'time', 'audit a'])
    connection.answerOf('audit a').resolve({ nodes: new Map(), ownFacts: 0 })
    connection.answerOf('time').resolve(77)
    connection.answerOf('append').resolve({ reply: 'lost' })
    connection.answerOf('load').resolve({})
    connection.answerOf('read').resolve([{}, {}])
    await settle()
    expect(member.inputs).toEqual([
      'audited 6',
      'toldTime 5 77',
      'answered 2 lost',
      'loaded 4',
      'entriesRead 3 2',
    ])
    await link.close()
  })

  test('what Redis refuses has failed, and the connection goes on', async () => {
    const { member, link, connection, failures, connections } = await connected()
    vi.setSystemTime(5)
    connection.answerOf('append').reject(refusal("OOM command not allowed when used memory > 'maxmemory'."))
    connection.answerOf('time').resolve(77)
    await settle()
    expect(member.inputs).toEqual(['failed 2', 'toldTime 5 77'])
    expect(connections).toHaveLength(1)
    expect(link.lastFailure).toEqual({ text: expect.stringMatching(/^OOM .*raise its maxmemory/), at: 5 })
    expect(failures).toEqual([link.lastFailure])
    await link.close()
  })

  test('after another error the connection is given up, once', async () => {
    const { member, link, connection, connections } = await connected()
    member.asks.set('disconnected', [{ do: 'connect', id: 9 }])
    connection.answerOf('append').reject(new Error('Command timed out'))
    connection.answerOf('read').reject(new Error('Connection is closed.'))
    connection.break()
    await vi.advanceTimersByTimeAsync(99)
    expect(connections, 'a pause before the next try').toHaveLength(1)
    await vi.advanceTimersByTimeAsync(301)
    expect(member.inputs).toEqual(['disconnected', 'connected 9 one'])
    expect([connection.closes, connections.length]).toEqual([1, 2])
    await link.close()
  })

  test('a connection that closes by itself is told', async () => {
    const { member, link, connection } = await connected()
    connection.break()
    await settle()
    expect(member.inputs).toEqual(['disconnected'])
    expect(link.lastFailure?.text).toBe('Redis has closed the connection')
    await link.close()
  })

  test('appends are counted by their reply, and those without one as failed', async () => {
    const { member, link, connection, connections } = await connected()
    connection.answerOf('append').resolve({ reply: 'alive' })
    await settle()
    expect(link.appends).toEqual({ appended: 0, duplicate: 0, epoch: 0, lost: 0, alive: 1, failed: 0 })
    for (const error of [refusal('OOM'), new Error('Command timed out')]) {
      member.asks.set('disconnected', [{ do: 'connect', id: 9 }])
      member.asks.set('connected', ALL)
      connections.at(-1)?.break()
      await vi.advanceTimersByTimeAsync(400)
      connections.at(-1)?.answerOf('append').reject(error)
      await settle()
    }
    expect(link.appends).toMatchObject({ appended: 0, alive: 1, failed: 2 })
    await link.close()
  })

  test('what a connection has ignored still counts on the next one', async () => {
    const { member, link, connection, connections } = await connected()
    connection.ignored = 2
    expect(link.ignored).toBe(2)
    member.asks.set('disconnected', [{ do: 'connect', id: 9 }])
    connection.break()
    await vi.advanceTimersByTimeAsync(400)
    const next = connections.at(-1) as FakeConnection
    expect([next === connection, link.ignored]).toEqual([false, 2])
    next.ignored = 1
    expect(link.ignored).toBe(3)
    await link.close()
  })

  test('late answers are given, and late errors are not', async () => {
    const { member, link, connection, connections } = await connected()
    member.asks.set('changed', [{ do: 'connect', id: 9 }])
    await vi.advanceTimersByTimeAsync(400)
    link.changed({ users: ['ann'] })
    await settle()
    expect([connection.closes, connections.length]).toEqual([1, 2])
    connection.answerOf('append').reject(new Error('Connection is closed.'))
    connection.answerOf('read').reject(refusal('ERR'))
    connection.answerOf('time').resolve(77)
    await settle()
    expect(member.inputs).toEqual(['changed', 'connected 9 one', 'toldTime 5 77'])
    await link.close()
  })
})

describe('inputs', () => {
  test('an input that the member causes while it takes one waits, also for the commands before it', async () => {
    const { member, link, connection } = await connected()
    member.during = name => name === 'tick' && link.changed({ users: ['ann'] })
    member.asks.set('tick', [{ do: 'time', id: 20 }])
    member.asks.set('changed', [{ do: 'audit', id: 21 }])
    connection.calls.length = 0
    member.nextTick = 10
    link.stop()
    await vi.advanceTimersByTimeAsync(10)
    member.nextTick = Number.POSITIVE_INFINITY
    expect(member.inputs.slice(0, 3)).toEqual(['stop', 'tick 10', 'changed'])
    expect(connection.calls.map(({ name }) => name)).toEqual(['time', 'audit a'])
    await link.close()
  })

  test('the member is woken up when it has asked, also if that becomes earlier', async () => {
    const { member, link } = await connected()
    member.during = name => {
      if (name === 'tick') member.nextTick = Number.POSITIVE_INFINITY
    }
    member.nextTick = 1_000
    link.changed({})
    await vi.advanceTimersByTimeAsync(100)
    member.nextTick = 300
    link.changed({})
    await vi.advanceTimersByTimeAsync(2_000)
    expect(member.inputs).toEqual(['changed', 'changed', 'tick 300'])
    await link.close()
  })

  test('after close, there are no inputs, no tries and no timers', async () => {
    const { member, link, connection, tries } = await connected()
    member.nextTick = 50
    link.changed({})
    await link.close()
    connection.answerOf('time').resolve(77)
    connection.answerOf('append').reject(new Error('closed'))
    link.changed({})
    await vi.advanceTimersByTimeAsync(5_000)
    expect(member.inputs).toEqual(['changed'])
    expect([connection.closes, tries.length]).toEqual([1, 1])
  })
})

describe('connecting', () => {
  test('a try that is refused is repeated after 100 to 400 ms, until one succeeds', async () => {
    let isUp = false
    const { member, link, tries, failures } = set(async () => {
      if (!isUp) throw new Error('Redis is not reachable', { cause: new Error('connect ECONNREFUSED') })
      return new FakeConnection()
    })
    link.start()
    await vi.advanceTimersByTimeAsync(20_000)
    const pauses = tries.slice(1).map((time, index) => time - (tries[index] ?? 0))
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(100)
    expect(Math.max(...pauses)).toBeLessThanOrEqual(400)
    expect(new Set(pauses).size).toBeGreaterThan(10)
    expect(failures.map(({ text }) => text)).toEqual(['Redis is not reachable: connect ECONNREFUSED'])
    isUp = true
    await vi.advanceTimersByTimeAsync(400)
    expect(member.inputs).toEqual(['start', 'connected 1 one'])
    const before = tries.length
    await vi.advanceTimersByTimeAsync(5_000)
    expect(tries).toHaveLength(before)
    await link.close()
  })

  test('that Redis may have no TLS is told until a connection by TLS has worked', async () => {
    let connection: FakeConnection | undefined
    const late = () => new Promise<never>((_, reject) => setTimeout(reject, 1_600, new Error('late')))
    const { member, link, failures } = set(() => (connection ? Promise.resolve(connection) : late()), true)
    member.asks.set('connected', ALL)
    link.start()
    await vi.advanceTimersByTimeAsync(1_500)
    connection = new FakeConnection()
    await vi.advanceTimersByTimeAsync(400)
    connection.answerOf('read').reject(new Error('no answer within 5 ms'))
    await vi.advanceTimersByTimeAsync(0)
    expect(failures.map(({ text }) => text.includes('rediss://'))).toEqual([true, false])
    await link.close()
  })

  test('the same failure is reported again after a minute, and kept with its last time', async () => {
    const { link, failures } = set(() => Promise.reject(new Error('no')))
    link.start()
    await vi.advanceTimersByTimeAsync(90_000)
    expect(failures).toHaveLength(2)
    expect(link.lastFailure?.at).toBeGreaterThan(89_000)
    await link.close()
  })

  test('a try that hangs is given up after 1.5 s, and closed when it connects late', async () => {
    const first = later<RedisConnection>()
    const late = new FakeConnection()
    const { member, link, tries } = set(() =>
      tries.length === 1 ? first.promise : Promise.reject(new Error('no')),
    )
    link.start()
    await vi.advanceTimersByTimeAsync(1_950)
    expect(tries[1]).toBeGreaterThanOrEqual(1_600)
    expect(tries[1]).toBeLessThanOrEqual(1_900)
    first.resolve(late)
    await settle()
    expect([late.closes, member.inputs]).toEqual([1, ['start']])
    await link.close()
  })

  test.each([
    ['is a replica', { info: async () => ({ ...info, isReplica: true }) }, 'READONLY'],
    ['does not tell what it is', { info: () => Promise.reject(refusal('NOPERM')) }, 'docs/redis-acl.md'],
    ['does not allow all writes', { probe: () => Promise.reject(refusal('NOPERM')) }, 'docs/redis-acl.md'],
  ])('a Redis that %s is not used, and its connection is closed', async (_, parts, text) => {
    const opened: FakeConnection[] = []
    const { member, link } = set(async () => {
      opened.push(new FakeConnection())
      return Object.assign(opened.at(-1) as FakeConnection, parts)
    })
    link.start()
    await vi.advanceTimersByTimeAsync(1_000)
    expect(opened.length).toBeGreaterThan(1)
    await link.close()
    expect(opened.map(({ closes }) => closes)).toEqual(opened.map(() => 1))
    expect(member.inputs).toEqual(['start'])
    expect(link.lastFailure?.text).toContain(text)
  })

  test('only the last "connect" counts', async () => {
    const opening: ReturnType<typeof later<RedisConnection>>[] = []
    const { member, link } = set(() => {
      opening.push(later<RedisConnection>())
      return opening.at(-1)?.promise as Promise<RedisConnection>
    })
    link.start()
    await vi.advanceTimersByTimeAsync(400)
    member.asks.set('changed', [{ do: 'connect', id: 9 }])
    link.changed({})
    const [first, second] = [new FakeConnection(), new FakeConnection()]
    opening[1]?.resolve(second)
    opening[0]?.resolve(first)
    await settle()
    expect(member.inputs).toEqual(['start', 'changed', 'connected 9 one'])
    expect([first.closes, second.closes]).toEqual([1, 0])
    await vi.advanceTimersByTimeAsync(5_000)
    expect(opening).toHaveLength(2)
    await link.close()
  })

  test('close waits for a try, and closes its connection', async () => {
    const opening = later<RedisConnection>()
    const connection = new FakeConnection()
    const { member, link } = set(() => opening.promise)
    link.start()
    let isClosed = false
    const closing = link.close().then(() => (isClosed = true))
    await settle()
    expect(isClosed).toBe(false)
    opening.resolve(connection)
    await closing
    expect([connection.closes, member.inputs]).toEqual([1, ['start']])
    await vi.advanceTimersByTimeAsync(2_000)
  })
})
