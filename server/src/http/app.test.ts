import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingHttpHeaders, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { StoreHealth } from '../storage/store.ts'
import { createApp } from './app.ts'
import { readiness } from './health.ts'
import { BUILT_PAGE, readLivePage } from './live-page.ts'
import { consoleLine } from './page.ts'

const KEY = 'k:3/+y=~'.repeat(4)
const dir = temporaryDir()
const pageDir = join(dir.path, 'page')
const servers: Server[] = []
let withPage: number
let without: number
let locked: number

async function serve(livePage: ReturnType<typeof readLivePage>, apiKey?: string): Promise<number> {
  const quiet = { error() {}, info() {}, debug() {}, limited() {}, once() {} }
  const app = createApp({
    health: { stopping: false, store: { state: 'ok' } },
    metrics: { text: async () => '' } as never,
    log: quiet,
    version: '0.0.0',
    livePage,
    apiKey,
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

/** Asks with the path as it stands: `fetch` would tidy it up. */
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
  without = await serve(undefined, KEY)
  locked = await serve(readLivePage(pageDir), KEY)
  // What was read is served: the files are not looked at again.
  rmSync(join(pageDir, 'assets/index-a1.js'))
})
afterAll(() => {
  for (const server of servers) server.close()
  dir.remove()
})

test('the document is never kept, its assets for ever, each with its type', async () => {
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

test('packs for who can unpack', async () => {
  const packed = await get(withPage, '/assets/index-a1.js', { 'Accept-Encoding': 'br, gzip' })
  expect(packed.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'Accept-Encoding' })
  expect(gunzipSync(packed.body).toString()).toBe('console.log(1)')
  const plain = await get(withPage, '/assets/index-a1.js', { 'Accept-Encoding': 'identity' })
  expect(plain.headers['content-encoding']).toBeUndefined()
  expect(plain.headers['vary']).toBe('Accept-Encoding')
})

test('HEAD says the same and sends nothing', async () => {
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
])('there is nothing at %s', async path => {
  const { status, headers, body } = await get(withPage, path)
  expect(status).toBe(404)
  expect(headers['content-type']).toMatch(/^application\/problem\+json/)
  expect(headers['cache-control']).toBeUndefined()
  expect(body.toString()).not.toContain('secret')
})

const SERVED = ['/', '/healthz', '/readyz', '/metrics', '/asyncapi.json', '/ws'] as const
const ASSETS = ['/assets/index-a1.js', '/assets/index-b2.css'] as const
const OTHER_METHODS = ['POST', 'PUT', 'PATCH', 'DELETE', 'PROPFIND', 'TRACE'] as const

test.each([...SERVED, '/healthz/', '/ws/', '/HEALTHZ', '/ws?userId=ann', ...ASSETS])(
  '[T7] %s answers OPTIONS with 204, and methods that it has not with 405',
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
        detail: `this path takes GET, HEAD, OPTIONS, not ${method}`,
      })
    }
  },
)

