import type { IncomingHttpHeaders, ServerResponse } from 'node:http'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { AuthUrl, CACHE_MS, MAX_AT_ONCE } from './auth-url.ts'
import { Application } from './testing/application.ts'
import { NOW, newIdentity } from './testing/new-identity.ts'
import { newRequest } from './testing/new-request.ts'

const LONG_MS = 10_000

let application: Application
let steady: number
let now: number
let reasons: string[]
/** Long, so that a busy machine is no application that hangs. Tests of one that hangs shorten it. */
let timeoutMs: number
let authUrl: AuthUrl
beforeEach(async () => {
  application = await Application.start()
  steady = 0
  now = NOW
  reasons = []
  timeoutMs = LONG_MS
  authUrl = new AuthUrl({
    url: application.url,
    defaultRights: { watch: 'named' },
    steady: () => steady,
    now: () => now,
    get timeoutMs() {
      return timeoutMs
    },
    failed: reason => reasons.push(reason),
  })
})
afterEach(() => application.stop())

const requestOf = (headers: IncomingHttpHeaders, address?: string) =>
  newRequest({ headers, ...(address !== undefined && { address, countedAddress: address }) })
const identify = async (headers: IncomingHttpHeaders, token?: string, address?: string) =>
  authUrl.identify(requestOf(headers, address), token)
const respond = (body: unknown, status = 200) => {
  application.answer = (_request, response) => {
    response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
  }
}
const cookie = { cookie: 'session=1' }

test('[D10] the application gets the credentials of the client, and says who it is', async () => {
  respond({ userId: 'ann', name: 'Ann', watch: ['bob'], rooms: ['doc-*'], expiresAt: '2026-01-01T13:00:00Z' })
  const headers = {
    ...cookie,
    authorization: 'Basic abc',
    origin: 'https://a.test',
    'x-other': 'not forwarded',
  }
  expect(await identify(headers)).toEqual({
    state: 'known',
    grant: {
      userId: 'ann',
      username: 'Ann',
      isNameFixed: true,
      expiresAt: NOW + 3_600_000,
      rights: { watch: new Set(['bob']), rooms: ['doc-*'], observer: false },
    },
  })
  const [request] = application.requests
  expect(request?.method).toBe('POST')
  expect(request?.headers).toMatchObject({
    cookie: 'session=1',
    authorization: 'Basic abc',
    origin: 'https://a.test',
    'x-forwarded-for': '8.8.8.8',
  })
  expect(request?.headers['x-other']).toBeUndefined()
})

test('[D10] a token of the URL is forwarded as Authorization; without a credential nobody is asked', async () => {
  expect(await identify({}, 'abc')).toMatchObject({ state: 'known' })
  expect(application.requests[0]?.headers.authorization).toBe('Bearer abc')
  expect(await identify({ origin: 'https://a.test' })).toBeUndefined()
  expect(application.requests).toHaveLength(1)
})

test('[D10] a positive answer is used for 30 s, and only for exactly the same values', async () => {
  await identify(cookie)
  steady = CACHE_MS - 1
  expect(await identify(cookie)).toMatchObject({ state: 'known' })
  expect(application.requests).toHaveLength(1)
  await identify({ ...cookie, origin: 'https://a.test' })
  await identify({ cookie: 'session=2' })
  await identify({ ...cookie, authorization: 'x' })
  await identify(cookie, undefined, '9.9.9.9')
  expect(application.requests).toHaveLength(5)
  steady = CACHE_MS
  await identify(cookie)
  expect(application.requests).toHaveLength(6)
})

test('[D10] an answer is not used after its own end', async () => {
  respond({ userId: 'ann', expiresAt: new Date(NOW + 10_000).toISOString() })
  expect(await identify(cookie)).toMatchObject({ grant: { userId: 'ann' } })
  now = NOW + 10_000
  respond({ userId: 'bob' })
  expect(await identify(cookie)).toMatchObject({ grant: { userId: 'bob' } })
})

test.each([401, 403])('[D10] %s refuses the user, and is not kept', async status => {
  respond({}, status)
  expect(await identify(cookie)).toMatchObject({ state: 'refused' })
  respond({ userId: 'ann' })
  expect(await identify(cookie)).toMatchObject({ state: 'known' })
})

test('[D10] an end that has passed refuses the user, and is not kept', async () => {
  respond({ userId: 'ann', expiresAt: new Date(NOW).toISOString() })
  expect(await identify(cookie)).toEqual({
    state: 'refused',
    rule: 'application',
    text: 'the application said that the credential has expired',
  })
  expect(reasons).toEqual([])
  // The negative control: the next millisecond has not passed.
  respond({ userId: 'ann', expiresAt: new Date(NOW + 1).toISOString() })
  expect(await identify(cookie)).toMatchObject({ state: 'known' })
})

