import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StoreHealth } from '../storage/store.ts'
import { type AppOptions, createApp } from './app.ts'
import { readiness } from './health.ts'
import { BUILT_PAGE, readLivePage } from './live-page.ts'

const KEY = 'k:3/+y=~'.repeat(4)
const HISTORY = { stepMs: 60_000, until: Date.UTC(2026, 0, 1), online: [1, null, 3] }
const CLUSTER = {
  self: 'a',
  state: 'ok',
  awayMs: 0,
  lastError: null,
  nodes: [],
  epochs: 0,
  lost: 0,
  appends: { appended: 0, duplicate: 0, epoch: 0, lost: 0, alive: 0, failed: 0 },
  lagMs: 0,
  ignored: 0,
} as const
const dir = temporaryDir()
const pageDir = join(dir.path, 'page')
const servers: Server[] = []
let withPage: number
let without: number
let locked: number
/** The errors that were logged. */
const errors: string[] = []

async function serve(
  livePage: AppOptions['livePage'],
  apiKey?: string,
  { isOpen = true, metrics = async () => '', isNode = true } = {},
): Promise<number> {
  const quiet = {
    error: (text: string) => void errors.push(text),
    info() {},
    debug() {},
    limited() {},
    once() {},
  }
  const app = createApp({
    health: { stopping: false, store: { state: 'ok' } },
    metrics: { text: metrics } as never,
    log: quiet,
    version: '0.0.0',
    livePage,
    pageSources: {
      tokens: undefined,
      apiKey,
      isDevelopment: false,
      isForApi: () => false,
      countHistory: () => HISTORY,
      cluster: isNode ? () => CLUSTER : undefined,
    },
    isOpen,
    api: (_request, _response, next) => next(),
  })
  const server = createServer(app)
  servers.push(server)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

interface Answer {
  readonly status: number | undefined
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

/** Sends a request with the path unchanged: `fetch` would normalise it. */
function get(port: number, path: string, headers = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request({ port, host: '127.0.0.1', path, headers, method }, response => {
      const chunks: Buffer[] = []
      response.on('data', chunk => chunks.push(chunk))
      response.on('end', () =>
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) }),
      )
    })
    asking.on('error', reject)
    asking.end()
  })
}

beforeAll(async () => {
  mkdirSync(join(pageDir, 'assets'), { recursive: true })
  writeFileSync(join(pageDir, 'index.html'), '<!doctype html><title>live</title>')
  writeFileSync(join(pageDir, 'assets/index-a1.js'), 'console.log(1)')
  writeFileSync(join(pageDir, 'assets/index-b2.css'), 'p{color:red}')
  writeFileSync(join(dir.path, 'secret.txt'), 'secret')
  withPage = await serve(readLivePage(pageDir))
  without = await serve(undefined)
  locked = await serve(readLivePage(pageDir), KEY)
  // The files are read once: removing one has no effect.
  rmSync(join(pageDir, 'assets/index-a1.js'))
})
afterAll(() => {
  for (const server of servers) server.close()
  dir.remove()
})

test('the document is not cached, its assets are cached without a limit, and all have their type', async () => {
  const found = await Promise.all(
    ['/', '/assets/index-a1.js', '/assets/index-b2.css'].map(path => get(withPage, path)),
  )
  expect(
    found.map(({ status, headers }) => [status, headers['content-type'], headers['cache-control']]),
  ).toEqual([
    [200, 'text/html; charset=utf-8', 'no-store'],
    [200, 'text/javascript; charset=utf-8', 'public, max-age=31536000, immutable'],
    [200, 'text/css; charset=utf-8', 'public, max-age=31536000, immutable'],
  ])
  expect(found[1]?.body.toString()).toBe('console.log(1)')
})

