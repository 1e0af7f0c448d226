import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import { expect, test } from 'vitest'
import type { Identified, Identity } from '../identity/identity.ts'
import { openIdentity } from '../identity/open.ts'
import {
  Handshake,
  type HandshakeOptions,
  PENDING_MS,
  type Refused,
  STOPPING,
  type Verdict,
  versionOf,
} from './handshake.ts'
import { ConnectionLimits, UNLIMITED } from './limits.ts'

// Every decision on upgrade requests, without sockets.

interface Asked {
  readonly url?: string
  readonly headers?: IncomingHttpHeaders
  readonly rawHeaders?: string[]
  readonly httpVersion?: string
  readonly address?: string
}

const open = openIdentity('observer')

/** Believes user ids, after some time. */
const slowIdentity: Identity = { ...open, identify: async request => open.identify(request) }

/** A request with the parts that the decision depends on. */
function request({ url = '/ws?userId=ann', headers = {}, ...rest }: Asked = {}): IncomingMessage {
  const parts = {
    url,
    headers: { host: 'app.test', 'sec-websocket-version': '13', ...headers },
    rawHeaders: rest.rawHeaders ?? ['Host', 'app.test'],
    httpVersion: rest.httpVersion ?? '1.1',
    socket: { remoteAddress: rest.address ?? '8.8.8.8' },
  }
  return parts as Partial<IncomingMessage> as IncomingMessage
}

function handshake(options: Partial<HandshakeOptions> = {}) {
  return new Handshake({
    identity: open,
    path: '/ws',
    origins: { allowed: [], hosts: [], development: false },
    trustProxy: undefined,
    limits: new ConnectionLimits(UNLIMITED),
    isConnected: () => false,
    refusedMs: () => 0,
    ...options,
  })
}

/** The decision on a request whose identity does not take time. */
const judge = (asked: Asked, options?: Partial<HandshakeOptions>, closed?: Refused) =>
  handshake(options).judge(request(asked), 0, closed) as Verdict

/** The decision on a request whose identity takes time. */
async function decided(judged: ReturnType<Handshake['judge']> | undefined): Promise<Verdict | undefined> {
  const decide = await judged
  return typeof decide === 'function' ? decide() : undefined
}

test('[D1 V1] a request with a valid identity is accepted', () => {
  expect(judge({})).toEqual({
    kind: 'accepted',
    grant: {
      userId: 'ann',
      username: undefined,
      isNameFixed: false,
      expiresAt: undefined,
      rights: { watch: 'all', rooms: ['*'], observer: false },
    },
    sessionId: undefined,
    device: undefined,
    choice: undefined,
    version: 'v1',
    address: '8.8.8.8',
  })
  const v2 = { 'sec-websocket-protocol': 'chat, who-is-online.v2' }
  expect(judge({ url: '/ws?userId=ann&sessionId=tab', headers: v2, address: '127.0.0.1' })).toMatchObject({
    version: 'v2',
    address: undefined,
    sessionId: 'tab',
  })
  expect(judge({ url: 'http://app.test/ws?userId=observer' })).toMatchObject({
    kind: 'accepted',
    grant: { rights: { observer: true } },
  })
})

