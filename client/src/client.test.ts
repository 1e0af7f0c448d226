import { describe, expect, test } from 'vitest'
import { createClient } from './client.ts'
import { FakeConnection } from './connection.fake.ts'
import { PresenceError } from './errors.ts'
import { FakeEvents } from './events.fake.ts'
import {
  clock,
  connection,
  makeClient,
  network,
  openClient,
  query,
  received,
  server,
  settle,
} from './harness.fake.ts'
import type { Platform } from './platform.ts'

// What a client asks, what it says of its user, and where it runs.

describe('[J7] requests', () => {
  test('get their own replies', async () => {
    const client = await openClient()
    server.users.change('ann', 'busy')
    const [users, status] = await settle(
      Promise.all([client.getUsers(['ann', 'bob']), client.setStatus('away', { text: 'lunch' })]),
    )
    expect(users.map(user => user.status)).toEqual(['busy', 'offline'])
    expect(status).toEqual({ status: 'away', text: 'lunch', expiresAt: undefined })
    expect(client.myStatus).toEqual(status)
    expect(client.users()).toEqual([])
  })

  test('have an end: a date becomes a time', async () => {
    const client = await openClient()
    const expiresAt = new Date('2035-01-01T00:00:00Z')
    await settle(client.setStatus('busy', { expiresAt }))
    expect(received('set_status')).toMatchObject([{ status: 'busy', expiresAt: '2035-01-01T00:00:00.000Z' }])
    expect(received('set_status')[0]).not.toHaveProperty('text')
  })

  test('are refused with the server’s code', async () => {
    const client = await openClient()
    const asked = client.identify('Ann')
    await Promise.resolve()
    // The third that is said: before it stands what there is to say of this device.
    connection().send({ type: 'error', code: 'too_fast', message: 'too fast', retryAfterMs: 50, id: 3 })
    await expect(settle(asked)).rejects.toMatchObject({ code: 'too_fast', retryAfterMs: 50 })
  })

  test('time out, and are rejected when the client is closed', async () => {
    server.conditions.unanswered = 1
    const client = makeClient()
    await expect(settle(client.getUsers(['ann']), 10_000)).rejects.toMatchObject({ code: 'timeout' })
    const asked = client.getUsers(['ann'])
    await Promise.resolve()
    client.close()
    await expect(asked).rejects.toMatchObject({ code: 'closed' })
    await expect(client.getUsers(['ann'])).rejects.toMatchObject({ code: 'closed' })
    expect(() => client.connect()).toThrow(PresenceError)
  })

  test('are asked again when the connection breaks before the reply', async () => {
    const client = await openClient()
    connection().stall()
    const asked = client.setStatus('busy')
    await Promise.resolve()
    connection().cut()
    await expect(settle(asked, 3_000)).resolves.toMatchObject({ status: 'busy' })
  })
})

describe('[J9] this user', () => {
  test('a choice of another device is told; after a welcome without one it is a plain one', async () => {
    const client = await openClient()
    const told: string[] = []
    client.onMyStatus(({ status }) => told.push(status))
    connection().send({ type: 'status_updated', status: 'busy' } as never)
    await clock.run(10)
    connection().cut()
    await clock.run(1)
    expect(client.myStatus.status).toBe('busy')
    await clock.run(2_000)
    expect(told).toEqual(['busy', 'online'])
  })

  test('idle and hidden are seen, told, and told again after a reconnect', async () => {
    const document = Object.assign(new FakeEvents(), { visibilityState: 'visible' })
    const client = await openClient({ idleAfterMs: 60_000 }, { document })
    const id = expect.any(Number)
    // A session may have been left idle by the page before a reload.
    expect(received('set_activity')).toEqual([{ type: 'set_activity', state: 'active', id }])
    server.received.length = 0
    await clock.run(59_000)
    document.emit('keydown')
    await clock.run(59_000)
    expect(received('set_activity')).toEqual([])
    await clock.run(2_000)
    const said = (activity: string, state: string) => [
      { type: 'set_activity', state: activity, id },
      { type: 'client_state', state, id },
    ]
    const heardOfDevice = () => server.received.filter(({ type }) => type !== 'ping')
    expect(heardOfDevice()).toEqual(said('idle', 'active'))
    server.received.length = 0
    document.visibilityState = 'hidden'
    document.emit('visibilitychange')
    await clock.run(6_000)
    expect(heardOfDevice()).toEqual(said('idle', 'inactive'))
    server.received.length = 0
    connection().cut()
    await clock.run(2_000)
    expect(server.received).toEqual(said('idle', 'inactive'))
    server.received.length = 0
    document.visibilityState = 'visible'
    document.emit('visibilitychange')
    await clock.run(10)
    expect(heardOfDevice()).toEqual([...said('idle', 'active'), ...said('active', 'active')])
    expect(received('ping')).toHaveLength(1)
    client.close()
    await clock.run(60_000)
    expect(document.size).toBe(0)
    expect(network.size).toBe(0)
    expect(clock.pending).toBe(0)
  })

  test('what a hidden tab shows is stale, until the server has told what it kept to itself', async () => {
    const client = await openClient()
    client.subscribe(['ann'])
    await clock.run(300)
    client.setVisible(false)
    expect(client.get('ann')?.freshness).toBe('stale')
    expect(client.freshness).toBe('stale')
    server.users.change('ann', 'busy')
    await clock.run(1_000)
    const told: string[] = []
    client.onChange(([ann]) => told.push(`${ann?.status} ${ann?.freshness}`))
    client.setVisible(true)
    expect(client.freshness).toBe('stale')
    await clock.run(10)
    expect(told).toEqual(['busy stale', 'busy live'])
    client.setVisible(false)
    connection().cut()
    await clock.run(2_000)
    expect(client.connectionStatus).toBe('open')
    expect(client.freshness).toBe('stale')
    connection().cut()
    await clock.run(1)
    client.setVisible(true)
    await clock.run(3_000)
    expect(client.freshness).toBe('live')
  })

  test('a tab that is hidden for a moment says nothing', async () => {
    const document = Object.assign(new FakeEvents(), { visibilityState: 'hidden' })
    await openClient({ idleAfterMs: false }, { document })
    server.received.length = 0
    document.visibilityState = 'visible'
    document.emit('visibilitychange')
    await clock.run(600_000)
    expect(server.received.every(({ type }) => type === 'ping')).toBe(true)
  })
})