test('compresses for clients that accept gzip', async () => {
  const packed = await get(withPage, '/assets/index-a1.js', { 'Accept-Encoding': 'br, gzip' })
  expect(packed.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' })
  expect(gunzipSync(packed.body).toString()).toBe('console.log(1)')
  const plain = await get(withPage, '/assets/index-a1.js', { 'Accept-Encoding': 'identity' })
  expect(plain.headers['content-encoding']).toBeUndefined()
  expect(plain.headers['vary']).toBe('Accept-Encoding')
})

test('HEAD has the same headers and no body', async () => {
  for (const path of ['/', '/assets/index-a1.js']) {
    const [head, whole] = await Promise.all([get(withPage, path, {}, 'HEAD'), get(withPage, path)])
    expect(head.status).toBe(200)
    expect(head.body).toHaveLength(0)
    expect(head.headers['content-length']).toBe(String(whole.body.length))
  }
})

test.each([
  '/assets/none.js',
  '/assets/',
  '/assets',
  '/assets/../secret.txt',
  '/assets/..%2f..%2fsecret.txt',
  '/assets/%2e%2e/%2e%2e/secret.txt',
  '/assets/..%5c..%5csecret.txt',
  '/../secret.txt',
  '/assets//index-a1.js',
  '/assets/__proto__',
  '/assets/constructor',
  '/index.html',
])('%s is a 404', async path => {
  const { status, headers, body } = await get(withPage, path)
  expect(status).toBe(404)
  expect(headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(headers['cache-control']).toBeUndefined()
  expect(body.toString()).not.toContain('secret')
})

const SERVED = [
  '/',
  '/healthz',
  '/readyz',
  '/metrics',
  '/asyncapi.json',
  '/ws',
  '/live-page-token',
  '/api/v1/count/history',
  '/api/v1/cluster',
] as const
const ASSETS = ['/assets/index-a1.js', '/assets/index-b2.css'] as const
const OTHER_METHODS = ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'TRACE'] as const

test.each([...SERVED, '/healthz/', '/ws/', '/HEALTHZ', '/ws?userId=ann', 'http://x', ...ASSETS])(
  '[T7] %s answers OPTIONS with 204, and other methods with 405',
  async path => {
    const options = await get(withPage, path, {}, 'OPTIONS')
    expect([options.status, options.body.length]).toEqual([204, 0])
    expect(options.headers['allow']).toBe('GET, HEAD, OPTIONS')
    expect(Object.keys(options.headers).filter(name => name.startsWith('access-control'))).toEqual([])
    for (const method of OTHER_METHODS) {
      const { status, headers, body } = await get(withPage, path, { 'Content-Length': 0 }, method)
      expect([method, status, headers['allow']]).toEqual([method, 405, 'GET, HEAD, OPTIONS'])
      expect(headers['content-type']).toMatch(/^application\/problem\+json/)
      expect(JSON.parse(body.toString())).toEqual({
        title: 'Method Not Allowed',
        status: 405,
        detail: `this path allows GET, HEAD, OPTIONS, not ${method}`,
      })
    }
  },
)

test('[T7] an unknown path is a 404 for every method, and the response says where to connect', async () => {
  for (const path of [
    '/nothing',
    '/ws/x',
    '/wss',
    '/socket.io/?x',
    '/assets/none.js',
    '/assets',
    '/favicon.ico',
    '/%77s',
  ]) {
    for (const method of ['GET', 'OPTIONS', ...OTHER_METHODS]) {
      const { status, headers, body } = await get(withPage, path, { 'Content-Length': 0 }, method)
      expect([path, method, status, headers['allow']]).toEqual([path, method, 404, undefined])
      expect(JSON.parse(body.toString()).detail).toContain('WebSocket clients connect to /ws?userId=ID')
    }
  }
})

test('[T7] without a live page, its assets are unknown; OPTIONS * is about the server', async () => {
  expect((await get(without, ASSETS[0], {}, 'OPTIONS')).status).toBe(404)
  const all = await get(without, '*', {}, 'OPTIONS')
  expect([all.status, all.headers['allow']]).toEqual([204, 'GET, HEAD, OPTIONS'])
  expect((await get(without, '*')).status).toBe(404)
})

test.each([
  ['a trailing slash', '/healthz/'],
  ['upper case', '/HealthZ'],
  ['scheme and host', 'http://example.com/healthz'],
])('[T7] a path is normalised before it is compared: %s', async (_what, path) => {
  expect((await get(withPage, path)).status).toBe(200)
})

test('[T7] /ws without an upgrade says how to connect, in every spelling', async () => {
  for (const path of ['/ws', '/ws/', '/WS', '/ws?userId=ann']) {
    const { status, headers, body } = await get(withPage, path)
    expect([path, status, headers['upgrade']]).toEqual([path, 426, 'websocket'])
    expect(body.toString()).toContain('/ws?userId=ID')
  }
})

test.each(['http://', 'http://?x', 'http:///healthz', 'http://[', 'x://', 'ftp://x/healthz'])(
  '[T7] the target %s, which has no path, is a 404 for every method, like every unknown path',
  async target => {
    const unknown = await get(withPage, '/unknown')
    for (const method of ['GET', 'OPTIONS', ...OTHER_METHODS]) {
      const { status, headers, body } = await get(withPage, target, { 'Content-Length': 0 }, method)
      expect([method, status, body.toString()]).toEqual([method, 404, unknown.body.toString()])
      expect({ ...headers, date: '' }).toEqual({ ...unknown.headers, date: '' })
      expect(headers['x-powered-by']).toBeUndefined()
    }
  },
)

test('a path that is not UTF-8 is a 400 that says what is wrong', async () => {
  const { status, body } = await get(withPage, '/assets/%ff')
  expect(status).toBe(400)
  expect(JSON.parse(body.toString()).detail).toBe("Failed to decode param '%ff'")
})

test('pages load only files of the server: no inline script, and no inline style except that of the plain page', async () => {
  for (const port of [withPage, await serve('not built')]) {
    const { headers, body } = await get(port, '/')
    const policy = String(headers['content-security-policy'])
    expect(policy).toContain("default-src 'none'")
    expect(policy).toContain("script-src 'self';")
    expect(policy).toMatch(/style-src 'self' 'sha256-[\w+/]+=*';/)
    expect(policy).toContain("connect-src 'self' ws: wss:;")
    expect(policy).not.toMatch(/unsafe|https:|\*/)
    expect(headers['x-content-type-options']).toBe('nosniff')
    expect(body.toString()).not.toMatch(/<script(?![^>]*\bsrc=)| on\w+=| style=/)
  }
})

test('[T2] if the live page was not built, / is the plain page, which says what this server needs', async () => {
  for (const isOpen of [true, false]) {
    const notBuilt = await serve('not built', undefined, { isOpen })
    const { headers, body } = await get(notBuilt, '/')
    const [, line = ''] = /<code>(ws = new WebSocket.*?)<\/code>/.exec(body.toString()) ?? []
    const urls: string[] = []
    const WebSocket = class {
      constructor(url: string) {
        urls.push(url)
      }
    }
    new Function('WebSocket', 'location', `let ws; ${line}`)(WebSocket, { origin: 'https://host:3050' })
    expect(urls).toEqual([`wss://host:3050/ws?${isOpen ? 'userId=ann' : 'token=TOKEN'}`])
    expect(headers['cache-control']).toBe('no-store')
    expect((await get(notBuilt, '/assets/index-a1.js')).status).toBe(404)
    const { detail } = JSON.parse((await get(notBuilt, '/unknown')).body.toString())
    expect(detail.includes('userId')).toBe(isOpen)
  }
  expect(readLivePage(join(dir.path, 'nowhere'))).toBeUndefined()
})

test('[T2 T5] the plain page needs the key as the live page does', async () => {
  const notBuilt = await serve('not built', KEY)
  const { status, body } = await get(notBuilt, '/')
  expect([status, body.includes('/ws')]).toEqual([401, false])
  expect((await get(notBuilt, '/', { Authorization: `Bearer ${KEY}` })).status).toBe(200)
})

test('[T2] if the live page is off, / is an unknown path', async () => {
  for (const path of ['/', '/?x', 'http://x', 'http://x/']) {
    const { status, body } = await get(without, path)
    expect([path, status, JSON.parse(body.toString()).title]).toEqual([path, 404, 'Not Found'])
  }
})

test.each([
  ['the live page', () => withPage],
  ['a live page with a key', () => locked],
  ['a live page that was not built', () => serve('not built')],
  ['a live page that was not built, with a key', () => serve('not built', KEY)],
  ['no live page', () => without],
])('[T7] with %s, a path with empty segments is unknown', async (_what, port) => {
  const at = await port()
  for (const path of [
    '//',
    '///',
    'http://x//',
    '//x',
    '//healthz',
    '/healthz//',
    '/ws//',
    '/assets//',
    '/.',
    '/./',
  ]) {
    const { status, headers } = await get(at, path)
    expect([path, status, headers['content-type']]).toEqual([
      path,
      404,
      'application/problem+json; charset=utf-8',
    ])
  }
})

test('[C2] a bug in an answer is logged, and the client gets 500 without its text', async () => {
  const broken = await serve(undefined, undefined, { metrics: () => Promise.reject(new Error('planted')) })
  const { status, body } = await get(broken, '/metrics')
  expect([status, body.includes('planted'), errors]).toEqual([500, false, ['an HTTP request failed']])
  expect((await get(broken, '/healthz')).status).toBe(200)
})

const PAGE = [
  '/',
  '/assets/index-b2.css',
  '/assets/none.js',
  '/api/v1/count/history',
  '/api/v1/cluster',
] as const
const base64 = (text: string) => Buffer.from(text).toString('base64')
const basic = (text: string) => ({ Authorization: `Basic ${base64(text)}` })

test.each([
  ['a Bearer token', { Authorization: `Bearer ${KEY}` }],
  ['a password with colons in it', basic(`ann:${KEY}`)],
  ['the password of an empty user name', basic(`:${KEY}`)],
  ['the password of a user name in another script', basic(`Jörg 🙂:${KEY}`)],
  ['a scheme in lower case', { authorization: `bearer ${KEY}` }],
  ['a scheme in upper case and several spaces', { Authorization: `BASIC   ${base64(`a:${KEY}`)}` }],
])('[T5] the page is shown for the key as %s', async (_what, headers) => {
  const found = await Promise.all(PAGE.map(path => get(locked, path, headers)))
  expect(found.map(({ status, headers }) => [status, headers['cache-control']])).toEqual([
    [200, 'no-store'],
    // Only the browser of the user who had the key may cache it.
    [200, 'private, max-age=31536000, immutable'],
    [404, undefined],
    [200, 'no-store'],
    [200, 'no-store'],
  ])
  const head = await get(locked, '/', headers, 'HEAD')
  expect([head.status, head.headers['content-length']]).toEqual([200, String(found[0]?.body.length)])
})

test.each([
  ['no header', {}],
  ['an empty header', { Authorization: '' }],
  ['a scheme alone', { Authorization: 'Bearer' }],
  ['the key alone', { Authorization: KEY }],
  ['the key in another scheme', { Authorization: `Digest ${KEY}` }],
  ['a wrong token', { Authorization: `Bearer ${KEY.slice(1)}` }],
  ['the key and more text', { Authorization: `Bearer ${KEY} ${KEY}` }],
  ['the key in another case', { Authorization: `Bearer ${KEY.toUpperCase()}` }],
  ['a wrong password', basic(`ann:${KEY}!`)],
  ['an empty password', basic('ann:')],
  ['the key as a user name', basic(`${KEY.replaceAll(':', '')}:`)],
  ['a password without a user name before it', basic(KEY.replaceAll(':', ''))],
  ['a password of another script', basic(`ann:${'ключ🙂'.repeat(8)}`)],
  ['invalid base64', { Authorization: 'Basic %%%' }],
  ['base64 of invalid UTF-8', { Authorization: `Basic ${Buffer.alloc(40, 255).toString('base64')}` }],
  ['the plain key instead of base64', { Authorization: `Basic ann:${KEY}` }],
  ['bytes that are not ASCII', { Authorization: `Bearer ${'\u00e9'.repeat(40)}` }],
  ['a header of 12 kB', { Authorization: `Bearer ${'k'.repeat(12_000)}` }],
  ['12,000 spaces', { Authorization: `Bearer${' '.repeat(12_000)}k ${KEY}` }],
  [
    'the headers of a conditional request',
    { 'If-None-Match': '*', 'If-Modified-Since': new Date().toUTCString() },
  ],
])('[T5] the page requires the key: %s', async (_what, headers) => {
  for (const path of PAGE) {
    const { status, headers: said, body } = await get(locked, path, headers)
    expect(status).toBe(401)
    expect(said).toMatchObject({
      'www-authenticate': 'Basic realm="who-is-online", charset="UTF-8"',
      'cache-control': 'no-store',
      'content-type': 'application/problem+json; charset=utf-8',
    })
    expect(JSON.parse(body.toString())).toMatchObject({ title: 'Unauthorized', status: 401 })
    const head = await get(locked, path, headers, 'HEAD')
    expect([head.status, head.body.length]).toEqual([401, 0])
  }
})

test('[T8] the numbers of the chart are served with the page, and not without it', async () => {
  const { headers, body } = await get(withPage, '/api/v1/count/history')
  expect(JSON.parse(body.toString())).toEqual(HISTORY)
  expect(headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
  })
  expect((await get(without, '/api/v1/count/history')).status).toBe(404)
})

