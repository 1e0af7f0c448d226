import { describe, expect, test } from 'vitest'
import type { PresenceError } from './errors.ts'
import { clock, connection, makeClient, openClient, query, server } from './harness.fake.ts'

// Tokens: how they are fetched, sent and renewed.

const jwt = (exp: number) => `h.${btoa(JSON.stringify({ exp })).replaceAll('=', '')}.s`

describe('[J8] tokens', () => {
  test.each([undefined, '', '<html>502 Bad Gateway</html>'])(
    '%j is reported, and getToken is called again',
    async value => {
      const errors: PresenceError[] = []
      let calls = 0
      const client = makeClient({ getToken: () => (++calls === 1 ? value : 'good.token.x') as string })
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

  test('a failure of getToken is reported with its reason', async () => {
    const errors: PresenceError[] = []
    let calls = 0
    const client = makeClient({
      async getToken() {
        if (++calls === 1) throw new Error('401')
        return 'good.token.x'
      },
    })
    client.onError(error => errors.push(error))
    await clock.run(2_000)
    expect(errors).toMatchObject([{ code: 'bad_token', message: 'getToken failed: Error: 401' }])
    expect(client.connectionStatus).toBe('open')
  })

  test('a renewal that arrives after a reconnect is ignored', async () => {
    let calls = 0
    const client = makeClient({
      async getToken() {
        // The second call is the renewal, which is slow. Meanwhile the connection is lost; the third call is
        // for the next one.
        if (++calls === 2) await new Promise(resolve => clock.setTimeout(() => resolve(undefined), 6_000))
        return jwt(clock.now() / 1_000 + 300 + calls)
      },
    })
    await clock.run(272_000)
    expect(calls).toBe(2)
    connection().cut()
    await clock.run(20_000)
    expect([calls, server.attempts, client.connectionStatus]).toEqual([3, 2, 'open'])
    client.close()
  })

  test('an error of the WebSocket constructor is the reason of the refusal', async () => {
    class Throwing {
      constructor() {
        throw new SyntaxError('bad subprotocol')
      }
    }
    const client = makeClient({ token: 'a b', WebSocket: Throwing as never })
    await clock.run(10)
    expect(client.refusal).toMatchObject({ closeCode: 4400, message: 'SyntaxError: bad subprotocol' })
  })

  test('the same token does not cause a reconnect, nor a loop', async () => {
    const token = jwt(clock.now() / 1_000 + 40)
    let calls = 0
    await openClient({
      getToken() {
        calls++
        return token
      },
    })
    await clock.run(120_000)
    expect(server.attempts).toBe(1)
    expect(calls).toBeLessThanOrEqual(5)
    expect(calls).toBeGreaterThan(1)
  })

  test('an expired token, and one that expires soon, do not cause a loop', async () => {
    let calls = 0
    await openClient({ getToken: () => jwt(clock.now() / 1_000 - ++calls) })
    await clock.run(60_000)
    expect(server.attempts).toBe(1)
    const getToken = () => jwt(clock.now() / 1_000 + 2 + ++calls / 1_000)
    await openClient({ getToken, sessionId: 'other' })
    await clock.run(60_000)
    expect(server.attempts).toBeLessThanOrEqual(8)
  })

  test('a renewal that fails is repeated before the token expires, and not after close()', async () => {
    let calls = 0
    const client = await openClient({
      async getToken() {
        if (++calls === 2 || calls === 3 || calls > 4) throw new Error('502')
        return jwt(clock.now() / 1_000 + 120 + calls)
      },
    })
    await clock.run(118_000)
    expect(calls).toBe(4)
    expect(server.attempts).toBe(2)
    await clock.run(100_000)
    expect(calls).toBeGreaterThan(4)
    client.close()
    await clock.run(60_000)
    expect(clock.pending).toBe(0)
  })

  test('a token is sent as a subprotocol, fetched for each connection', async () => {
    let fetched = 0
    await openClient({ getToken: () => `token-${++fetched}` })
    connection().cut()
    await clock.run(2_000)
    expect(server.protocols).toEqual([1, 2].map(n => ['who-is-online.v2', `bearer.token-${n}`]))
    expect(query(0)).toEqual({ sessionId: expect.any(String) })
  })

  test('a token is renewed before it expires, by another connection of the same session', async () => {
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

  test('4401: another token, once; without a token the client waits', async () => {
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

  test('a WebSocket constructor that throws suspends the client', async () => {
    class Throwing {
      constructor() {
        throw new SyntaxError('bad subprotocol')
      }
    }
    const client = makeClient({ token: 'a b', WebSocket: Throwing as never })
    await clock.run(60_000)
    expect(client.connectionStatus).toBe('suspended')
  })
})
