import { describe, expect, test } from 'vitest'
import { clock, connection, makeClient, openClient, query, server, settle } from './harness.fake.ts'
import type { Platform } from './platform.ts'

// The session id of a tab or device.

describe('[J8] the session', () => {
  test('the session id stays over reconnects; the name is sent once, because it may change', async () => {
    const client = await openClient({ username: 'Old' })
    await settle(client.identify('New'))
    connection().cut()
    await clock.run(2_000)
    expect(query(0)).toMatchObject({ userId: 'me', username: 'Old' })
    expect(query(1)).toEqual({ userId: 'me', sessionId: query(0)['sessionId'] })
    expect(server.protocols[0]).toEqual(['who-is-online.v2'])
  })

  test('the session id is stored for the tab; a duplicated tab gets another one', async () => {
    const stored = new Map<string, string>()
    const storage = {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => void stored.set(key, value),
    }
    let next = 0
    const random = () => ++next / 1_000
    const first = await openClient({}, { storage, random })
    const copy = makeClient({}, { storage, random })
    await clock.run(10_000)
    expect(copy.connectionStatus).toBe('open')
    expect(first.connectionStatus).toBe('open')
    expect(query(1)['sessionId']).toBe(query(0)['sessionId'])
    expect(query(2)['sessionId']).not.toBe(query(0)['sessionId'])
    expect(server.attempts).toBe(3)
  })

  test('with locks a duplicated tab knows before it connects', async () => {
    const stored = new Map([['who-is-online:ws://fake/ws:me', 'tab-1']])
    const storage = { getItem: (key: string) => stored.get(key) ?? null, setItem: () => {} }
    const held = new Set<string>()
    const locks: NonNullable<Platform['locks']> = {
      async request(name, _options, callback) {
        if (held.has(name)) return callback(null)
        held.add(name)
        await callback({})
        held.delete(name)
      },
    }
    const first = await openClient({}, { storage, locks })
    await openClient({}, { storage, locks })
    expect(query(0)['sessionId']).toBe('tab-1')
    expect(query(1)['sessionId']).not.toBe('tab-1')
    first.close()
    await clock.run(10)
    expect(held.has('who-is-online:ws://fake/ws:me tab-1')).toBe(false)
  })

  test('replaced twice in a row: the client is refused until connect()', async () => {
    const client = await openClient()
    connection().close(4409)
    await clock.run(10)
    connection().close(4409)
    await clock.run(60_000)
    expect(client.connectionStatus).toBe('refused')
    expect(client.refusal).toMatchObject({ code: 'refused', closeCode: 4409, message: 'because' })
    await expect(client.getUsers(['ann'])).rejects.toBe(client.refusal)
    client.connect()
    await clock.run(10)
    expect(client.connectionStatus).toBe('open')
    expect(client.refusal).toBeUndefined()
  })
})
