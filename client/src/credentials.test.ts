import { describe, expect, test } from 'vitest'
import type { PresenceError } from './errors.ts'
import { clock, connection, makeClient, openClient, query, received, server } from './harness.fake.ts'

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

  test('a user id is sent beside a token: a server of development reads only that', async () => {
    const client = await openClient({ userId: 7, getToken: () => 'good.token.x' })
    expect(query(-1)).toMatchObject({ userId: '7' })
    expect(server.protocols).toEqual([['who-is-online.v2', 'bearer.good.token.x']])
    client.close()
    await openClient({ getToken: () => 'good.token.x' })
    expect(query(-1)).not.toHaveProperty('userId')
  })

  test('a kind of device is sent with each connection', async () => {
    await openClient({ device: 'smart tv' })
    connection().cut()
    await clock.run(2_000)
    expect([query(0), query(-1)]).toMatchObject([{ device: 'smart tv' }, { device: 'smart tv' }])
  })

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
    expect([received('refresh').length, server.attempts]).toEqual([1, 1])
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

  test('a token is renewed before it expires, on the open connection', async () => {
    let fetched = 0
    const getToken = async () => jwt(clock.now() / 1_000 + 600 + ++fetched)
    await openClient({ getToken })
    await clock.run(570_000)
    expect([received('refresh').length, fetched]).toEqual([0, 1])
    await clock.run(2_000)
    expect(received('refresh')).toMatchObject([{ token: jwt(1_000 + 571 + 602) }])
    await clock.run(1_200_000)
    expect([received('refresh').length, server.attempts, server.connections.size]).toEqual([3, 1, 1])
  })

  test.each(['bad_token', 'unavailable', 'too_fast', 'unknown_type'] as const)(
    'a renewal that the server answers with %s is repeated, and a bad token is reported',
    async code => {
      const errors: PresenceError[] = []
      const client = await openClient({ getToken: () => jwt(clock.now() / 1_000 + 120) })
      client.onError(error => errors.push(error))
      server.checkToken = () => (received('refresh').length < 3 ? code : undefined)
      await clock.run(119_000)
      expect([received('refresh').length, server.attempts]).toEqual([3, 1])
      expect(errors.map(error => error.code)).toEqual(code === 'bad_token' ? [code, code] : [])
      client.close()
      await clock.run(60_000)
      expect(clock.pending).toBe(0)
    },
  )

  test('a renewal that is sent before the last one is answered: each answer counts for its own token', async () => {
    const tokens = [60, 61, 62].map(seconds => jwt(clock.now() / 1_000 + seconds))
    let fetched = 0
    const client = await openClient({ getToken: () => tokens[fetched++] ?? '' })
    const errors: string[] = []
    client.onError(({ message }) => errors.push(message))
    const answers: (() => void)[] = []
    connection().answerRefresh = answer => void answers.push(answer)
    await clock.run(51_000)
    expect(received('refresh').map(request => (request as { token?: string }).token)).toEqual(tokens.slice(1))
    // The server refuses the second token and has accepted the first.
    server.checkToken = token => (token === tokens[2] ? 'bad_token' : undefined)
    for (const answer of answers) answer()
    await clock.run(1)
    expect(errors).toEqual(['bad_token'])
    // The first token is in use: the same token again is not sent.
    fetched = 1
    await clock.run(10_000)
    expect([received('refresh').length, fetched]).toEqual([2, 2])
    client.close()
  })

  test('a renewal that was fetched for the last connection is ignored, also if the token is the same', async () => {
    const token = jwt(clock.now() / 1_000 + 300)
    let calls = 0
    const client = makeClient({
      async getToken() {
        if (++calls !== 2) return token
        await new Promise(resolve => clock.setTimeout(() => resolve(undefined), 6_000))
        return jwt(clock.now() / 1_000 + 900)
      },
    })
    await clock.run(272_000)
    expect(calls).toBe(2)
    connection().cut()
    await clock.run(7_000)
    expect([client.connectionStatus, received('refresh')]).toEqual(['open', []])
    client.close()
  })

  test('a page that becomes visible renews an old token at once, and a new one not', async () => {
    const late = (task: () => void, ms: number) => clock.setTimeout(task, ms * 10)
    const client = await openClient({ getToken: () => jwt(clock.now() / 1_000 + 60) }, { setTimeout: late })
    client.setVisible(false)
    await clock.run(30_000)
    client.setVisible(true)
    await clock.run(10)
    expect(received('refresh')).toHaveLength(0)
    client.setVisible(false)
    await clock.run(30_000)
    client.setVisible(true)
    await clock.run(10)
    expect(received('refresh')).toHaveLength(1)
  })

  test('tokens of 60 s, and timers that run once a minute: no reconnect, and nobody sees a change', async () => {
    server.expiredGraceMs = 300_000
    const changes: string[] = []
    const watcher = await openClient()
    watcher.subscribe(['token'])
    const aMinute = (task: () => void, ms: number) => {
      const due = clock.now() + ms
      return clock.setTimeout(task, Math.ceil(due / 60_000) * 60_000 - clock.now())
    }
    let fetched = 0
    const getToken = () => jwt(clock.now() / 1_000 + 60 + ++fetched / 1_000)
    const hidden = makeClient({ getToken }, { setTimeout: aMinute })
    await clock.run(1_000)
    expect(hidden.connectionStatus).toBe('open')
    watcher.onChange(users => changes.push(...users.map(({ status }) => status)))
    const before = server.attempts
    await clock.run(600_000)
    expect([changes, server.attempts - before, hidden.connectionStatus]).toEqual([[], 0, 'open'])
    expect(received('refresh').length).toBeGreaterThanOrEqual(8)
    expect(received('refresh').length).toBeLessThanOrEqual(20)
    // Negative control: without renewals, the server closes the connection.
    server.checkToken = () => 'unavailable'
    await clock.run(600_000)
    expect(server.attempts - before).toBeGreaterThan(0)
  })

  test('without an identity of its own: 4401 leads to one reconnect, then to one more after renew()', async () => {
    const attempts = (): number => server.attempts
    const plain = makeClient({ userId: undefined } as never)
    await clock.run(10)
    expect(query(-1)).toEqual({ sessionId: expect.any(String) })
    connection().close(4401)
    await clock.run(10)
    expect([plain.connectionStatus, attempts()]).toEqual(['open', 2])
    connection().close(4401)
    await clock.run(10)
    expect([plain.connectionStatus, attempts()]).toEqual(['refused', 2])
    let renewals = 0
    const renew = () => void renewals++
    const renewing = makeClient({ userId: undefined, renew, sessionId: 'other' } as never)
    server.refusedCode = 4401
    await clock.run(100)
    expect([renewing.connectionStatus, attempts(), renewals]).toEqual(['refused', 5, 1])
    server.refusedCode = undefined
    renewing.connect()
    await clock.run(100)
    expect([renewing.connectionStatus, renewals]).toEqual(['open', 2])
  })

  test('4401: another token, once; without a token the client waits', async () => {
    let fetched = 0
    const client = await openClient({ getToken: () => `token-${++fetched}` })
    connection().close(4401)
    await clock.run(10)
    expect(client.connectionStatus).toBe('open')
    connection().close(4401)
    await clock.run(10)
    expect(client.connectionStatus).toBe('refused')
    const offline = makeClient({ getToken: () => Promise.reject(new Error('offline')) })
    await clock.run(10)
    expect(offline.connectionStatus).toBe('waiting')
  })

  test('a WebSocket constructor that throws ends in refused', async () => {
    class Throwing {
      constructor() {
        throw new SyntaxError('bad subprotocol')
      }
    }
    const client = makeClient({ token: 'a b', WebSocket: Throwing as never })
    await clock.run(60_000)
    expect(client.connectionStatus).toBe('refused')
  })
})