describe('[J10] a server that talks nonsense', () => {
  test.each([
    null,
    { type: 'presence_state', last: true },
    { type: 'presence_state', last: true, users: [null] },
    { type: 'presence_diff', prevSeq: 100, seq: 107 },
  ])('%j: the line is as good as broken, and nothing is missed', async message => {
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

  test('a farewell that lacks everything, and a socket that can’t be used, are a broken line', async () => {
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

  test('a wait that no timer can wait is a long one', async () => {
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

describe('[J10] a welcome', () => {
  test('that lacks what it must have is no welcome', async () => {
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

describe('[J10] where it runs', () => {
  test('on a server nothing is opened until something is wanted', async () => {
    const WebSocket = server.WebSocket
    const client = makeClient({ WebSocket: undefined as never }, { WebSocket })
    await clock.run(1_000)
    expect(client.connectionStatus).toBe('idle')
    client.subscribe(['ann'])
    await clock.run(10)
    expect(client.get('ann')).toBeDefined()
  })

  test('in front of a user it connects at once, unless it must not', async () => {
    await openClient({ WebSocket: undefined as never }, { WebSocket: server.WebSocket, isUsers: true })
    const shy = makeClient({ autoConnect: false })
    shy.subscribe(['ann'])
    await clock.run(1_000)
    expect(shy.connectionStatus).toBe('idle')
    shy.connect()
    await clock.run(10)
    expect(shy.connectionStatus).toBe('open')
  })

  test('without a WebSocket it knows nothing, and says so', async () => {
    const client = makeClient({ WebSocket: undefined as never }, { WebSocket: undefined })
    client.subscribe(['ann'])
    expect(client.users()).toEqual([])
    expect(() => client.connect()).toThrow(expect.objectContaining({ code: 'no_websocket' }))
  })

  test('without a WebSocket whatever needs one says so at once', async () => {
    const client = makeClient({ WebSocket: undefined as never }, { WebSocket: undefined, isUsers: true })
    const errors: string[] = []
    client.onError(error => errors.push(error.code))
    await expect(client.setStatus('busy')).rejects.toMatchObject({ code: 'no_websocket' })
    client.subscribe(['ann'])
    client.watchAll()
    expect(errors).toEqual(['no_websocket'])
    client.close()
    await expect(client.setStatus('busy')).rejects.toMatchObject({ code: 'closed' })
    expect(clock.pending).toBeLessThanOrEqual(1)
  })

  test('a client that is closed before it has its lock does not keep it; one that never connects asks for none', async () => {
    const stored = new Map([['who-is-online:ws://fake/ws:me', 'tab-1']])
    const storage = { getItem: (key: string) => stored.get(key) ?? null, setItem: () => {} }
    const held = new Set<string>()
    let asked = 0
    const locks: NonNullable<Platform['locks']> = {
      async request(name, _options, callback) {
        asked++
        await new Promise<void>(resolve => void clock.setTimeout(resolve, 5))
        if (held.has(name)) return callback(null)
        held.add(name)
        await callback({})
        held.delete(name)
      },
    }
    makeClient({ autoConnect: false }, { storage, locks })
    await clock.run(50)
    expect(asked).toBe(0)
    makeClient({}, { storage, locks }).close()
    await clock.run(50)
    expect(held.size).toBe(0)
    const late = makeClient({}, { storage, locks })
    await clock.run(1)
    late.close()
    await clock.run(50)
    expect(held.size).toBe(0)
    await openClient({}, { storage, locks: { request: (...args) => Promise.resolve(args[2]({})) } })
    expect(query(-1)['sessionId']).toBe('tab-1')
  })

  test('options that can’t be meant are refused', () => {
    expect(() => createClient({ url: 'ws://x' } as never)).toThrow(
      expect.objectContaining({ code: 'bad_options' }),
    )
  })

  test('the real surroundings will do', () => {
    const client = createClient({ url: 'ws://127.0.0.1:1/ws', userId: 'me' })
    expect(client.connectionStatus).toBe('idle')
    client.close()
    expect(client.connectionStatus).toBe('closed')
  })
})