test('[T9] a node serves what it sees of the cluster, and no other server has this path', async () => {
  const { headers, body } = await get(withPage, '/api/v1/cluster')
  expect(JSON.parse(body.toString())).toEqual(CLUSTER)
  expect(headers).toMatchObject({
    'content-type': 'application/json; charset=utf-8',
    'cache-control': 'no-store',
  })
  const alone = await serve(readLivePage(pageDir), undefined, { isNode: false })
  expect([
    (await get(without, '/api/v1/cluster')).status,
    (await get(alone, '/api/v1/cluster')).status,
  ]).toEqual([404, 404])
  const isNode = async (port: number) =>
    JSON.parse((await get(port, '/live-page-token')).body.toString()).isNode
  expect([await isNode(withPage), await isNode(alone)]).toEqual([true, false])
})

test('[T5] a header that is too long is refused before the key is checked', async () => {
  const { status } = await get(locked, '/', { Authorization: `Bearer ${'k'.repeat(20_000)}` })
  expect(status).toBe(431)
})

test('[T5] other paths do not require the key', async () => {
  for (const path of ['/healthz', '/readyz', '/metrics', '/asyncapi.json']) {
    const { status, headers } = await get(locked, path)
    expect([path, status, headers['www-authenticate']]).toEqual([path, 200, undefined])
  }
  expect((await get(locked, '/ws')).status).toBe(426)
  expect((await get(locked, '/nothing')).status).toBe(404)
})