describe('[J16] rights that a new token does not give', () => {
  test('subscriptions that have ended are stale until the next connection, and onError is told', async () => {
    const errors: PresenceError[] = []
    const client = await openClient()
    client.onError(error => errors.push(error))
    client.subscribe(['ann', 'bob'])
    client.watchCount()
    await clock.run(500)
    const ended = { userIds: ['bob'] }
    connection().send({ type: 'error', code: 'not_allowed', message: 'ended', ended } as never)
    await clock.run(1_000)
    expect([client.get('ann')?.freshness, client.get('bob')?.freshness]).toEqual(['live', 'stale'])
    expect(errors).toMatchObject([{ code: 'not_allowed' }])
    client.subscribe(['cid'])
    await clock.run(1_000)
    expect(received('subscribe').filter(request => JSON.stringify(request).includes('bob'))).toHaveLength(1)
    connection().cut()
    await clock.run(3_000)
    expect(client.get('bob')?.freshness).toBe('live')
    expect(client.freshness).toBe('live')
    connection().send({ type: 'error', code: 'not_allowed', message: 'x', ended: { count: true } } as never)
    await clock.run(100)
    expect(client.freshness).toBe('stale')
    client.close()
  })

  test('an observer, whose activity the server refuses, gets no error', async () => {
    const errors: PresenceError[] = []
    const client = makeClient()
    client.onError(error => errors.push(error))
    server.conditions.tooFast = 1
    server.conditions.refusal = 'not_allowed'
    await clock.run(100)
    // The fake refuses `client_state` too, which is reported.
    expect(received('set_activity').length).toBeGreaterThan(0)
    expect(errors).toHaveLength(received('client_state').length)
    client.close()
  })
})
