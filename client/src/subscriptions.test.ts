import { describe, expect, test } from 'vitest'
import { PresenceError } from './errors.ts'
import { clock, connection, makeClient, openClient, query, received, server, settle } from './harness.fake.ts'
import type { User } from './protocol.ts'

// What the application subscribes to, and what is sent for it.

const ids = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `user-${from + n}`)

describe('[J5] subscriptions', () => {
  test('two subscribers of one user share one subscription, which ends with the last of them', async () => {
    const client = await openClient()
    const first = client.subscribe(['ann'])
    const second = client.subscribe(['ann', 'bob'])
    await clock.run(10)
    expect(received('subscribe')).toEqual([
      { type: 'subscribe', userIds: ['ann', 'bob'], id: expect.any(Number) },
    ])
    first()
    first()
    await clock.run(1_000)
    expect(received('unsubscribe')).toEqual([])
    second()
    await clock.run(1_000)
    expect(received('unsubscribe')).toEqual([
      { type: 'unsubscribe', userIds: ['ann', 'bob'], id: expect.any(Number) },
    ])
    expect(client.users()).toEqual([])
  })

  test('a user is undefined until its state arrives, then the same object until it changes', async () => {
    const client = await openClient()
    server.users.change('ann', 'busy')
    client.subscribe(['ann', 'nobody'])
    expect(client.get('ann')).toBeUndefined()
    await clock.run(50)
    const ann = client.get('ann')
    expect(ann).toMatchObject({ status: 'busy', freshness: 'live' })
    expect(client.get('nobody')).toMatchObject({ status: 'offline', lastSeen: null })
    expect(client.get('stranger')).toBeUndefined()
    const users = client.users()
    server.users.change('other', 'away')
    await clock.run(50)
    expect(client.get('ann')).toBe(ann)
    expect(client.users()).toBe(users)
  })

  test('a subscription that ends at once sends nothing; many that begin together are one message', async () => {
    const client = await openClient()
    client.subscribe(['ann'])()
    for (const id of ids(250)) client.subscribe([id])
    await clock.run(10)
    expect(received('subscribe')).toHaveLength(1)
    expect(received('unsubscribe')).toEqual([])
  })

  test('a list that scrolls sends at most five rounds a second', async () => {
    const client = await openClient()
    for (let n = 0; n < 100; n++) {
      client.subscribe([`row-${n}`])
      await clock.run(10)
    }
    expect(received('subscribe').length).toBeLessThanOrEqual(6)
    await clock.run(300)
    expect(client.users()).toHaveLength(100)
  })

  test('lists are split so that the longest ids fit into a message', async () => {
    const client = await openClient()
    client.subscribe(ids(600))
    await clock.run(3_000)
    const requests = received('subscribe') as unknown as { userIds: string[] }[]
    expect(requests.map(({ userIds }) => userIds.length)).toEqual([250, 250, 100])
    expect(client.users()).toHaveLength(600)
    server.received.length = 0
    // JSON escapes a quote to twice its length, more than any other character of an id.
    client.subscribe(Array.from({ length: 400 }, (_, n) => `${'"'.repeat(125)}${100 + n}`))
    await clock.run(3_000)
    expect(received('subscribe').length).toBe(2)
    for (const one of received('subscribe'))
      expect(Buffer.byteLength(JSON.stringify(one))).toBeLessThan(65_536)
  })

  test('a subscription that ends and begins again during a request is requested again without a position', async () => {
    const client = await openClient()
    server.users.change('ann', 'online')
    const end = client.subscribe(['ann'])
    await clock.run(300)
    connection().cut()
    await clock.run(1)
    server.conditions.maxDelayMs = 4_000
    server.random = () => 0.5
    await clock.run(4_500)
    expect(client.connectionStatus).toBe('open')
    end()
    await clock.run(250)
    expect(client.get('ann')).toBeUndefined()
    client.subscribe(['ann'])
    await clock.run(10_000)
    expect(received('subscribe').map(request => 'since' in request)).toEqual([false, true, false])
    expect(client.get('ann')).toMatchObject({ status: 'online', freshness: 'live' })
  })

  test('subscriptions beyond the limit throw and are not made', async () => {
    const client = await openClient()
    client.subscribe(ids(9_999))
    expect(() => client.subscribe(['one', 'two'])).toThrow(expect.objectContaining({ code: 'too_many' }))
    client.subscribe(['one'])
    const end = client.subscribe(ids(5))
    end()
    expect(() => client.subscribe(['two'])).toThrow(PresenceError)
  })

  test.each([
    '',
    'a\u0000b',
    '\ud800',
    'x'.repeat(129),
    'é'.repeat(65),
    1.5,
    2 ** 53,
    Number.NaN,
    null,
    undefined,
  ])('%j is not a user id', async id => {
    const client = makeClient()
    expect(() => client.subscribe(['ann', id as string])).toThrow(
      expect.objectContaining({ code: 'bad_user_id' }),
    )
  })

  test.each(['ann', '7', 7])('[J17] %j alone is one id', async id => {
    const client = await openClient()
    server.users.change(`${id}`, 'busy')
    client.subscribe(id)
    await clock.run(50)
    expect(received('subscribe')).toMatchObject([{ userIds: [`${id}`] }])
    expect(client.get(id)).toMatchObject({ userId: `${id}`, status: 'busy' })
    expect(await settle(client.getUsers(id))).toMatchObject([{ userId: `${id}` }])
  })

  test('[J17] a number and its digits are one subscription', async () => {
    const client = await openClient()
    client.subscribe([7, '7', -0, '0', -3])
    await clock.run(50)
    expect(received('subscribe')).toMatchObject([{ userIds: ['7', '0', '-3'] }])
  })

  test('[J17] the client connects as the number that it was given, and refuses what cannot be an id', async () => {
    await openClient({ userId: 42 })
    expect(query(-1)).toMatchObject({ userId: '42' })
    for (const userId of ['', 1.5, {}, 'a\nb'])
      expect(() => makeClient({ userId } as never)).toThrow(expect.objectContaining({ code: 'bad_user_id' }))
  })

  test.each(['__proto__', 'constructor', '👻', 'x'.repeat(128), '\u2028'])('%j is a user id', async id => {
    const client = await openClient()
    server.users.change(id, 'busy')
    client.subscribe([id])
    await clock.run(50)
    expect(client.get(id)).toMatchObject({ userId: id, status: 'busy' })
  })

  test('all users: a user who is missing after a restart of the server is offline', async () => {
    const client = await openClient()
    server.users.change('ann', 'online')
    server.users.change('bob', 'busy')
    const end = client.watchAll()
    await clock.run(300)
    expect(client.users().map(user => user.status)).toEqual(['online', 'busy'])
    server.restart()
    server.users.byId.delete('ann')
    await clock.run(30_000)
    expect(client.get('ann')).toMatchObject({ status: 'offline', freshness: 'live' })
    end()
    await clock.run(1_000)
    expect(client.users()).toEqual([])
  })

  test('all users: the flags of the last page count, requested or not; a state by id is merged', async () => {
    const client = await openClient()
    server.users.change('ann', 'online')
    server.users.change('bob', 'busy')
    client.watchAll()
    await clock.run(300)
    const { epoch, seq } = server.users
    const say = async (name: string, flags: object) => {
      const users = [server.users.get(name)]
      connection().send({ type: 'presence_state', epoch, seq, users, ...flags } as never)
      await clock.run(10)
    }
    const statuses = () => ['ann', 'bob'].map(id => client.get(id)?.status)
    await say('ann', { last: false, recovered: true })
    expect(statuses()).toEqual(['online', 'busy'])
    await say('bob', { last: true, recovered: false, all: true })
    expect(statuses()).toEqual(['offline', 'busy'])
    await say('ann', { last: true, recovered: false, all: true })
    expect(statuses()).toEqual(['online', 'offline'])
    await say('bob', { last: true, recovered: true })
    client.subscribe(['eve'])
    await clock.run(300)
    expect(statuses()).toEqual(['online', 'busy'])
    expect(client.freshness).toBe('live')
  })

  test('the epoch of a state is that of the position, from which all subscriptions are resumed', async () => {
    const client = await openClient()
    client.subscribe(['ann'])
    await clock.run(300)
    const { epoch, seq } = server.users
    const since = async () => {
      server.received.length = 0
      connection().close(4508, 10)
      await clock.run(30_000)
      return received('subscribe').map(request => (request as { since?: unknown }).since)
    }
    // The negative control: until then, it is that of the welcome.
    expect(await since()).toEqual([{ epoch, seq }])
    const later = { epoch: 'later', seq: seq + 5 }
    connection().send({ type: 'presence_state', ...later, users: [], last: true, recovered: true } as never)
    await clock.run(10)
    expect(await since()).toEqual([later])
  })

  test('the number of users online', async () => {
    const client = await openClient()
    const emitted: number[] = []
    client.onCount(count => emitted.push(count))
    expect(client.count).toBeUndefined()
    client.watchCount()
    server.users.change('ann', 'busy')
    await clock.run(50)
    server.users.change('bob', 'away')
    await clock.run(50)
    expect(emitted).toEqual([1, 2])
    expect(client.count).toBe(2)
  })

  test('listeners of a subscription are called for its users only', async () => {
    const client = await openClient()
    const emitted: string[] = []
    client.subscribe(['ann'], () => emitted.push('ann'))
    client.subscribe(['bob'], () => emitted.push('bob'))
    const unlisten = client.onChange(changed => emitted.push(changed.map(user => user.userId).join()))
    await clock.run(50)
    emitted.length = 0
    server.users.change('bob', 'busy')
    await clock.run(50)
    expect(emitted).toEqual(['bob', 'bob'])
    unlisten()
    server.users.change('bob', 'away')
    await clock.run(50)
    expect(emitted).toEqual(['bob', 'bob', 'bob'])
  })
})

test('[E18] a diff without a start says that it is the last sign of life', async () => {
  const client = await openClient()
  client.subscribe(['ann', 'bob'])
  await clock.run(50)
  const [lastSeen, since] = ['2026-01-01T12:00:00.000Z', '2026-01-01T11:00:00.000Z']
  const told = async (userId: string, user: Partial<User>) => {
    const { seq } = server.users
    const users: User[] = [{ userId, status: 'busy', lastSeen, ...user }]
    connection().send({ type: 'presence_diff', prevSeq: seq, seq, users })
    await clock.run(1)
    return client.get(userId)?.since
  }
  expect(await told('ann', {})).toBe(lastSeen)
  expect(await told('ann', { since })).toBe(since)
  expect(await told('bob', { since: null })).toBeNull()
  expect(await told('bob', { status: 'offline' })).toBeUndefined()
})