test.each([
  ['a URL that is too long', { url: `/ws?userId=${'x'.repeat(9_000)}` }, 414],
  ['HTTP/1.0', { httpVersion: '1.0' }, 400],
  ['two Host headers', { rawHeaders: ['Host', 'a', 'host', 'b'] }, 400],
  ['no Host header', { headers: { host: undefined }, rawHeaders: [] }, 400],
  [
    'two Authorization headers',
    { rawHeaders: ['Authorization', 'Bearer a', 'authorization', 'Bearer b'] },
    400,
  ],
  ['two Origin headers', { rawHeaders: ['Origin', 'https://a', 'origin', 'https://b'] }, 400],
  ['a body', { headers: { 'content-length': '5' } }, 400],
  ['a chunked body', { headers: { 'transfer-encoding': 'chunked' } }, 400],
  ['another version of WebSocket', { headers: { 'sec-websocket-version': '8' } }, 426],
  ['another path', { url: '/chat?userId=ann' }, 404],
  ['a path with an empty segment', { url: '/ws//?userId=ann' }, 404],
  ['a path in percent-encoding', { url: '/%77s?userId=ann' }, 404],
  ['a target without a host', { url: 'http:///ws?userId=ann' }, 404],
  ['a target without a path', { url: 'http://' }, 404],
  ['a target of another scheme', { url: 'ftp://app.test/ws?userId=ann' }, 404],
  ['a web page of another host', { headers: { origin: 'https://evil.test' } }, 403],
] as const)('[C1 O5] %s is refused', (_what, asked, status) => {
  const verdict = judge(asked as Asked)
  expect(verdict).toMatchObject({ kind: 'refused', status })
})

test.each(['/ws', '/WS', '/ws/', '/Ws/', 'http://app.test/WS/', 'HTTPS://app.test/ws'])(
  '[T7] a client may connect to %s, and the case of its user id is kept',
  path => {
    expect(judge({ url: `${path}?userId=Ann/` })).toMatchObject({
      kind: 'accepted',
      grant: { userId: 'Ann/' },
    })
  },
)

test('[O5] the log line about a refused web page contains the setting that allows it', () => {
  const origins = { allowed: ['https://a.test'], hosts: [], development: false }
  expect(judge({ headers: { origin: 'https://b.test' } }, { origins })).toMatchObject({
    report: { kind: 'origin', fields: { set: 'ALLOWED_ORIGINS=https://a.test,https://b.test' } },
  })
})

test('[D2] a request without a valid identity is turned away, with the reason', () => {
  expect(judge({ url: '/ws' })).toEqual({
    kind: 'turned away',
    error: 'bad_message',
    version: 'v1',
    text: '"userId" is missing: connect to /ws?userId=ID',
  })
})

test('[Q3] a stopping server refuses connections', () => {
  expect(judge({}, {}, STOPPING)).toMatchObject({ status: 503, headers: { 'Retry-After': '1' } })
})

test('[L1 L2 A1] a refusal by a limit has the time until a retry, and names the setting', () => {
  const one = { ...UNLIMITED, connectionsPerUser: 1, handshakesPerAddress: { burst: 2, everyMs: 20 } }
  const limits = new ConnectionLimits(one)
  const gate = handshake({ limits, isConnected: (_userId, sessionId) => sessionId === 'tab' })
  expect(gate.judge(request(), 0, undefined)).toMatchObject({ kind: 'accepted' })
  limits.opened('ann', '8.8.8.8')
  expect(gate.judge(request(), 0, undefined)).toMatchObject({
    status: 429,
    headers: { 'Retry-After': '5' },
    report: { text: expect.stringContaining('MAX_CONNECTIONS_PER_USER'), fields: { address: '8.8.8.8' } },
  })
  const proxied = request({ headers: { 'x-forwarded-for': '1.1.1.1' } })
  expect(gate.judge(proxied, 0, undefined)).toMatchObject({
    status: 429,
    detail: 'too many connections (HANDSHAKES_PER_SECOND_PER_ADDRESS)',
    report: { advice: expect.stringContaining('TRUST_PROXY') },
  })
  // A connection that replaces another one is always allowed, and observers have no limit per user.
  const v2 = { 'sec-websocket-protocol': 'who-is-online.v2' }
  const back = request({ url: '/ws?userId=ann&sessionId=tab', headers: v2 })
  expect(gate.judge(back, 1_000, undefined)).toMatchObject({ kind: 'accepted' })
  limits.opened(undefined, undefined)
  expect(gate.judge(request({ url: '/ws?userId=observer' }), 2_000, undefined)).toMatchObject({
    kind: 'accepted',
  })
})

