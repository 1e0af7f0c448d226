import { readFileSync } from 'node:fs'
import { createClient, type PresenceError } from '@who-is-online/client'
import { TestClient } from '@who-is-online/testing/client'
import { signToken } from '@who-is-online/testing/sign-token'
import { runServer } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import { afterAll, describe, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { Application } from '../server/src/identity/testing/application.ts'

// Identity over real sockets: what a client is told, and what the server writes.

const SECRET = 'not-to-be-printed:a-secret-of-32-bytes'

function tokenOf(claims: Record<string, unknown>, secret = SECRET): string {
  const exp = Math.floor(Date.now() / 1_000) + 3_600
  return signToken({ exp, ...claims }, secret)
}

/** What a client gets from its connection attempt: an HTTP status, or its first messages and the close code. */
async function result(
  url: string,
  options: { headers?: Record<string, string>; protocols?: string[] } = {},
): Promise<{ status?: number; protocol?: string; messages?: Record<string, unknown>[]; code?: number }> {
  let client: TestClient
  try {
    client = await TestClient.open(url, options)
  } catch (error) {
    return { status: Number(/HTTP (\d+)/.exec((error as Error).message)?.[1]) }
  }
  const first = JSON.parse(await client.text())
  const { protocol } = client.socket
  if (first.type === 'welcome') {
    await client.leave()
    return { protocol, messages: [first] }
  }
  const { code } = await client.closed
  return { protocol, messages: [first, ...client.texts.map(text => JSON.parse(text))], code }
}

describe('a server with AUTH_SECRET', () => {
  const server = useServer({ AUTH_SECRET: SECRET, LOG_LEVEL: 'debug', AUTH_COOKIE: 'jwt' })
  const origin = () => ({ origin: server.origin })
  const ann = tokenOf({ sub: 'ann', name: 'Ann' })

  test('[D4] a token is accepted in each of its places, and its subprotocol is not selected', async () => {
    const welcome = [expect.objectContaining({ type: 'welcome', userId: 'ann' })]
    expect(await result(`${server.url}?token=${ann}`)).toEqual({ protocol: '', messages: welcome })
    const authorization = { authorization: `Bearer ${ann}` }
    expect(await result(server.url, { headers: authorization })).toMatchObject({ messages: welcome })
    const cookie = { ...origin(), cookie: `jwt=${ann}` }
    expect(await result(server.url, { headers: cookie })).toMatchObject({ messages: welcome })
    for (const version of ['who-is-online.v1', 'who-is-online.v2']) {
      const protocols = [`bearer.${ann}`, version]
      expect(await result(server.url, { protocols })).toEqual({ protocol: version, messages: welcome })
    }
  })

  test('[D5] a missing or refused token: 401, and an error and close 4401 where that can not be read', async () => {
    const expired = tokenOf({ sub: 'ann', exp: 1 })
    for (const url of [server.url, `${server.url}?userId=ann`, `${server.url}?token=${expired}`]) {
      expect(await result(url)).toEqual({ status: 401 })
    }
    const v1 = await result(`${server.url}?token=${expired}`, { headers: origin() })
    expect(v1).toMatchObject({ code: 4401, messages: [{ type: 'error' }] })
    expect(v1.messages?.[0]?.['message']).toMatch(/^bad_token: the token expired \d+ s ago \("exp"\)$/)
    const protocols = ['who-is-online.v2']
    for (const headers of [origin(), {}]) {
      expect(await result(server.url, { headers, protocols })).toMatchObject({
        code: 4401,
        messages: [
          { type: 'error', code: 'bad_token' },
          { type: 'disconnect', code: 4401, reconnect: false },
        ],
      })
    }
    const headers = { authorization: `Bearer ${expired}` }
    expect(await result(server.url, { headers, protocols })).toEqual({ status: 401 })
  })

  test('[D5] the client library in Node.js is told why its token is refused, and stops', async () => {
    const getToken = async () => tokenOf({ sub: 'ann' }, 'another-secret-of-32-bytes-or-more')
    const client = createClient({ url: server.url, getToken, WebSocket: WebSocket as never })
    const refused = new Promise<PresenceError>(resolve => {
      client.onError(error => error.code === 'refused' && resolve(error))
    })
    expect(await refused).toMatchObject({ closeCode: 4401 })
    expect((await refused).message).toContain('not signed by a known key')
    expect(client.connectionStatus).toBe('refused')
    client.close()
  })

  test('[D7 J8] the client library sends its user id beside the token: another user is refused', async () => {
    const open = (userId: string) =>
      createClient({ url: server.url, userId, getToken: () => ann, WebSocket: WebSocket as never })
    const client = open('ann')
    expect(await client.getUsers('ann')).toMatchObject([{ userId: 'ann', status: 'online' }])
    client.close()
    const other = open('bob')
    await expect(other.getUsers('ann')).rejects.toMatchObject({
      code: 'refused',
      closeCode: 4401,
      message: expect.stringContaining('"userId" in the URL is not the user who was identified'),
    })
    other.close()
  })

  test('[D4] two tokens that differ get 400, and a cookie from nowhere or from a foreign page gets 403', async () => {
    const bob = tokenOf({ sub: 'bob' })
    const headers = { authorization: `Bearer ${bob}` }
    expect(await result(`${server.url}?token=${ann}`, { headers })).toEqual({ status: 400 })
    const both = { authorization: [`Bearer ${ann}`, `Bearer ${bob}`] as unknown as string }
    expect(await result(server.url, { headers: both })).toEqual({ status: 400 })
    const cookie = `jwt=${ann}`
    expect(await result(server.url, { headers: { cookie } })).toEqual({ status: 403 })
    expect(await result(server.url, { headers: { cookie, origin: 'https://evil.example' } })).toEqual({
      status: 403,
    })
  })

  test('[D7] a URL that names another user or another name is refused', async () => {
    expect(await result(`${server.url}?token=${ann}&userId=bob`)).toEqual({ status: 401 })
    expect(await result(`${server.url}?token=${ann}&username=Bob`)).toMatchObject({ code: 4400 })
    expect(await result(`${server.url}?token=${ann}&userId=ann&username=Ann`)).toMatchObject({
      messages: [{ userId: 'ann' }],
    })
  })

  test('[D13] the live page gets a token with which it is an observer', async () => {
    const response = await fetch(`${server.origin}/live-page-token`)
    expect(response.headers.get('cache-control')).toBe('no-store')
    expect(response.headers.get('access-control-allow-origin')).toBeNull()
    const { token } = (await response.json()) as { token: string }
    const page = await TestClient.open(`${server.url}?token=${token}`, { protocols: ['who-is-online.v2'] })
    expect(await page.next('welcome')).toMatchObject({ userId: 'who-is-online/live-page' })
    const client = await TestClient.open(`${server.url}?token=${ann}`)
    expect(await page.ask({ type: 'get_online_count' }, 'online_count')).toMatchObject({ count: 1 })
    expect(await page.ask({ type: 'set_status', status: 'busy' }, 'error')).toMatchObject({
      code: 'not_allowed',
    })
    // The user id alone is not enough.
    expect(await result(`${server.url}?userId=who-is-online/live-page`)).toEqual({ status: 401 })
    await Promise.all([page.leave(), client.leave()])
  })

  test('[D14 D15 D17] rights and refresh, over a real socket', async () => {
    const protocols = ['who-is-online.v2', `bearer.${tokenOf({ sub: 'cid', presence: { watch: ['ann'] } })}`]
    const cid = await TestClient.open(server.url, { protocols })
    await cid.next('welcome')
    const ask = (request: object, type: string) => cid.ask({ ...request, id: 1 }, type)
    expect(await ask({ type: 'get_users', userIds: ['bob'] }, 'error')).toMatchObject({ code: 'not_allowed' })
    expect(await ask({ type: 'get_online_count' }, 'error')).toMatchObject({ code: 'not_allowed' })
    const refresh = (claims: Record<string, unknown>) => ({ type: 'refresh', token: tokenOf(claims) })
    const wrong = [{ sub: 'bob' }, { sub: 'cid', exp: 1 }]
    for (const claims of wrong) {
      expect(await ask(refresh(claims), 'error')).toMatchObject({ code: 'bad_token', id: 1 })
    }
    await ask(refresh({ sub: 'cid', presence: { watch: 'all' } }), 'ack')
    await ask({ type: 'get_online_count' }, 'online_count')
    // A v1 client with the default rights is told only about itself.
    const v1 = await TestClient.open(`${server.url}?token=${ann}`)
    await v1.next('welcome')
    await cid.leave()
    v1.send({ type: 'set_status', status: 'offline' })
    expect(await v1.next('user_status_change')).toMatchObject({ userId: 'ann', status: 'offline' })
    await v1.leave()
  })

  test('[V14] an observer with the session id of a connection does not continue its session', async () => {
    const url = `${server.url}?sessionId=tab`
    const open = (presence: object) =>
      TestClient.open(url, { protocols: ['who-is-online.v2', `bearer.${tokenOf({ sub: 'pat', presence })}`] })
    const seen = async (watcher: TestClient) => {
      const { users } = await watcher.ask({ type: 'get_users', userIds: ['pat'] }, 'users')
      return users[0].status
    }
    const pat = await open({})
    await pat.next('welcome')
    const observer = await open({ observer: true })
    await observer.next('welcome')
    expect(await seen(observer)).toBe('online')
    // Not replaced: it still answers, and its end is the end of its session.
    await pat.ask({ type: 'ping' }, 'pong')
    await pat.leave()
    await expect.poll(() => seen(observer)).toBe('offline')
    await observer.leave()
  })

  // The last test of this server: it reads everything that the server has written.
  test('[D12] no part of a token or of the secret is in a log, a metric or an answer', async () => {
    const mark = 'recognizable-claim'
    const tokens = [
      tokenOf({ sub: mark }),
      tokenOf({ sub: mark, exp: 1 }),
      tokenOf({ sub: mark }, 'another-secret-of-at-least-32-bytes'),
      `${tokenOf({ sub: mark })}.x`,
    ]
    const answers: string[] = []
    for (const token of tokens) {
      for (const path of ['/ws', '/', '/unknown', '/metrics', '/live-page-token']) {
        const response = await fetch(`${server.origin}${path}?token=${token}`, {
          headers: { authorization: `Bearer ${token}` },
        })
        answers.push(
          JSON.stringify([...response.headers]),
          path === '/live-page-token' ? '' : await response.text(),
        )
      }
      answers.push(JSON.stringify(await result(`${server.url}?token=${token}`, { headers: origin() })))
      answers.push(JSON.stringify(await result(`${server.url}?token=${token}&userId=bob`)))
      await result(server.url, { protocols: [`bearer.${token}`, 'who-is-online.v2'] })
      await result(`${server.url}?token=${token}`, { headers: { origin: 'https://evil.example' } })
      await result(`${server.url.replace('/ws', '/other')}?token=${token}`)
      const client = await TestClient.open(server.url, { protocols: ['who-is-online.v2', `bearer.${ann}`] })
      answers.push(JSON.stringify(await client.ask({ type: 'refresh', token }, 'error')))
      await client.leave()
    }
    const written = server.output() + readFileSync(`${server.dir}/logs/who-is-online.log`, 'utf8')
    const all = written + answers.join('\n')
    // The negative control: the log does have lines about these requests.
    expect(written).toContain('a connection was refused because of its token')
    expect(written).toContain('a new token for a connection was refused')
    expect(written).toContain(`userId="${mark}"`)
    const parts = tokens.flatMap(token => token.split('.').slice(1)).filter(part => part.length > 10)
    for (const part of [...parts, 'not-to-be-printed']) expect(all).not.toContain(part)
  })
})

describe('a server of development without settings', () => {
  const server = useServer()

  test('[D7 J8] believes the user id that the client library sends beside a token', async () => {
    const getToken = () => tokenOf({ sub: 'ann' })
    const client = createClient({ url: server.url, userId: 'ann', getToken, WebSocket: WebSocket as never })
    expect(await client.getUsers('ann')).toMatchObject([{ userId: 'ann', status: 'online' }])
    client.close()
  })
})

// Its port is a setting of the server, so it listens before the server starts.
const application = await Application.start()
application.answer = (request, response) => {
  const expired = '{"userId":"ann","expiresAt":"2020-01-01T00:00:00Z"}'
  if (request.headers.cookie === 'session=ann') response.end('{"userId":"ann"}')
  else if (request.headers.cookie === 'session=old') response.end(expired)
  else response.writeHead(request.headers.cookie === 'session=down' ? 500 : 401).end()
}
afterAll(() => application.stop())

describe('a server that asks the application', () => {
  const server = useServer({ AUTH_URL: application.url })

  test('[D10] the answer of the application decides; without one, the client gets 503', async () => {
    const as = (cookie: string) => result(server.url, { headers: { cookie, origin: server.origin } })
    expect(await as('session=ann')).toMatchObject({ messages: [{ userId: 'ann' }] })
    expect(await as('session=eve')).toMatchObject({ code: 4401 })
    expect(await as('session=down')).toEqual({ status: 503 })
    const expired = 'bad_token: the application said that the credential has expired'
    expect(await as('session=old')).toMatchObject({ code: 4401, messages: [{ message: expired }] })
    expect(await result(server.url, { headers: { cookie: 'session=old' } })).toEqual({ status: 401 })
    const metrics = await (await fetch(`${server.origin}/metrics`)).text()
    expect(metrics).toContain('wio_refused_total{limit="AUTH"} 3\n')
    expect(server.output()).toContain('AUTH_URL gave no usable answer')
  })
})

describe('the command token', () => {
  const server = useServer({ AUTH_SECRET: SECRET })

  test('[S11] it makes a token that the server accepts, and says what is wrong with another one', async () => {
    const env = { AUTH_SECRET: SECRET, ENVIRONMENT: 'production' }
    const made = await runServer(server.dir, env, ['token', '--user', 'ann', '--ttl', '5m'])
    expect(made).toMatchObject({ code: 0, output: expect.stringMatching(/^[\w-]+\.[\w-]+\.[\w-]+\n$/) })
    const token = made.output.trim()
    expect(await result(`${server.url}?token=${token}`)).toMatchObject({ messages: [{ userId: 'ann' }] })
    expect(await runServer(server.dir, env, ['token', '--check', token])).toMatchObject({ code: 0 })
    const wrong = await runServer(server.dir, env, ['token', '--check', tokenOf({ sub: 'ann', exp: 1 })])
    expect(wrong).toMatchObject({
      code: 1,
      output: expect.stringMatching(/^ok {5}key$.*^WRONG {2}time: /ms),
    })
    expect(await runServer(server.dir, env, ['token'])).toMatchObject({ code: 64 })
    expect(await runServer(server.dir, {}, ['token', '--user', 'ann'])).toMatchObject({ code: 78 })
  })
})
