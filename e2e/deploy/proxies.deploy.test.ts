import { readFileSync } from 'node:fs'
import * as http from 'node:http'
import * as https from 'node:https'
import { join } from 'node:path'
import { createClient } from '@who-is-online/client'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { until } from '@who-is-online/testing/shell-server'
import { useServer } from '@who-is-online/testing/use-server'
import { expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { newContext, openLivePage, shown } from '../browser/stage.ts'
import { describeWith } from './needed-programs.ts'
import { type RunningProxy, replaced, startCaddy, startNginx } from './proxy.ts'
import { AUTH_SECRET, tokenOf } from './token.ts'
import { useTls } from './use-tls.ts'

// The server behind nginx and Caddy, with the configurations of deploy/ and TLS.

const API_KEY = 'the-key-of-the-live-page-is-long-enough'
const CONNECTIONS_PER_ADDRESS = 30
const PRODUCTION = { ENVIRONMENT: 'production', AUTH_SECRET, AUTH_WATCH: 'all', TRUST_PROXY: 1 }
/** Longer than `proxy_read_timeout` in nginx.conf. */
const SILENCE_MS = 70_000

const PROXIES = { nginx: startNginx, Caddy: startCaddy }

describeWith(['nginx', 'caddy', 'openssl'])('behind a proxy with TLS', () => {
  const server = useServer({
    ...PRODUCTION,
    DASHBOARD: 'on',
    API_KEY,
    MAX_CONNECTIONS_PER_ADDRESS: CONNECTIONS_PER_ADDRESS,
  })
  /** It never pings, so its clients are silent. */
  const silent = useServer({ ...PRODUCTION, PING_MS: 3_600_000 })
  const tls = useTls()
  const dirs = new Map<string, string>()
  const dirOf = (name: string): string => {
    const dir = dirs.get(name) ?? tls.newDir()
    dirs.set(name, dir)
    return dir
  }
  const placeOf = (name: string, upstream: number) => {
    const { certificate } = tls
    return { dir: dirOf(name), certificate, upstream }
  }
  const proxies = new Map<string, RunningProxy>()
  const of = async (name: string): Promise<RunningProxy> => {
    const start = PROXIES[name as keyof typeof PROXIES]
    const there = proxies.get(name) ?? (await tls.use(start(placeOf(name, server.port))))
    proxies.set(name, there)
    return there
  }

  /** Runs a test for each proxy. */
  const forEach = (title: string, run: (proxy: RunningProxy) => Promise<void>): void => {
    test.each(Object.keys(PROXIES))(`%s: ${title}`, async name => run(await of(name)))
  }

  forEach('v1 and v2, each with a token', async ({ url }) => {
    const v1 = await TestClient.open(`${url}?token=${tokenOf('ann')}`)
    expect(await v1.next('welcome')).toMatchObject({ userId: 'ann' })
    const protocols = [`bearer.${tokenOf('bob')}`, 'who-is-online.v2']
    const v2 = await TestClient.open(url, { protocols })
    expect(await v2.next('welcome')).toMatchObject({ userId: 'bob' })
    expect(v2.socket.protocol).toBe('who-is-online.v2')
    expect(await v1.next('user_status_change')).toMatchObject({ userId: 'bob', status: 'online' })
    await Promise.all([v1.leave(), v2.leave()])
  })

  forEach('the client library', async ({ url }) => {
    const token = () => tokenOf('cid')
    const client = createClient({ url, getToken: token, autoConnect: true })
    const ann = await TestClient.open(`${url}?token=${tokenOf('ann')}`)
    client.subscribe(['ann'])
    await until('ann is online', () => client.get('ann')?.status === 'online')
    await client.setStatus('busy', { text: 'in a call' })
    await ann.leave()
    await until('ann is offline', () => client.get('ann')?.status === 'offline')
    client.close()
  })

  forEach('the live page', async ({ origin, url }) => {
    expect((await fetch(`${origin}/`)).status).toBe(401)
    const httpCredentials = { username: 'anybody', password: API_KEY }
    const context = await newContext({ httpCredentials, ignoreHTTPSErrors: true })
    const page = await openLivePage({ ...server, origin }, context)
    const dora = await TestClient.open(`${url}?token=${tokenOf('dora')}`)
    await shown(page, ({ users }) => users['dora'] === 'online')
    await dora.leave()
  })

  forEach('the HTTP API and its description, with the longest query', async ({ origin }) => {
    expect((await fetch(`${origin}/openapi.json`)).status).toBe(200)
    expect((await fetch(`${origin}/api/v1/count`)).status).toBe(401)
    const userIds = Array.from({ length: 10_000 }, (_, index) => String(index).padStart(128, 'x'))
    const response = await fetch(`${origin}/api/v1/users/query`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${API_KEY}`, 'Content-Type': 'application/json' },
      body: JSON.stringify({ userIds }),
    })
    expect(response.status).toBe(200)
    expect(((await response.json()) as { users: unknown[] }).users).toHaveLength(10_000)
  })

  forEach('a wrong token gets 401, and a foreign page 403', async ({ url }) => {
    const wrong = tokenOf('ann', 'another-secret-that-is-also-long-enough')
    await expect(TestClient.open(`${url}?token=${wrong}`)).rejects.toThrow('HTTP 401')
    const headers = { origin: 'https://foreign.example.com' }
    await expect(TestClient.open(`${url}?token=${tokenOf('ann')}`, { headers })).rejects.toThrow('HTTP 403')
  })

  forEach('figures are not public, in any spelling', async ({ origin }) => {
    // The negative control: without the proxy they are there.
    for (const path of ['/metrics', '/readyz', '/METRICS', '/metrics/'])
      expect(await statusOf(server.origin, path), path).toBe(200)
    for (const path of [
      '/metrics',
      '/readyz',
      '/healthz',
      '/METRICS',
      '/metrics/',
      '//metrics',
      '/%6detrics',
      '/assets/../metrics',
      '/assets/%2e%2e/metrics',
      '/api/../readyz',
      '/ws/../metrics',
    ])
      expect(await statusOf(origin, path), path).toBeGreaterThanOrEqual(400)
  })

  forEach('the server sees the address of each client, and nobody can invent one', async ({ url }) => {
    const from = (localAddress: string, forged: string): Promise<WebSocket | number> =>
      new Promise((resolve, reject) => {
        const headers = { 'x-forwarded-for': forged }
        const socket = new WebSocket(`${url}?token=${tokenOf('eve')}`, { family: 4, localAddress, headers })
        socket.once('open', () => resolve(socket))
        socket.once('unexpected-response', (_request, { statusCode = 0 }) => {
          socket.on('error', () => {})
          socket.terminate()
          resolve(statusCode)
        })
        socket.once('error', reject)
      })
    const accepted: WebSocket[] = []
    let refused: number | undefined
    while (refused === undefined && accepted.length <= CONNECTIONS_PER_ADDRESS) {
      const socket = await from('127.0.0.2', `203.0.113.${accepted.length}`)
      if (typeof socket === 'number') refused = socket
      else accepted.push(socket)
    }
    expect(refused).toBeOneOf([429, 503])
    const other = await from('127.0.0.3', '203.0.113.0')
    expect(other).toBeInstanceOf(WebSocket)
    for (const socket of [...accepted, other as WebSocket]) socket.terminate()
  })

  test('nginx: a page that was opened with http is sent to https', async () => {
    const { origin } = await of('nginx')
    const conf = readFileSync(join(dirOf('nginx'), 'nginx.conf'), 'utf8')
    const [, port] = /listen 127\.0\.0\.1:(\d+);/.exec(conf) ?? []
    const response = await fetch(`http://localhost:${port}/`, { redirect: 'manual' })
    expect(response.status).toBe(301)
    expect(response.headers.get('location')).toBe(origin.replace(/:\d+$/, '/'))
  })

  test.each([
    ['proxy_set_header Upgrade $http_upgrade;', 426],
    ['proxy_set_header Connection $connection_upgrade;', 426],
    ['proxy_http_version 1.1;', 400],
  ])('nginx: without "%s", a client gets %i', async (line, status) => {
    const change = (text: string) => replaced(text, [[line, '']])
    const proxy = await startNginx({ ...placeOf('without a line', server.port), change })
    await expect(TestClient.open(`${proxy.url}?token=${tokenOf('ann')}`)).rejects.toThrow(`HTTP ${status}`)
    await proxy.stop()
  })

  const FILTER = /\tlog \{.*?^\t\}\n/ms
  const withoutFilter = (text: string) => text.replace(FILTER, '').replace(/error_log \S+ crit;/, '')

  test.each(Object.keys(PROXIES) as (keyof typeof PROXIES)[])(
    '%s: where the server does not run, a client gets 502, and no token is logged',
    async name => {
      const place = placeOf(`no server behind ${name}`, 1)
      const [inUrl, inProtocol] = [tokenOf('ann'), tokenOf('bob')]
      const protocols = [`bearer.${inProtocol}`, 'who-is-online.v2']
      const logOf = async (change?: (text: string) => string): Promise<string> => {
        const proxy = await PROXIES[name]({ ...place, ...(change && { change }) })
        await expect(TestClient.open(`${proxy.url}?token=${inUrl}`)).rejects.toThrow('HTTP 502')
        await expect(TestClient.open(proxy.url, { protocols })).rejects.toThrow('HTTP 502')
        await proxy.stop()
        return proxy.logged()
      }
      const log = await logOf()
      expect(log).toContain('502')
      expect(log).not.toContain(inUrl)
      expect(log).not.toContain(inProtocol)
      // The negative control: by default, they are logged.
      expect(await logOf(withoutFilter)).toContain(inUrl)
    },
  )

  test('70 s of silence: pings keep connections open; without them nginx closes the connection after 60 s', async () => {
    const control = await tls.use(startNginx(placeOf('silent', silent.port)))
    const cut = await TestClient.open(`${control.url}?token=${tokenOf('ann')}`)
    const begun = performance.now()
    const cutAfter = cut.closed.then(({ code }) => ({ code, ms: performance.now() - begun }))
    const kept = await Promise.all(
      Object.keys(PROXIES).map(async name => {
        const { url } = await of(name)
        const v1 = await TestClient.open(`${url}?token=${tokenOf(`v1-${name}`)}`)
        let attempts = 0
        class CountedSocket extends globalThis.WebSocket {
          constructor(address: string, protocols?: string[]) {
            super(address, protocols)
            attempts++
          }
        }
        const client = createClient({ url, getToken: () => tokenOf(`sdk-${name}`), WebSocket: CountedSocket })
        await client.setStatus('busy')
        return { v1, client, attempts: () => attempts }
      }),
    )
    await sleep(SILENCE_MS)
    const { code, ms } = await cutAfter
    expect(code).toBe(1006)
    expect(ms).toBeGreaterThan(55_000)
    expect(ms).toBeLessThan(SILENCE_MS)
    for (const { v1, client, attempts } of kept) {
      await v1.ask({ type: 'get_online_count' }, 'online_count')
      await client.setStatus('online')
      expect(attempts()).toBe(1)
      await v1.leave()
      client.close()
    }
  })
})

/** The status of a GET of a path, which is sent as it is. */
function statusOf(origin: string, path: string): Promise<number> {
  const { hostname, port, protocol } = new URL(origin)
  const ask = protocol === 'https:' ? https : http
  return new Promise((resolve, reject) => {
    ask
      .request({ hostname, port, path }, response => {
        response.resume()
        resolve(response.statusCode ?? 0)
      })
      .once('error', reject)
      .end()
  })
}