test('[V1] v2 is requested by its subprotocol, at any position in the list', () => {
  const version = (offer?: string) =>
    versionOf({ headers: offer === undefined ? {} : { 'sec-websocket-protocol': offer } })
  expect(version()).toBe('v1')
  expect(version('who-is-online.v1')).toBe('v1')
  expect(version('x,who-is-online.v2 , y')).toBe('v2')
})

test('[D1] a user whose identity takes time is accepted when it is known', async () => {
  const slow = handshake({ identity: slowIdentity })
  expect(await decided(slow.judge(request(), 0, undefined))).toEqual(judge({}))
  expect(await decided(slow.judge(request({ url: '/ws' }), 0, undefined))).toEqual(judge({ url: '/ws' }))
})

test('[C2] a bug in an identity that takes time is thrown where the caller decides', async () => {
  const identity = { ...open, identify: () => Promise.reject(new Error('planted')) }
  const decide = await handshake({ identity }).judge(request(), 0, undefined)
  expect(decide).toThrow('planted')
})

test('[D1 L1] an identity provider that hangs holds no more requests than the limit of handshakes accepts in 5 s', async () => {
  const known: (() => void)[] = []
  const identity: Identity = {
    ...open,
    identify: request => new Promise(resolve => known.push(() => resolve(open.identify(request)))),
  }
  const limits = new ConnectionLimits({ ...UNLIMITED, handshakes: { burst: 2_000, everyMs: 1 } })
  const hanging = handshake({ identity, limits })
  const judge = (now: number, address = '10.0.0.1') => hanging.judge(request({ address }), now, undefined)
  // A whole storm waits, and then as many as are accepted in each millisecond.
  const storm = Array.from({ length: 2_000 }, () => judge(0))
  const later = Array.from({ length: PENDING_MS }, (_, ms) => judge(ms + 1))
  for (const waiting of [...storm, ...later]) expect(waiting).toBeInstanceOf(Promise)
  expect(judge(PENDING_MS + 1)).toMatchObject({
    status: 503,
    detail: 'too many connections wait for their identity (PENDING_HANDSHAKES)',
    headers: { 'Retry-After': '1' },
    report: { limit: 'PENDING_HANDSHAKES', fields: { of: 'all clients', address: '10.0.0.1' } },
  })
  known[0]?.()
  expect(await decided(storm[0])).toMatchObject({ kind: 'accepted' })
  expect(judge(PENDING_MS + 2)).toBeInstanceOf(Promise)
})

test('[L1 L10] one address holds at most three quarters of the places of those who wait for their identity', async () => {
  const known: (() => void)[] = []
  const identity: Identity = {
    ...open,
    identify: request => new Promise(resolve => known.push(() => resolve(open.identify(request)))),
  }
  const limits = new ConnectionLimits({ ...UNLIMITED, handshakes: { burst: 10, everyMs: PENDING_MS / 10 } })
  const hanging = handshake({ identity, limits })
  const judge = (now: number, address: string) => hanging.judge(request({ address }), now, undefined)
  // The rate of the address would allow more, because the identity provider takes longer than 5 s.
  const storm = Array.from({ length: 15 }, (_, n) => judge(Math.max(0, n - 4) * 1_000, '8.8.8.8'))
  for (const waiting of storm) expect(waiting).toBeInstanceOf(Promise)
  const later = 15_000
  expect(judge(later, '8.8.8.8')).toMatchObject({
    status: 503,
    report: { limit: 'PENDING_HANDSHAKES_SHARE', fields: { of: 'this address', address: '8.8.8.8' } },
  })
  expect(judge(later, '9.9.9.9')).toBeInstanceOf(Promise)
  known[0]?.()
  known[1]?.()
  await Promise.all([storm[0], storm[1]])
  expect(judge(later, '8.8.8.8')).toBeInstanceOf(Promise)
})

