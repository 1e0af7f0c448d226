import { describe, expect, test } from 'vitest'
import { createClient } from './client.ts'
import { clock, makeClient, openClient, query, server } from './harness.fake.ts'
import type { Platform } from './platform.ts'

// Where a client runs, and when it connects.

describe('[J10] platforms', () => {
  test('on a server the first call that needs a connection opens one', async () => {
    const WebSocket = server.WebSocket
    const client = makeClient({ WebSocket: undefined as never }, { WebSocket })
    await clock.run(1_000)
    expect(client.connectionStatus).toBe('idle')
    client.subscribe(['ann'])
    await clock.run(10)
    expect(client.get('ann')).toBeDefined()
  })

  test('where a user is the client connects at once, unless autoConnect is false', async () => {
    await openClient({ WebSocket: undefined as never }, { WebSocket: server.WebSocket, isUsers: true })
    const manual = makeClient({ autoConnect: false })
    manual.subscribe(['ann'])
    await clock.run(1_000)
    expect(manual.connectionStatus).toBe('idle')
    manual.connect()
    await clock.run(10)
    expect(manual.connectionStatus).toBe('open')
  })

  test('without a WebSocket connect() throws', async () => {
    const client = makeClient({ WebSocket: undefined as never }, { WebSocket: undefined })
    client.subscribe(['ann'])
    expect(client.users()).toEqual([])
    expect(() => client.connect()).toThrow(expect.objectContaining({ code: 'no_websocket' }))
  })

  test('without a WebSocket requests reject at once, and subscriptions report one error', async () => {
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

  test('a client that is closed while it waits for its lock releases it; one that never connects asks for none', async () => {
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

  test('the globals of this platform are enough', () => {
    const client = createClient({ url: 'ws://127.0.0.1:1/ws', userId: 'me' })
    expect(client.connectionStatus).toBe('idle')
    client.close()
    expect(client.connectionStatus).toBe('closed')
  })
})
