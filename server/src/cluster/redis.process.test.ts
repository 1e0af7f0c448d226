import { setTimeout as sleep } from 'node:timers/promises'
import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { type RunningRedis, startRedis } from '@who-is-online/testing/start-redis'
import { Redis } from 'ioredis'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { EPOCH, request } from './append.suite.ts'
import type { AppendReply } from './entry.ts'
import { connectRedis, type RedisConnection } from './redis.ts'
import { explainRedisError } from './redis-check.ts'

const begin = request('epoch', 1, { epoch: undefined, newEpoch: EPOCH })
const start = { epoch: 0, seq: 0 }

describeOnEngines('connectRedis', engine => {
  let redis: RunningRedis
  let client: Redis
  beforeAll(async () => {
    redis = await startRedis(engine)
    client = new Redis({ port: redis.port, protocol: 2 })
  })
  beforeEach(() => client.flushall('SYNC'))
  afterAll(async () => {
    client.disconnect()
    await redis.stop()
  })

  async function connect(to = redis): Promise<RedisConnection> {
    const connection = await connectRedis(to.url, 'test')
    onTestFinished(() => connection.close())
    return connection
  }

  /** An engine of its own, for a test that ends or pauses it. */
  async function another(): Promise<RunningRedis> {
    const other = await startRedis(engine)
    onTestFinished(other.stop)
    return other
  }

  test('what was appended is read, in order and from each place', async () => {
    const connection = await connect()
    const places = []
    for (const asked of [begin, request('join', 2), request('beat', 3)]) {
      const reply = (await connection.append(asked)) as Extract<AppendReply, { place: unknown }>
      places.push(reply.place)
    }
    const entries = await connection.read(start, 10)
    expect(entries.map(({ place, batch }) => [place, batch])).toEqual(
      places.map((place, index) => [place, index + 1]),
    )
    const some = await connection.read(start, 2)
    expect(some.map(({ place }) => place)).toEqual(places.slice(0, 2))
    expect((await connection.read(some[1]?.place ?? start, 2)).map(({ batch }) => batch)).toEqual([3])
  })

  test('a read waits for an entry, and for at most about a second', async () => {
    const connection = await connect()
    await connection.append(begin)
    const place = { epoch: EPOCH, seq: EPOCH }
    const before = performance.now()
    expect(await connection.read(place, 10)).toEqual([])
    expect(performance.now() - before).toBeGreaterThan(900)
    const reading = connection.read(place, 10)
    await sleep(50)
    const appended = performance.now()
    await connection.append(request('beat', 2))
    expect(await reading).toMatchObject([{ kind: 'beat', batch: 2 }])
    expect(performance.now() - appended).toBeLessThan(500)
  })

  test('an empty Redis is loaded', async () => {
    const empty = { end: undefined, epoch: undefined, nodes: new Map(), abouts: new Map() }
    expect(await (await connect()).load()).toEqual({ ...empty, facts: new Map(), registers: new Map() })
  })

  test('10,000 registers and facts are loaded', async () => {
    const connection = await connect()
    await connection.append(begin)
    for (let batch = 2; batch <= 21; batch++) {
      const users = Array.from({ length: 500 }, (_, index) => `user-${batch}-${index}`)
      const facts = users.map(
        userId => [userId, { p: 1, n: 1, h: EPOCH, s: { tab: EPOCH } }, 'opened'] as const,
      )
      const registers = users.map(userId => [`n:${userId}`, `000000000000001|a|"${userId}"`] as const)
      await connection.append(request('say', batch, { body: { facts, registers } }))
    }
    const loaded = await connection.load()
    expect(loaded.end).toEqual({ epoch: EPOCH, seq: EPOCH + 20 })
    expect(loaded.registers.size).toBe(10_000)
    expect(loaded.registers.get('n:user-21-499')).toBe('000000000000001|a|"user-21-499"')
    expect(loaded.facts.get('a')?.size).toBe(10_000)
    expect(connection.ignored).toBe(0)
  })

  test('an audit tells the members, and how many facts of a node are kept', async () => {
    const connection = await connect()
    await connection.append(begin)
    await connection.append(request('join', 1, { node: 'b', body: { about: { name: 'B', version: '1' } } }))
    const fact = { p: 1, n: 1, h: EPOCH, s: {} } as const
    const auditing = () => connection.audit('a')
    // An append that is sent after the audit is not counted.
    const before = auditing()
    await connection.append(request('say', 2, { body: { facts: [['ann', fact, 'opened']] } }))
    expect((await before).ownFacts).toBe(0)
    expect(await auditing()).toEqual({
      nodes: new Map([
        ['a', 2],
        ['b', 1],
      ]),
      ownFacts: 1,
    })
  })

  test('the end of the log is known even if all entries were removed', async () => {
    const connection = await connect()
    await connection.append(begin)
    await client.xtrim('{test}:log', 'MAXLEN', 0)
    expect((await connection.load()).end).toEqual({ epoch: EPOCH, seq: EPOCH })
    expect(await connection.append(request('beat', 2))).toMatchObject({ place: { seq: EPOCH + 1 } })
  })

  test('what no node has written is ignored and counted, and entries keep their place', async () => {
    const connection = await connect()
    await connection.append(begin)
    for (let i = 0; i < 3; i++) await client.xadd('{test}:log', `${EPOCH}-*`, 'greeting', 'hello')
    await connection.append(request('beat', 2))
    const entries = await connection.read(start, 10)
    expect(entries.map(({ kind, node }) => `${kind} ${node}`)).toEqual([
      'epoch a',
      ...Array(3).fill('unknown '),
      'beat a',
    ])
    expect(entries.map(({ place }) => place.seq - EPOCH)).toEqual([0, 1, 2, 3, 4])
    expect(connection.ignored).toBe(3)
    await client.hset('{test}:here:a', 'ann', 'garbage')
    await client.hset('{test}:nodes', 'a.about', '{}')
    const { facts, abouts } = await connection.load()
    expect([facts.size, abouts.size, connection.ignored]).toEqual([0, 0, 5])
  })

  test('rows of the nodes that no node has written are ignored and counted', async () => {
    const connection = await connect()
    await connection.append(begin)
    await client.hset('{test}:nodes', { foo: 'bar', zero: '0', long: '9'.repeat(16), 'foo.about': '[]' })
    const { nodes, abouts, epoch } = await connection.load()
    expect([[...nodes], abouts.size, epoch, connection.ignored]).toEqual([[['a', 1]], 0, EPOCH, 4])
    expect([...(await connection.audit('a')).nodes.keys()]).toEqual(['a'])
    await client.hset('{test}:nodes', 'epoch', 'abc')
    expect([(await connection.load()).epoch, connection.ignored]).toEqual([undefined, 9])
    expect(await connection.append(request('beat', 2))).toEqual({ reply: 'epoch', epoch: undefined })
  })

  test('registers of an unknown kind and malformed ones are ignored and counted', async () => {
    const connection = await connect()
    await connection.append(begin)
    const value = '000000000000001|a|1'
    const registers = [
      ['s:ann', value],
      ['x:ann', value],
      ['s:', value],
      ['s:bob', 'garbage'],
    ] as never
    await connection.append(request('beat', 2, { body: { registers } }))
    await connection.read(start, 10)
    expect(connection.ignored).toBe(3)
    const loaded = await connection.load()
    expect([...loaded.registers]).toEqual([['s:ann', value]])
    expect(connection.ignored).toBe(6)
  })

  test('a Redis that asks for no password takes any one, and nothing is printed', async () => {
    const printed = vi.spyOn(console, 'warn')
    const connection = await connectRedis(redis.url.replace('://', '://:secret@'), 'test')
    onTestFinished(() => connection.close())
    expect(await connection.append(begin)).toMatchObject({ reply: 'appended' })
    expect(printed).not.toHaveBeenCalled()
  })

  test('negative control: a password that Redis refuses is told', async () => {
    await client.config('SET', 'requirepass', 'right')
    try {
      for (const login of ['', ':wrong@']) {
        const connecting = connectRedis(redis.url.replace('://', `://${login}`), 'test').then(connection =>
          connection.info().finally(() => connection.close()),
        )
        const error = await connecting.catch((error: unknown) => error)
        expect(explainRedisError(error)).toMatch(/(WRONGPASS|NOAUTH).*"REDIS_URL"/)
      }
    } finally {
      await client.config('SET', 'requirepass', '')
    }
  })

  test('a Redis that has forgotten the script gets it again', async () => {
    const connection = await connect()
    await connection.append(begin)
    await client.script('FLUSH')
    expect(await connection.append(request('beat', 2))).toMatchObject({ reply: 'appended' })
  })

  test('what Redis refuses rejects, and the connection goes on', async () => {
    const connection = await connect()
    await connection.append(begin)
    await client.replicaof('127.0.0.1', 1)
    await expect(connection.append(request('beat', 2))).rejects.toThrow('READONLY')
    expect((await connection.info()).isReplica).toBe(true)
    await expect(connection.probe()).rejects.toThrow('READONLY')
    await client.replicaof('NO', 'ONE')
    expect(await connection.append(request('beat', 2))).toMatchObject({ reply: 'appended' })
  })

  test('the time and the properties of Redis are told', async () => {
    const connection = await connect()
    expect(Math.abs((await connection.time()) - Date.now())).toBeLessThan(1_000)
    const info = await connection.info()
    expect(info).toMatchObject({ version: expect.stringMatching(/^\d+\.\d+/), maxmemoryPolicy: 'noeviction' })
    expect(info.server).toMatch(/^[\da-f]{40} [\da-f]{40}$/)
    expect([info.end, info.isReplica]).toEqual([undefined, false])
    await connection.append(begin)
    expect((await connection.info()).end).toEqual({ epoch: EPOCH, seq: EPOCH })
    await connection.probe()
    expect(await client.keys('*probe*')).toEqual([])
  })

  test('after a restart it is another server', async () => {
    const other = await another()
    const before = await (await connect(other)).info()
    await other.restart()
    expect((await (await connect(other)).info()).server).not.toBe(before.server)
  })

  describe('in bounded time', () => {
    async function elapsed(act: () => Promise<unknown>): Promise<number> {
      const before = performance.now()
      await act()
      return performance.now() - before
    }

    test('calls fail if Redis is paused, and the connection closes', async () => {
      const other = await another()
      const connection = await connect(other)
      await connection.append(begin)
      other.pause()
      const calls = () => [
        connection.append(request('beat', 2)),
        connection.read({ epoch: EPOCH, seq: EPOCH }, 10),
        connection.audit('a'),
        connection.load(),
        connection.time(),
        connection.info(),
        connection.probe(),
      ]
      const all = await elapsed(async () => {
        const results = await Promise.allSettled(calls())
        expect(results.map(({ status }) => status)).toEqual(Array(7).fill('rejected'))
      })
      expect(all).toBeLessThan(4_000)
      // The connection has failed, so nothing waits any more.
      expect(await elapsed(() => Promise.allSettled(calls()))).toBeLessThan(1_000)
      expect(await elapsed(() => connection.close())).toBeLessThan(1_000)
    })

    test('connecting fails if Redis is paused, and works when it goes on', async () => {
      const other = await another()
      other.pause()
      const failing = elapsed(() => expect(connectRedis(other.url, 'test')).rejects.toThrow('not reachable'))
      expect(await failing).toBeLessThan(3_000)
      other.resume()
      expect(await (await connect(other)).append(begin)).toMatchObject({ reply: 'appended' })
    })

    test('connecting fails if nothing listens, and the error has the reason', async () => {
      const other = await another()
      await other.kill()
      const failing = expect(connectRedis(other.url, 'test')).rejects.toThrow(
        expect.objectContaining({ cause: expect.objectContaining({ code: 'ECONNREFUSED' }) }),
      )
      expect(await elapsed(() => failing)).toBeLessThan(2_000)
    })

    test('the database of the URL is used, and no other one if Redis has no such database', async () => {
      const other = await another()
      const connection = await connectRedis(`${other.url}/3`, 'test')
      onTestFinished(() => connection.close())
      await connection.append(begin)
      const keysIn = async (db: number): Promise<number> => {
        const looker = new Redis({ port: other.port, protocol: 2, db })
        return looker.dbsize().finally(() => looker.disconnect())
      }
      expect([await keysIn(0), await keysIn(3)]).toEqual([0, 2])
      const error = await connectRedis(`${other.url}/99`, 'test').catch((error: unknown) => error)
      expect(explainRedisError(error)).toMatch(/^Redis refuses to connect: ERR DB index .*"REDIS_URL"/)
    })

    test('a waiting read fails at once if Redis is killed', async () => {
      const other = await another()
      const connection = await connect(other)
      await connection.append(begin)
      const reading = expect(connection.read({ epoch: EPOCH, seq: EPOCH }, 10)).rejects.toThrow()
      await sleep(50)
      await other.kill()
      expect(await elapsed(() => reading)).toBeLessThan(500)
      expect(await elapsed(() => connection.closed)).toBeLessThan(500)
      await other.restart()
      // Nothing reconnects by itself: the Redis behind it may be another one.
      await expect(connection.append(request('beat', 2))).rejects.toThrow()
    })
  })

  test('close leaves nothing open, and what was waiting fails', async () => {
    const other = await another()
    const sockets = () => process.getActiveResourcesInfo().filter(name => name === 'TCPSocketWrap').length
    const before = sockets()
    const connection = await connectRedis(other.url, 'test')
    expect(sockets()).toBe(before + 2)
    const reading = expect(connection.read(start, 1)).rejects.toThrow()
    await connection.close()
    await connection.closed
    await reading
    expect(sockets()).toBe(before)
    await connection.close()
    await expect(connection.time()).rejects.toThrow()
  })
})