test('[L1] limits count the connections there are when the identity is known', async () => {
  const limits = new ConnectionLimits({ ...UNLIMITED, connectionsPerUser: 1 })
  const slow = handshake({ identity: slowIdentity, limits })
  const [one, other] = [slow.judge(request(), 0, undefined), slow.judge(request(), 0, undefined)]
  const first = (await one) as () => Verdict
  const second = (await other) as () => Verdict
  expect(first()).toMatchObject({ kind: 'accepted' })
  limits.opened('ann', '8.8.8.8')
  expect(second()).toMatchObject({ kind: 'refused' })
})

/** Where each client must prove who it is, any name may be the server's own. */
const CHECKED = { allowed: [], hosts: undefined, development: false }

test('[D5] a refused token is an HTTP 401, and for a client that can not read that an error', () => {
  const refusal: Identified = { state: 'refused', rule: 'time', text: 'the token expired 9 s ago' }
  const identity = { ...open, identify: () => refusal }
  const report = { kind: 'token', fields: { rule: 'time', reason: refusal.text, address: '8.8.8.8' } }
  const authorization = 'Bearer x'
  const v2 = { 'sec-websocket-protocol': 'who-is-online.v2' }
  const program = [{}, { authorization }, { ...v2, authorization }, { 'sec-websocket-protocol': 'bearer.x' }]
  for (const headers of program) {
    expect(judge({ headers }, { identity }), JSON.stringify(headers)).toMatchObject({
      kind: 'refused',
      status: 401,
      detail: refusal.text,
      headers: { 'WWW-Authenticate': 'Bearer' },
      report,
    })
  }
  const origin = 'http://app.test'
  const webSocket = [
    { origin },
    { origin, authorization },
    v2,
    { 'sec-websocket-protocol': 'bearer.x, who-is-online.v2' },
  ]
  for (const headers of webSocket) {
    expect(judge({ headers }, { identity, origins: CHECKED }), JSON.stringify(headers)).toMatchObject({
      kind: 'turned away',
      error: 'bad_token',
      text: refusal.text,
      report,
    })
  }
})

test('[D5] a contradictory request and an identity that can not be checked are answered over HTTP', () => {
  const answered = (identified: Identified) =>
    judge(
      { headers: { origin: 'http://app.test' } },
      { identity: { ...open, identify: () => identified }, origins: CHECKED },
    )
  expect(answered({ state: 'wrong request', status: 400, text: 'two' })).toMatchObject({ status: 400 })
  expect(answered({ state: 'wrong request', status: 403, text: 'no' })).toMatchObject({ status: 403 })
  expect(answered({ state: 'unavailable', text: 'down' })).toMatchObject({
    status: 503,
    headers: { 'Retry-After': '1' },
  })
  const full = { limit: 'AUTH_URL_SHARE', of: 'this address', left: 0 } as const
  expect(answered({ state: 'unavailable', text: 'busy', full })).toMatchObject({
    status: 503,
    detail: 'busy (AUTH_URL_SHARE)',
    headers: { 'Retry-After': '1' },
    report: {
      kind: 'AUTH_URL_SHARE',
      limit: 'AUTH_URL_SHARE',
      text: 'a connection was refused by AUTH_URL_SHARE',
      fields: { of: 'this address', address: '8.8.8.8' },
    },
  })
  expect(answered({ state: 'unusable', text: 'who?' })).toMatchObject({ error: 'bad_message' })
})

test('[E19] a user who is refused for a while is told for how long, and closed with 4403', () => {
  const refusedMs = (userId: string) => (userId === 'ann' ? 1_500 : 0)
  expect(judge({}, { refusedMs })).toMatchObject({
    kind: 'turned away',
    error: 'not_allowed',
    text: expect.stringContaining('may not connect for 2 s'),
  })
  expect(judge({ url: '/ws?userId=bob' }, { refusedMs }).kind).toBe('accepted')
})
