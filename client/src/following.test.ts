import { describe, expect, test } from 'vitest'
import { PresenceError } from './errors.ts'
import {
  clock,
  connection,
  makeClient,
  network,
  openClient,
  received,
  server,
  settle,
} from './harness.fake.ts'

// What is followed, and how it is followed again.

const ids = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `user-${from + n}`)

describe('[J5] following', () => {
  test('two who follow one user cost one subscription, which ends with the last of them', async () => {
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

  test('a user is unknown until the server has told, then the same object until it changes', async () => {
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

  test('rows that come and go within a turn say nothing; many that come together are one message', async () => {
    const client = await openClient()
    client.subscribe(['ann'])()
    for (const id of ids(250)) client.subscribe([id])
    await clock.run(10)
    expect(received('subscribe')).toHaveLength(1)
    expect(received('unsubscribe')).toEqual([])
  })

  test('whoever scrolls through a list is told apart at most five times a second', async () => {
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
    const said = received('subscribe') as unknown as { userIds: string[] }[]
    expect(said.map(({ userIds }) => userIds.length)).toEqual([250, 250, 100])
    expect(client.users()).toHaveLength(600)
    server.received.length = 0
    // Of all characters that an id may have, a quote grows most; at the end something else, or they would be one id.
    client.subscribe(Array.from({ length: 400 }, (_, n) => `${'"'.repeat(125)}${100 + n}`))
    await clock.run(3_000)
    expect(received('subscribe').length).toBe(2)
    for (const one of received('subscribe'))
      expect(Buffer.byteLength(JSON.stringify(one))).toBeLessThan(65_536)
  })

  test('who is followed anew while a change is on its way is asked for anew, and whole', async () => {
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
    expect(received('subscribe').map(said => 'since' in said)).toEqual([false, true, false])
    expect(client.get('ann')).toMatchObject({ status: 'online', freshness: 'live' })
  })

  test('more than a connection may follow is an error, and nothing of it is followed', async () => {
    const client = await openClient()
    client.subscribe(ids(9_999))
    expect(() => client.subscribe(['one', 'two'])).toThrow(expect.objectContaining({ code: 'too_many' }))
    client.subscribe(['one'])
    const end = client.subscribe(ids(5))
    end()
    expect(() => client.subscribe(['two'])).toThrow(PresenceError)
  })

  test.each(['', 'a\u0000b', '\ud800', 'x'.repeat(129), 'é'.repeat(65), 7])('%j is no user id', async id => {
    const client = makeClient()
    expect(() => client.subscribe(['ann', id as string])).toThrow(
      expect.objectContaining({ code: 'bad_user_id' }),
    )
  })

  test.each(['__proto__', 'constructor', '👻', 'x'.repeat(128), '\u2028'])('%j is one', async id => {
    const client = await openClient()
    server.users.change(id, 'busy')
    client.subscribe([id])
    await clock.run(50)
    expect(client.get(id)).toMatchObject({ userId: id, status: 'busy' })
  })

  test('everybody: whoever is missing after a new life of the server is offline', async () => {
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

  test('everybody: a state counts as what its last page says, asked for or not; one by name is merged', async () => {
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

  test('the count', async () => {
    const client = await openClient()
    const told: number[] = []
    client.onCount(count => told.push(count))
    expect(client.count).toBeUndefined()
    client.watchCount()
    server.users.change('ann', 'busy')
    await clock.run(50)
    server.users.change('bob', 'away')
    await clock.run(50)
    expect(told).toEqual([1, 2])
    expect(client.count).toBe(2)
  })

  test('listeners of a subscription hear of its users only, and one that throws stops nothing', async () => {
    const client = await openClient()
    const told: string[] = []
    client.subscribe(['ann'], () => told.push('ann'))
    client.subscribe(['bob'], () => told.push('bob'))
    const unlisten = client.onChange(changed => told.push(changed.map(user => user.userId).join()))
    await clock.run(50)
    told.length = 0
    server.users.change('bob', 'busy')
    await clock.run(50)
    expect(told).toEqual(['bob', 'bob'])
    unlisten()
    server.users.change('bob', 'away')
    await clock.run(50)
    expect(told).toEqual(['bob', 'bob', 'bob'])
  })
})

describe('[J6] coming back', () => {
  test('what is followed is followed again, from where it was left', async () => {
    const client = await openClient()
    server.users.change('ann', 'online')
    client.subscribe(['ann', 'bob'])
    await clock.run(300)
    const { epoch, seq } = server.users
    connection().cut()
    await clock.run(1)
    expect(client.freshness).toBe('stale')
    expect(client.get('ann')).toMatchObject({ status: 'online', freshness: 'stale' })
    server.users.change('bob', 'busy')
    client.subscribe(['eve'])
    server.received.length = 0
    await clock.run(2_000)
    expect(received('subscribe')).toMatchObject([
      { userIds: ['ann', 'bob'], since: { epoch, seq } },
      { userIds: ['eve'] },
    ])
    expect(received('subscribe')[1]).not.toHaveProperty('since')
    expect(client.get('bob')).toMatchObject({ status: 'busy', freshness: 'live' })
    expect(client.freshness).toBe('live')
  })

  test('a hole is filled from before it', async () => {
    const client = await openClient()
    client.subscribe(['ann', 'bob'])
    await clock.run(300)
    const { epoch, seq } = server.users
    connection().feed.loseNextDiff()
    server.users.change('ann', 'busy')
    await clock.run(50)
    expect(client.get('ann')?.status).toBe('offline')
    server.users.change('bob', 'busy')
    await clock.run(300)
    expect(received('subscribe').at(-1)).toMatchObject({ userIds: ['ann', 'bob'], since: { epoch, seq } })
    expect(client.get('ann')).toMatchObject({ status: 'busy', freshness: 'live' })
  })

  test('a state is shown when its last page is there, at once', async () => {
    const client = await openClient()
    for (const id of ids(8)) server.users.change(id, 'online')
    const told: number[] = []
    client.onChange(changed => told.push(changed.length))
    client.subscribe(ids(8))
    await clock.run(300)
    expect(told).toEqual([8])
  })

  test('a quiet server is asked, a silent one is left, whatever the socket says', async () => {
    const client = await openClient()
    await clock.run(60_000)
    expect(received('ping').length).toBe(4)
    expect(server.attempts).toBe(1)
    connection().stall()
    await clock.run(15_000 + 8_000 + 10)
    expect(client.connectionStatus).not.toBe('open')
    await clock.run(2_000)
    expect(client.connectionStatus).toBe('open')
  })

  test('a network that comes back ends a wait, and makes an open connection prove itself', async () => {
    server.conditions.refused = 1
    const client = makeClient()
    await clock.run(60_000)
    expect(client.connectionStatus).toBe('waiting')
    server.conditions.refused = 0
    network.emit('online')
    await clock.run(1)
    expect(client.connectionStatus).toBe('open')
    connection().stall()
    network.emit('online')
    await clock.run(8_010)
    expect(client.connectionStatus).not.toBe('open')
  })

  test('a server that says when is believed', async () => {
    const client = await openClient()
    connection().close(4503, 5_000)
    await clock.run(4_990)
    network.emit('online')
    expect(client.connectionStatus).toBe('waiting')
    await clock.run(1_000)
    expect(client.connectionStatus).toBe('open')
  })

  test('a subscription that is refused for now is made again; another refusal is told', async () => {
    const client = await openClient()
    const errors: string[] = []
    client.onError(error => errors.push(error.code))
    server.conditions.tooFast = 1
    client.subscribe(['ann'])
    await clock.run(250)
    server.conditions.tooFast = 0
    await clock.run(1_400)
    expect(client.get('ann')).toBeDefined()
    expect(errors).toEqual([])
    client.subscribe(['bob'])
    await Promise.resolve()
    connection().send({ type: 'error', code: 'bad_message', message: 'no', id: 99 } as never)
    await clock.run(10)
    expect(errors).toEqual(['bad_message'])
  })
})

describe('[J6] a server that is asked too much', () => {
  /** Does something of which the server refuses whatever is said of it. */
  async function whileTooFast<Result>(work: () => Result): Promise<Result> {
    server.conditions.tooFast = 1
    const result = work()
    await clock.run(250)
    server.conditions.tooFast = 0
    return result
  }

  test('a long subscription that is refused unread is made again, and what ends one too', async () => {
    const client = await openClient()
    const end = await whileTooFast(() => client.subscribe(ids(200)))
    await clock.run(1_500)
    expect(client.freshness).toBe('live')
    await whileTooFast(end)
    expect(connection().feed.topics.size).toBe(200)
    await clock.run(1_500)
    expect(connection().feed.topics.size).toBe(0)
  })

  test('a question that was refused without a word of which is asked again with the rest', async () => {
    const client = await openClient()
    // In an object: a promise that is returned as it is would be waited for.
    const { answer } = await whileTooFast(() => ({ answer: client.getUsers(ids(200)) }))
    expect(await settle(answer, 3_000)).toHaveLength(200)
    expect(received('get_users')).toHaveLength(2)
  })

  test('what is let go before its answer came is ended all the same', async () => {
    server.conditions.maxDelayMs = 300
    const client = makeClient()
    await clock.run(2_000)
    const end = client.subscribe(ids(10))
    await clock.run(250)
    expect(received('subscribe')).toHaveLength(1)
    end()
    await clock.run(250)
    expect(received('unsubscribe')).toHaveLength(1)
    await clock.run(2_000)
    expect(connection().feed.topics.size).toBe(0)
    expect(received('unsubscribe')).toHaveLength(1)
  })

  test('what may have been taken, and is wanted no more, is ended; what is wanted again is not', async () => {
    const client = await openClient()
    const end = client.subscribe(ids(200))
    await Promise.resolve()
    await clock.run(0)
    connection().send({ type: 'error', code: 'too_fast', message: 'no', retryAfterMs: 300 })
    await clock.run(0)
    end()
    await clock.run(2_000)
    expect(connection().feed.topics.size).toBe(0)
    client.subscribe(ids(200))()
    const again = client.subscribe(ids(200))
    await clock.run(300)
    again()
    server.conditions.tooFast = 1
    await clock.run(250)
    client.subscribe(ids(200))
    server.conditions.tooFast = 0
    await clock.run(2_000)
    expect(connection().feed.topics.size).toBe(200)
    expect(client.freshness).toBe('live')
  })

  test('is left alone for as long as it says and more than a second, whatever is wanted meanwhile', async () => {
    const client = await openClient()
    server.conditions.tooFast = 1
    const refusedAt: number[] = []
    let index = server.received.length
    for (let n = 0; n < 300; n++) {
      client.subscribe([`row-${n}`])
      await clock.run(50)
      if (server.received.length > index) refusedAt.push(clock.now())
      index = server.received.length
    }
    // Between two rounds it is quiet for longer than what the server takes for a pause: it has no reason to close.
    const pauses = refusedAt.slice(1).map((at, n) => at - (refusedAt[n] ?? 0))
    expect(pauses.length).toBeGreaterThan(5)
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(1_350)
    server.conditions.tooFast = 0
    await clock.run(3_000)
    expect(client.users()).toHaveLength(300)
    expect(client.freshness).toBe('live')
    expect(connection().feed.topics.size).toBe(300)
  })

  test('what the server does not allow is told, and asked for again on another connection', async () => {
    const client = await openClient()
    const errors: string[] = []
    client.onError(error => errors.push(error.code))
    server.conditions.tooFast = 1
    server.conditions.refusal = 'not_allowed'
    const end = client.subscribe(['ann'])
    await clock.run(250)
    server.conditions.tooFast = 0
    await clock.run(5_000)
    expect(errors).toEqual(['not_allowed'])
    expect(client.freshness).toBe('stale')
    expect(received('subscribe')).toHaveLength(1)
    connection().cut()
    await clock.run(3_000)
    expect(client.freshness).toBe('live')
    end()
  })

  test('what was not allowed is asked for again when it is wanted anew', async () => {
    const client = await openClient()
    server.conditions.tooFast = 1
    server.conditions.refusal = 'too_many'
    const end = client.subscribe(['ann'])
    await clock.run(250)
    server.conditions.tooFast = 0
    end()
    await clock.run(1_000)
    expect(client.freshness).toBe('live')
    client.subscribe(['ann'])
    await clock.run(1_000)
    expect(client.get('ann')).toMatchObject({ freshness: 'live' })
  })

  test('hears of this device again, as it is by then', async () => {
    const client = await openClient()
    server.conditions.tooFast = 1
    client.setActivity('idle')
    client.setVisible(false)
    await clock.run(10)
    client.setActivity('active')
    client.setActivity('idle')
    await clock.run(10)
    server.conditions.tooFast = 0
    server.received.length = 0
    await clock.run(2_000)
    expect(server.received).toMatchObject([
      { type: 'set_activity', state: 'idle' },
      { type: 'client_state', state: 'inactive' },
    ])
  })
})