test.each<[string, (response: ServerResponse) => void, RegExp]>([
  ['500', response => response.writeHead(500).end(), /^status 500$/],
  ['404', response => response.writeHead(404).end(), /^status 404$/],
  ['a redirect', response => response.writeHead(302, { Location: '/login' }).end(), /^status 302$/],
  ['HTML', response => response.end('<html>'), /not JSON/],
  [
    'invalid UTF-8',
    response => response.end(Buffer.from('{"userId":"a\xff"}', 'latin1')),
    /not JSON in UTF-8/,
  ],
  ['a lone surrogate', response => response.end('{"userId":"a\\ud800"}'), /"userId" must be/],
  ['nothing', response => response.writeHead(204).end(), /not JSON/],
  ['null', response => response.end('null'), /"userId" must be/],
  ['no user', response => response.end('{}'), /"userId" must be/],
  ['a wrong name', response => response.end('{"userId":"a","name":7}'), /"name" must be/],
  ['a wrong end', response => response.end('{"userId":"a","expiresAt":"soon"}'), /"expiresAt" must be/],
  ['wrong rights', response => response.end('{"userId":"a","watch":"x"}'), /"watch" must be/],
  ['no answer', () => {}, /no answer within 100 ms/],
  ['a reset', response => response.socket?.resetAndDestroy(), /ECONNRESET|closed/],
])(
  '[D10] %s is no answer: the client comes back, and the reason is reported',
  async (what, answer, reason) => {
    application.answer = (_request, response) => answer(response)
    if (what === 'no answer') timeoutMs = 100
    expect(await identify(cookie)).toMatchObject({ state: 'unavailable' })
    expect(reasons).toEqual([expect.stringMatching(reason)])
    timeoutMs = LONG_MS
    respond({ userId: 'ann' })
    expect(await identify(cookie)).toMatchObject({ state: 'known' })
  },
)

test('[D10] ids that are not ASCII are read as UTF-8', async () => {
  respond({ userId: 'Jörg 🙂' })
  expect(await identify(cookie)).toMatchObject({ grant: { userId: 'Jörg 🙂' } })
})

test('[D12] the log line about AUTH_URL has no query, which can contain a key of the operator', async () => {
  const { identify, logged } = newIdentity({ AUTH_URL: `${application.url}?key=SECRET` })
  for (const answer of [
    (response: ServerResponse) => void response.writeHead(500).end(),
    (response: ServerResponse) => void response.end('{}'),
    (response: ServerResponse) => void response.socket?.resetAndDestroy(),
  ]) {
    application.answer = (_request, response) => answer(response)
    expect(await identify({ headers: cookie })).toMatchObject({ state: 'unavailable' })
  }
  expect(logged).toHaveLength(3)
  expect(logged.join()).not.toContain('SECRET')
  expect(application.requests[0]?.url).toContain('SECRET')
})

test('[D10] at most 100 requests are sent at once', async () => {
  application.answer = () => {}
  timeoutMs = 100
  const asked = Array.from({ length: MAX_AT_ONCE }, (_, index) => identify({ cookie: `session=${index}` }))
  // The answer is there at once: nothing was sent.
  const one = authUrl.identify(requestOf({ cookie: 'one more' }), undefined)
  expect(one).toMatchObject({ state: 'unavailable' })
  await Promise.all(asked)
  timeoutMs = LONG_MS
  respond({ userId: 'ann' })
  expect(await identify({ cookie: 'one more' })).toMatchObject({ state: 'known' })
  expect(reasons).toHaveLength(MAX_AT_ONCE)
})

test('[D10 L10] one address gets three quarters of the requests at once, so a slow application is still asked for others', async () => {
  const waiting: ServerResponse[] = []
  application.answer = (_request, response) => waiting.push(response)
  const ask = (address: string, index: number) =>
    authUrl.identify(requestOf({ cookie: `session=${index}` }, address), undefined)
  const most = (MAX_AT_ONCE * 3) / 4
  const asked = Array.from({ length: most }, (_, index) => ask('9.9.9.9', index))
  for (const one of asked) expect(one).toBeInstanceOf(Promise)
  expect(ask('9.9.9.9', 99)).toEqual({
    state: 'unavailable',
    text: expect.any(String),
    full: { limit: 'AUTH_URL_SHARE', of: 'this address', left: 0 },
  })
  const other = ask('8.8.4.4', 0)
  expect(other).toBeInstanceOf(Promise)
  await vi.waitFor(() => expect(waiting).toHaveLength(most + 1))
  for (const response of waiting) response.end('{"userId":"ann"}')
  expect(await other).toMatchObject({ state: 'known' })
  for (const one of asked) await one
  respond({ userId: 'ann' })
  expect(await ask('9.9.9.9', 99)).toMatchObject({ state: 'known' })
})

test('[D10 L10] the negative control: where addresses may not be counted, one can use all requests at once', async () => {
  application.answer = () => {}
  timeoutMs = 100
  const asked = Array.from({ length: MAX_AT_ONCE }, (_, index) => identify({ cookie: `session=${index}` }))
  expect(authUrl.identify(requestOf({ cookie: 'x' }, '8.8.4.4'), undefined)).toMatchObject({
    full: { limit: 'AUTH_URL', of: 'all clients' },
  })
  await Promise.all(asked)
})

test('[D10] equal requests at once do not share a refusal: the user may have signed in meanwhile', async () => {
  const waiting: ServerResponse[] = []
  application.answer = (_request, response) => waiting.push(response)
  const [first, second] = [identify(cookie), identify(cookie)]
  await vi.waitFor(() => expect(waiting).toHaveLength(2))
  waiting[0]?.writeHead(401).end()
  waiting[1]?.end('{"userId":"ann"}')
  expect([(await first)?.state, (await second)?.state].toSorted()).toEqual(['known', 'refused'])
})