test('[T7] an unknown path is 404 for every method, and the answer says where to connect', async () => {
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

test('[T7] without a live page its assets are unknown; OPTIONS * asks about the server', async () => {
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

test('[T7] /ws without an upgrade says how to connect, whatever its spelling', async () => {
  for (const path of ['/ws', '/ws/', '/WS', '/ws?userId=ann']) {
    const { status, headers, body } = await get(withPage, path)
    expect([path, status, headers['upgrade']]).toEqual([path, 426, 'websocket'])
    expect(body.toString()).toContain('/ws?userId=ID')
  }
})

test('a path that is no UTF-8 is the client’s mistake, and the answer says what is wrong', async () => {
  const { status, body } = await get(withPage, '/assets/%ff')
  expect(status).toBe(400)
  expect(JSON.parse(body.toString()).detail).toBe("Failed to decode param '%ff'")
})

test('pages run what is ours and nothing else: no inline script, no inline style but the plain page’s own', async () => {
  for (const port of [withPage, without]) {
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

test('without a live page the plain one stands at /, and there are no assets', async () => {
  const { headers, body } = await get(without, '/')
  expect(body.toString()).toContain(`<code>${consoleLine}</code>`)
  expect(headers['cache-control']).toBe('no-store')
  expect((await get(without, '/assets/index-a1.js')).status).toBe(404)
  expect(readLivePage(join(dir.path, 'nowhere'))).toBeUndefined()
})

const PAGE = ['/', '/assets/index-b2.css', '/assets/none.js'] as const
const base64 = (text: string) => Buffer.from(text).toString('base64')
const basic = (text: string) => ({ Authorization: `Basic ${base64(text)}` })

test.each([
  ['a Bearer token', { Authorization: `Bearer ${KEY}` }],
  ['a password with colons in it', basic(`ann:${KEY}`)],
  ['the password of nobody', basic(`:${KEY}`)],
  ['the password of a name of any script', basic(`Jörg 🙂:${KEY}`)],
  ['a scheme in small letters', { authorization: `bearer ${KEY}` }],
  ['a scheme in capitals and more than one space', { Authorization: `BASIC   ${base64(`a:${KEY}`)}` }],
])('[T5] the page is shown for the key as %s', async (_what, headers) => {
  const found = await Promise.all(PAGE.map(path => get(locked, path, headers)))
  expect(found.map(({ status, headers }) => [status, headers['cache-control']])).toEqual([
    [200, 'no-store'],
    // It may stay with the reader who had the key, in no cache between.
    [200, 'private, max-age=31536000, immutable'],
    [404, undefined],
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
  ['the key and something more', { Authorization: `Bearer ${KEY} ${KEY}` }],
  ['the key in other letters', { Authorization: `Bearer ${KEY.toUpperCase()}` }],
  ['a wrong password', basic(`ann:${KEY}!`)],
  ['an empty password', basic('ann:')],
  ['the key as a user name', basic(`${KEY.replaceAll(':', '')}:`)],
  ['a password without a user name before it', basic(KEY.replaceAll(':', ''))],
  ['a password of another script', basic(`ann:${'ключ🙂'.repeat(8)}`)],
  ['what is no base64', { Authorization: 'Basic %%%' }],
  ['base64 of what is no UTF-8', { Authorization: `Basic ${Buffer.alloc(40, 255).toString('base64')}` }],
  ['the plain key where base64 is due', { Authorization: `Basic ann:${KEY}` }],
  ['bytes that are no ASCII', { Authorization: `Bearer ${'\u00e9'.repeat(40)}` }],
  ['a header of 12 kB', { Authorization: `Bearer ${'k'.repeat(12_000)}` }],
  ['as many spaces', { Authorization: `Bearer${' '.repeat(12_000)}k ${KEY}` }],
  ['a copy of an earlier answer', { 'If-None-Match': '*', 'If-Modified-Since': new Date().toUTCString() }],
])('[T5] the page asks for the key when it is given %s', async (_what, headers) => {
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

test('[T5] a header longer than the server reads is refused before anybody looks for a key', async () => {
  const { status } = await get(locked, '/', { Authorization: `Bearer ${'k'.repeat(20_000)}` })
  expect(status).toBe(431)
})

test('[T5] what is no part of the live page is there without the key', async () => {
  for (const path of ['/healthz', '/readyz', '/metrics', '/asyncapi.json']) {
    const { status, headers } = await get(locked, path)
    expect([path, status, headers['www-authenticate']]).toEqual([path, 200, undefined])
  }
  expect((await get(locked, '/ws')).status).toBe(426)
  expect((await get(locked, '/nothing')).status).toBe(404)
  expect((await get(without, '/')).body.toString()).toContain(consoleLine)
})

test('the page as it is built has the console line, loads its own files only, and fits into 60 kB', () => {
  const built = readLivePage(BUILT_PAGE)
  const html = built?.index.plain.toString() ?? ''
  expect(html).toContain(`<code>${consoleLine}</code>`)
  expect(html).toContain('<title>Who Is Online</title>')
  expect(html).not.toMatch(/(?:src|href)="(?:https?:|\/)/)
  expect(html).not.toMatch(/<script(?![^>]*\bsrc=)|<style/)
  const files = [...(built?.assets ?? [])]
  expect(files.map(([name]) => name.replace(/-[\w-]{8}\./, '.')).sort()).toEqual(['index.css', 'index.js'])
  for (const [name] of files) expect(html).toContain(`./assets/${name}`)
  expect(files.reduce((sum, [, { gzip }]) => sum + gzip.length, 0)).toBeLessThan(60_000)
})

test('[Z1] /readyz says how the storage is, and is 200 as long as clients are served', () => {
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
