import { join } from 'node:path'
import { TestClient } from '@who-is-online/testing/client'
import { filesBelow } from '@who-is-online/testing/files-below'
import { signToken } from '@who-is-online/testing/sign-token'
import { useServer } from '@who-is-online/testing/use-server'
import { expect, test } from 'vitest'

// Everything that the server writes at debug level, and everything that other clients receive, after secrets were
// planted wherever a client or an operator can put one.

const AUTH_SECRET = 'planted-auth-secret-of-at-least-32-bytes'
const API_KEY = 'planted-api-key-of-at-least-32-characters'
const WEBHOOK_SECRET = `whsec_${Buffer.from('planted-webhook-secret-of-32-byte').toString('base64')}`
const WEBHOOK_QUERY = 'planted-webhook-query'

const server = useServer({
  AUTH_SECRET,
  API_KEY,
  LOG_LEVEL: 'debug',
  DASHBOARD: 'on',
  AUTH_COOKIE: 'jwt',
  // So that clients are told about each other: what they hear is searched too.
  AUTH_WATCH: 'all',
  WEBHOOK_SECRET,
  // Nobody listens there, so that the failure is logged.
  WEBHOOK_URLS: `http://127.0.0.1:1/presence?${WEBHOOK_QUERY}`,
})

/** A valid token. `mark` makes its parts unlike those of other tokens. */
function tokenOf(sub: string, mark: string, secret = AUTH_SECRET): string {
  const exp = Math.floor(Date.now() / 1_000) + 3_600
  return signToken({ mark, sub, exp }, secret)
}

/** Where a client can put a token. */
const PLACES: Readonly<
  Record<
    string,
    (token: string) => { query?: string; headers?: Record<string, string>; protocols?: string[] }
  >
> = {
  url: token => ({ query: `?token=${token}` }),
  header: token => ({ headers: { authorization: `Bearer ${token}` } }),
  cookie: token => ({ headers: { cookie: `jwt=${token}`, origin: server.origin } }),
  subprotocol: token => ({ protocols: [`bearer.${token}`, 'who-is-online.v2'] }),
}

/** The parts of a token that are secret: its claims and its signature. */
const secretsOf = (token: string) => token.split('.').slice(1)

/** Messages with a mark where no other client may see it. */
const BODIES: readonly ((mark: string) => string)[] = [
  mark => `{"type":"get_online_count","unknown":"${mark}"}`,
  mark => `{"type":"${mark}"}`,
  mark => `{"${mark}`,
  mark => mark,
  mark => `{"type":"identify","username":"${mark}\\u0000"}`,
  mark => `{"type":"check_user_status","targetUserId":"${mark}"}`,
  mark => `{"type":"set_status","status":"${mark}"}`,
]

/** All files of a directory, as text. */
const filesIn = (dir: string): string =>
  filesBelow(dir)
    .map(({ content }) => content.toString())
    .join('\n')

/** The names of the secrets that a text holds. */
function found(text: string, secrets: ReadonlyMap<string, string>): string[] {
  return [...secrets].filter(([, secret]) => text.includes(secret)).map(([name]) => name)
}

test('[D12] [G1] no token, secret, key or message is in any output, or reaches another client', async () => {
  const secrets = new Map([
    ['AUTH_SECRET', AUTH_SECRET],
    ['API_KEY', API_KEY],
    ['WEBHOOK_SECRET', WEBHOOK_SECRET.slice(6, -4)],
    ['the query of a webhook', WEBHOOK_QUERY],
    ['API_KEY in Basic', Buffer.from(`x:${API_KEY}`).toString('base64').slice(4, -4)],
  ])
  const answers: string[] = []
  const other = await TestClient.open(`${server.url}?token=${tokenOf('other', 'other')}`)
  const heard: string[] = []
  other.socket.on('message', data => heard.push(String(data)))

  for (const [place, put] of Object.entries(PLACES)) {
    const tokens = {
      valid: tokenOf('ann', `valid in ${place}`),
      forged: tokenOf('ann', `forged in ${place}`, 'another-secret-of-at-least-32-bytes!!'),
      malformed: `planted.${place}-malformed-token.x`,
    }
    for (const [kind, token] of Object.entries(tokens)) {
      secretsOf(token).forEach((part, n) => {
        if (part.length > 1) secrets.set(`${kind} token in ${place}, part ${n}`, part)
      })
      const { query = '', headers = {}, protocols = [] } = put(token)
      for (const path of ['/ws', '/', '/metrics', '/unknown']) {
        const response = await fetch(`${server.origin}${path}${query}`, { headers })
        answers.push(JSON.stringify([...response.headers]), await response.text())
      }
      for (const url of [server.url, `${server.url}/x`]) {
        const client = await TestClient.open(`${url}${query}`, { headers, protocols }).catch(String)
        if (typeof client === 'string') {
          answers.push(client)
          continue
        }
        answers.push(client.socket.protocol, await client.text())
        for (const [n, body] of BODIES.entries()) {
          const mark = `planted-body-${place}-${kind}-${n}`
          secrets.set(mark, mark)
          if (client.socket.readyState === client.socket.OPEN) client.send(body(mark))
        }
        if (kind === 'valid') await client.ask({ type: 'get_online_count' }, 'online_count')
        await client.leave()
      }
    }
  }
  for (const authorization of [
    `Bearer ${API_KEY}`,
    `Basic ${Buffer.from(`x:${API_KEY}`).toString('base64')}`,
  ]) {
    for (const path of ['/', '/unknown', '/metrics'])
      answers.push(await (await fetch(`${server.origin}${path}`, { headers: { authorization } })).text())
  }
  await other.ask({ type: 'get_online_count' }, 'online_count')
  await other.leave()

  const metrics = await (await fetch(`${server.origin}/metrics`)).text()
  const output = {
    console: server.output(),
    logs: filesIn(join(server.dir, 'logs')),
    metrics,
    heard: heard.join('\n'),
    answers: answers.join('\n'),
  }
  expect(secrets.size).toBeGreaterThan(50)
  for (const [name, text] of Object.entries(output)) expect(found(text, secrets), name).toEqual([])

  // The negative control: each output is read, and holds what is no secret.
  expect(output.console).toMatch(/debug connected.*userId="ann"/)
  expect(output.logs).toMatch(/connected.*ann/)
  expect(output.logs).toContain('a connection was refused because of its token')
  expect(output.metrics).toContain('wio_refused_total')
  expect(output.metrics).toContain('endpoint="http://127.0.0.1:1"')
  expect(output.logs).toContain('a webhook endpoint fails')
  expect(output.heard).toContain('"userId":"ann"')
  expect(output.answers).toContain('bad_token')
  expect(found(`a line with ${API_KEY}`, secrets)).toEqual(['API_KEY'])
})
