import { describe, expect, test } from 'vitest'
import type { PresenceError } from './errors.ts'
import { clock, connection, makeClient, openClient, query, server, settle } from './harness.fake.ts'
import type { Platform } from './platform.ts'

// Who a client says it is, and for how long.

const jwt = (exp: number) => `h.${btoa(JSON.stringify({ exp })).replaceAll('=', '')}.s`

describe('[J8] tokens that are none', () => {
  test.each([undefined, '', '<html>502 Bad Gateway</html>'])(
    '%j is told, and asked for again',
    async none => {
      const errors: PresenceError[] = []
      let asked = 0
      const client = makeClient({ getToken: () => (++asked === 1 ? none : 'good.token.x') as string })
      client.onError(error => errors.push(error))
      await clock.run(1)
      expect(client.connectionStatus).toBe('waiting')
      expect(errors).toMatchObject([{ code: 'bad_token' }])
      expect(server.attempts).toBe(0)
      await clock.run(2_000)
      expect(client.connectionStatus).toBe('open')
      expect(server.protocols).toEqual([['who-is-online.v2', 'bearer.good.token.x']])
    },
  )

  test('a getToken that fails is told, with its reason', async () => {
    const errors: PresenceError[] = []
    let asked = 0
    const client = makeClient({
      async getToken() {
        if (++asked === 1) throw new Error('401')
        return 'good.token.x'
      },
    })
    client.onError(error => errors.push(error))
    await clock.run(2_000)
    expect(errors).toMatchObject([{ code: 'bad_token', message: 'getToken failed: Error: 401' }])
    expect(client.connectionStatus).toBe('open')
  })

  test('a renewal that comes when there is another connection already touches nothing', async () => {
    let asked = 0
    const client = makeClient({
      async getToken() {
        // The second is the renewal, which is slow; meanwhile the line breaks, and the third goes with another one.
        if (++asked === 2) await new Promise(resolve => clock.setTimeout(() => resolve(undefined), 6_000))
        return jwt(clock.now() / 1_000 + 300 + asked)
      },
    })
    await clock.run(272_000)
    expect(asked).toBe(2)
    connection().cut()
    await clock.run(20_000)
    expect([asked, server.attempts, client.connectionStatus]).toEqual([3, 2, 'open'])
    client.close()
  })

  test('a constructor that throws says why', async () => {
    class Picky {
      constructor() {
        throw new SyntaxError('bad subprotocol')
      }
    }
    const client = makeClient({ token: 'a b', WebSocket: Picky as never })
    await clock.run(10)
    expect(client.refusal).toMatchObject({ closeCode: 4400, message: 'SyntaxError: bad subprotocol' })
  })

  test('the same token as before is no reason to connect anew, and is not asked for in a loop', async () => {
    const token = jwt(clock.now() / 1_000 + 40)
    let asked = 0
    await openClient({
      getToken() {
        asked++
        return token
      },
    })
    await clock.run(120_000)
    expect(server.attempts).toBe(1)
    expect(asked).toBeLessThanOrEqual(5)
    expect(asked).toBeGreaterThan(1)
  })

  test('one that has ended already, and one that ends soon, are not renewed in a loop', async () => {
    let asked = 0
    await openClient({ getToken: () => jwt(clock.now() / 1_000 - ++asked) })
    await clock.run(60_000)
    expect(server.attempts).toBe(1)
    const getToken = () => jwt(clock.now() / 1_000 + 2 + ++asked / 1_000)
    await openClient({ getToken, sessionId: 'other' })
    await clock.run(60_000)
    expect(server.attempts).toBeLessThanOrEqual(8)
  })

  test('a renewal that fails is tried again before the end, and not after the client is closed', async () => {
    let asked = 0
    const client = await openClient({
      async getToken() {
        if (++asked === 2 || asked === 3 || asked > 4) throw new Error('502')
        return jwt(clock.now() / 1_000 + 120 + asked)
      },
    })
    await clock.run(118_000)
    expect(asked).toBe(4)
    expect(server.attempts).toBe(2)
    await clock.run(100_000)
    expect(asked).toBeGreaterThan(4)
    client.close()
    await clock.run(60_000)
    expect(clock.pending).toBe(0)
  })
})

describe('[J8] who this is', () => {
  test('the session stays over reconnects; the name is said once, since it may be another by then', async () => {
    const client = await openClient({ username: 'Old' })
    await settle(client.identify('New'))
    connection().cut()
    await clock.run(2_000)
    expect(query(0)).toMatchObject({ userId: 'me', username: 'Old' })
    expect(query(1)).toEqual({ userId: 'me', sessionId: query(0)['sessionId'] })
    expect(server.protocols[0]).toEqual(['who-is-online.v2'])
  })

  test('the session is kept for the tab; a copy of the tab takes another', async () => {
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

  test('where there are locks the copy knows before it connects', async () => {
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

  test('replaced twice in a row: the client stays away until it is asked to come back', async () => {
    const client = await openClient()
    connection().close(4409)
    await clock.run(10)
    connection().close(4409)
    await clock.run(60_000)
    expect(client.connectionStatus).toBe('suspended')
    expect(client.refusal).toMatchObject({ code: 'refused', closeCode: 4409, message: 'because' })
    await expect(client.getUsers(['ann'])).rejects.toBe(client.refusal)
    client.connect()
    await clock.run(10)
    expect(client.connectionStatus).toBe('open')
    expect(client.refusal).toBeUndefined()
  })

  test('a token travels as a subprotocol, fetched for each connection', async () => {
    let fetched = 0
    await openClient({ getToken: () => `token-${++fetched}` })
    connection().cut()
    await clock.run(2_000)
    expect(server.protocols).toEqual([1, 2].map(n => ['who-is-online.v2', `bearer.token-${n}`]))
    expect(query(0)).toEqual({ sessionId: expect.any(String) })
  })

  test('a token is renewed before it ends, on another connection of the same session', async () => {
    let fetched = 0
    const getToken = async () => jwt(clock.now() / 1_000 + 600 + ++fetched)
    await openClient({ getToken })
    await clock.run(560_000)
    expect(server.attempts).toBe(1)
    await clock.run(20_000)
    expect(server.attempts).toBe(2)
    expect(fetched).toBe(2)
    expect(query(1)).toEqual(query(0))
    expect(server.connections.size).toBe(1)
  })

  test('4401: another token, once; no token to be had is no network', async () => {
    let fetched = 0
    const client = await openClient({ getToken: () => `token-${++fetched}` })
    connection().close(4401)
    await clock.run(10)
    expect(client.connectionStatus).toBe('open')
    connection().close(4401)
    await clock.run(10)
    expect(client.connectionStatus).toBe('suspended')
    const offline = makeClient({ getToken: () => Promise.reject(new Error('offline')) })
    await clock.run(10)
    expect(offline.connectionStatus).toBe('waiting')
  })

  test('a socket that can’t even be made is not tried again', async () => {
    class Picky {
      constructor() {
        throw new SyntaxError('bad subprotocol')
      }
    }
    const client = makeClient({ token: 'a b', WebSocket: Picky as never })
    await clock.run(60_000)
    expect(client.connectionStatus).toBe('suspended')
  })
})
