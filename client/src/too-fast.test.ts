import { describe, expect, test } from 'vitest'
import { clock, connection, makeClient, openClient, received, server, settle } from './harness.fake.ts'

// What a client does when the server refuses requests as too fast.

const ids = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `user-${from + n}`)

describe('[J6] after too_fast', () => {
  /** Does something while the server refuses all requests that the client repeats. */
  async function whileTooFast<Result>(work: () => Result): Promise<Result> {
    server.conditions.tooFast = 1
    const result = work()
    await clock.run(250)
    server.conditions.tooFast = 0
    return result
  }

  test('a long subscribe that is refused unread is sent again, and so is an unsubscribe', async () => {
    const client = await openClient()
    const end = await whileTooFast(() => client.subscribe(ids(200)))
    await clock.run(1_500)
    expect(client.freshness).toBe('live')
    await whileTooFast(end)
    expect(connection().feed.topics.size).toBe(200)
    await clock.run(1_500)
    expect(connection().feed.topics.size).toBe(0)
  })

  test('a request that was refused without an id is sent again with the others', async () => {
    const client = await openClient()
    // In an object, because an async function awaits a promise that it returns.
    const { answer } = await whileTooFast(() => ({ answer: client.getUsers(ids(200)) }))
    expect(await settle(answer, 3_000)).toHaveLength(200)
    expect(received('get_users')).toHaveLength(2)
  })

  test('a subscription that ends before its reply is unsubscribed', async () => {
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

  test('nothing is sent again if nothing was dropped', async () => {
    const client = await openClient()
    client.subscribe(ids(200))
    await Promise.resolve()
    connection().send({ type: 'error', code: 'too_fast', message: 'answered later' })
    await clock.run(5_000)
    expect(server.received.filter(({ type }) => type === 'subscribe')).toHaveLength(1)
  })

  test('a subscription that the server may have is unsubscribed, unless it is wanted again', async () => {
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

  test('nothing is sent for as long as the server says and more than a second', async () => {
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
    // The pauses are longer than the server needs to forgive, so it does not close the connection.
    const pauses = refusedAt.slice(1).map((at, n) => at - (refusedAt[n] ?? 0))
    expect(pauses.length).toBeGreaterThan(5)
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(1_350)
    server.conditions.tooFast = 0
    await clock.run(3_000)
    expect(client.users()).toHaveLength(300)
    expect(client.freshness).toBe('live')
    expect(connection().feed.topics.size).toBe(300)
  })

  test('a refusal that is final is reported, and requested again on the next connection', async () => {
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

  test('a subscription that was refused is requested again when it begins again', async () => {
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

  test('the state of this device is sent again, as it is by then', async () => {
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
