import type { Server as HttpServer } from 'node:http'
import { type Duplex, duplexPair } from 'node:stream'
import { type ClientOptions, createClient, type PresenceClient } from '@who-is-online/client'
import { signToken } from '@who-is-online/testing/sign-token'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { type Server, startServer } from '../server/src/server.ts'
import { readSettings } from '../server/src/settings.ts'
import { createMemoryStore } from '../server/src/storage/memory.ts'
import { SystemClock } from '../server/src/time/clock.ts'

// Tokens that live for 60 s, in a hidden tab whose timers run once a minute. The client and the whole server are real,
// and share one simulated clock. They are connected by streams in memory, so ten minutes take a second, and nothing
// depends on the speed of the machine.

const http = vi.hoisted(() => ({ server: undefined as HttpServer | undefined }))

// `startServer` keeps its HTTP server to itself. The test hands connections to it.
vi.mock('node:http', async original => {
  const node = await original<typeof import('node:http')>()
  const createServer = (...args: Parameters<typeof node.createServer>) => {
    http.server = node.createServer(...args)
    return http.server
  }
  return { ...node, createServer }
})

const SECRET = 'not-to-be-printed:a-secret-of-32-bytes'
const MINUTE_MS = 60_000
const TEN_MINUTES_MS = 10 * MINUTE_MS

/** The time between two ticks of the server, in ms. What is sent arrives within this time. */
const STEP_MS = 100

/** More turns of the event loop than any message needs from one side to the answer of the other side. */
const TURNS = 20

/** Signs a token with HS256 that expires after `lifeMs`. */
function tokenOf(userId: string, lifeMs: number): string {
  const exp = (Date.now() + lifeMs) / 1_000
  return signToken({ sub: userId, exp, n: ++signatures }, SECRET)
}

let signatures = 0
let server: Server
const clients: PresenceClient[] = []

beforeEach(async () => {
  vi.useFakeTimers({
    now: Date.UTC(2030, 0, 1),
    toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'Date', 'performance'],
  })
  const nothing = () => {}
  server = await startServer({
    settings: readSettings({ ENVIRONMENT: 'production', AUTH_SECRET: SECRET, PORT: '0', HOST: '127.0.0.1' }),
    store: createMemoryStore(),
    clock: new SystemClock(Date.now, () => performance.now()),
    log: { error: nothing, info: nothing, debug: nothing, limited: nothing, once: nothing },
    version: 'test',
    openFiles: Number.POSITIVE_INFINITY,
    droppedLines: () => ({ console: 0, file: 0 }),
  })
})

afterEach(async () => {
  for (const client of clients.splice(0)) client.close()
  await settled()
  const stopped = server.stop()
  await pass(5_000)
  await stopped
  vi.useRealTimers()
})

/** Waits until everything that was sent has arrived and was answered. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < TURNS; turn++) await new Promise(resolve => setImmediate(resolve))
}

/** Lets simulated time pass, for the server and for the clients. */
async function pass(ms: number): Promise<void> {
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    vi.advanceTimersByTime(STEP_MS)
    await settled()
  }
}

/** The class of a WebSocket whose connections are streams in memory. `opened` counts its instances. */
function memoryWebSocket() {
  return class MemoryWebSocket extends WebSocket {
    static opened = 0

    constructor(url: string, protocols: string[]) {
      const [near, far] = duplexPair()
      for (const end of [near, far]) Object.assign(end, SOCKET_METHODS)
      http.server?.emit('connection', far)
      super(url, protocols, { createConnection: () => near as never, perMessageDeflate: false })
      MemoryWebSocket.opened++
    }
  }
}

/** What a TCP socket has besides, and both sides use. */
const SOCKET_METHODS = {
  remoteAddress: '127.0.0.1',
  setNoDelay() {},
  setKeepAlive() {},
  setTimeout() {},
  destroySoon(this: Duplex) {
    this.end(() => this.destroy())
  },
}

/** A timer of a hidden tab: browsers run such timers once a minute, at its start. */
function onceAMinute(task: () => void, ms: number): unknown {
  const dueAt = Date.now() + ms
  return setTimeout(task, Math.ceil(dueAt / MINUTE_MS) * MINUTE_MS - Date.now())
}

type Platform = NonNullable<ClientOptions['platform']>

/** Ann's hidden tab and an observer for ten minutes: how often ann reconnected, and what the observer saw of her. */
async function tenMinutes(getToken: () => string, platform: Platform, isStatic = false) {
  const url = 'ws://presence.test/ws'
  const Watching = memoryWebSocket()
  const Hidden = memoryWebSocket()
  const watcher = createClient({ url, token: tokenOf('watcher', 2 * TEN_MINUTES_MS), WebSocket: Watching })
  const changes: string[] = []
  watcher.subscribe(['ann'])
  let fetched = 0
  const counted = () => {
    fetched++
    return getToken()
  }
  const who = isStatic ? { token: getToken() } : { getToken: counted }
  const ann = createClient({
    url,
    ...who,
    WebSocket: Hidden,
    platform: { setTimeout: onceAMinute, ...platform },
  })
  clients.push(watcher, ann)
  await pass(1_000)
  expect(watcher.get('ann')).toMatchObject({ status: 'online', freshness: 'live' })
  ann.setVisible(false)
  watcher.onChange(users => changes.push(...users.map(({ userId, status }) => `${userId} ${status}`)))
  await pass(TEN_MINUTES_MS)
  expect([watcher.connectionStatus, Watching.opened]).toEqual(['open', 1])
  return { changes, reconnects: Hidden.opened - 1, fetched, state: ann.connectionStatus }
}

test('[D17] tokens of 60 s in a hidden tab: in ten minutes nobody sees a change, and there is no reconnect', async () => {
  const { changes, reconnects, fetched, state } = await tenMinutes(() => tokenOf('ann', MINUTE_MS), {})
  expect({ changes, reconnects, state }).toEqual({ changes: [], reconnects: 0, state: 'open' })
  // Every token was used for about a minute.
  expect(fetched).toBeGreaterThanOrEqual(8)
  expect(fetched).toBeLessThanOrEqual(20)
})

test('negative control: a client that cannot read when its token expires has to reconnect', async () => {
  const { reconnects } = await tenMinutes(() => tokenOf('ann', MINUTE_MS), { atob: undefined })
  expect(reconnects).toBeGreaterThan(0)
})

test('negative control: others see that a client is gone that has only one token', async () => {
  const { changes, state } = await tenMinutes(() => tokenOf('ann', MINUTE_MS), {}, true)
  expect(changes).toEqual(['ann offline'])
  expect(state).toBe('refused')
})
