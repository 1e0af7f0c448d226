import { describe, expect, test } from 'vitest'
import { clock, connection, makeClient, network, openClient, received, server } from './harness.fake.ts'

// How a client connects again and catches up.

const ids = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `user-${from + n}`)

describe('[J6] reconnecting', () => {
  test('subscriptions are resumed from their position', async () => {
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

  test('a gap is filled from the position before it', async () => {
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

  test('a state is applied as a whole when its last page has arrived', async () => {
    const client = await openClient()
    for (const id of ids(8)) server.users.change(id, 'online')
    const emitted: number[] = []
    client.onChange(changed => emitted.push(changed.length))
    client.subscribe(ids(8))
    await clock.run(300)
    expect(emitted).toEqual([8])
  })

  test('a quiet server gets a ping; without an answer the client connects again', async () => {
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

  test('the online event ends a wait, and checks an open connection', async () => {
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

  test('retryAfterMs of the server is respected', async () => {
    const client = await openClient()
    connection().close(4503, 5_000)
    await clock.run(4_990)
    network.emit('online')
    expect(client.connectionStatus).toBe('waiting')
    await clock.run(1_000)
    expect(client.connectionStatus).toBe('open')
  })

  test('a subscription that is too fast is made again; another refusal is reported', async () => {
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
