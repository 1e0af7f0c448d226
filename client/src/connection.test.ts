import { describe, expect, test } from 'vitest'
import { FakeConnection } from './connection.fake.ts'
import { clock, connection, makeClient, openClient, server } from './harness.fake.ts'

// What the server must not be able to do to a connection.

describe('[J10] invalid messages', () => {
  test.each([
    null,
    { type: 'presence_state', last: true },
    { type: 'presence_state', last: true, users: [null] },
    { type: 'presence_diff', prevSeq: 100, seq: 107 },
  ])('%j: the client connects again and misses nothing', async message => {
    const client = await openClient()
    client.subscribe(['ann'])
    await clock.run(300)
    connection().send(message as never)
    await clock.run(1)
    expect(client.connectionStatus).toBe('waiting')
    server.users.change('ann', 'busy')
    await clock.run(3_000)
    expect(client.connectionStatus).toBe('open')
    expect(client.get('ann')).toMatchObject({ status: 'busy', freshness: 'live' })
    client.close()
    expect(client.connectionStatus).toBe('closed')
  })

  test('an empty disconnect, and a socket that throws, count as a lost connection', async () => {
    const client = await openClient()
    connection().send({ type: 'disconnect' })
    await clock.run(1)
    connection().cut()
    await clock.run(1)
    expect(client.connectionStatus).toBe('waiting')
    await clock.run(2_000)
    expect(client.connectionStatus).toBe('open')
    class Broken extends server.WebSocket {
      override send(): void {
        throw new Error('not open')
      }
    }
    const broken = makeClient({ WebSocket: Broken })
    await clock.run(1)
    expect(broken.connectionStatus).toBe('waiting')
    broken.close()
    expect(broken.connectionStatus).toBe('closed')
  })

  test('a delay that is too long for a timer is shortened', async () => {
    const waits: number[] = []
    const setTimeout = (task: () => void, ms: number) => {
      waits.push(ms)
      return clock.setTimeout(task, ms)
    }
    await openClient({}, { setTimeout })
    connection().close(4503, 3e9)
    await clock.run(1)
    expect(Math.max(...waits)).toBe(2 ** 31 - 1)
  })
})

describe('[J10] an invalid welcome', () => {
  test('does not open the connection', async () => {
    const send = FakeConnection.prototype.send
    const client = makeClient()
    FakeConnection.prototype.send = function (message) {
      send.call(this, message.type === 'welcome' ? { type: 'welcome' } : message)
    }
    try {
      await clock.run(1)
      expect(client.connectionStatus).toBe('waiting')
    } finally {
      FakeConnection.prototype.send = send
    }
    client.subscribe(['ann'])
    await clock.run(3_000)
    expect(client.get('ann')).toMatchObject({ freshness: 'live' })
  })
})