test('the built page has no console line, loads only its own files, and is smaller than 60 kB', () => {
  const built = readLivePage(BUILT_PAGE)
  const html = built?.index.plain.toString() ?? ''
  expect(html).not.toContain('WebSocket')
  expect(html).toContain('<title>Who Is Online</title>')
  expect(html).not.toMatch(/(?:src|href)="(?:https?:|\/)/)
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style/)
  const files = [...(built?.assets ?? [])]
  expect(files.map(([name]) => name.replace(/-[\w-]{8}\./, '.')).sort()).toEqual([
    'client.js',
    'cluster.css',
    'cluster.js',
    'demo.js',
    'index.css',
    'index.js',
    'jsxRuntime.js',
    'operator.css',
    'operator.js',
    'status.js',
    'time-format.js',
  ])
  // Only the page of a development server loads the demo, and only that of a node shows the cluster. What an operator
  // can do is loaded when somebody begins it.
  for (const [name] of files) {
    expect(html.includes(`./assets/${name}`), name).toBe(!/^(demo|cluster|operator)/.test(name))
  }
  const bytes = (isCounted: (name: string) => boolean) =>
    files.reduce((sum, [name, { gzip }]) => sum + (isCounted(name) ? gzip.length : 0), 0)
  expect(bytes(name => !/^(cluster|operator)/.test(name))).toBeLessThan(60_000)
  expect(bytes(name => name.startsWith('cluster'))).toBeLessThan(4_000)
  expect(bytes(name => name.startsWith('operator'))).toBeLessThan(8_000)
})

test('[Z1] /readyz reports the state of the storage, and is 200 while clients are accepted', () => {
  const since = Date.UTC(2026, 0, 1)
  const time = '2026-01-01T00:00:00.000Z'
  const storage = (store: StoreHealth) => readiness({ stopping: false, store })
  expect(storage({ state: 'ok' })).toEqual({ status: 200, body: { status: 'ready', storage: 'ok' } })
  expect(storage({ state: 'late', since })).toEqual({
    status: 200,
    body: { status: 'ready', storage: 'late', since: time },
  })
  expect(storage({ state: 'failing', since, error: 'EIO' })).toEqual({
    status: 200,
    body: { status: 'ready', storage: 'failing', since: time, error: 'EIO' },
  })
})
