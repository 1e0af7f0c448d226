import { sleep } from '@who-is-online/testing/client'
import type { Browser } from 'playwright-core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type Server, startServer } from '../../server/src/server.ts'
import { readSettings } from '../../server/src/settings.ts'
import { createMemoryStore } from '../../server/src/storage/memory.ts'
import { SystemClock } from '../../server/src/time/clock.ts'
import { useApplication } from './application.ts'
import { FreezablePage } from './freezable-page.ts'
import { browser, browserTest } from './stage.ts'

// Activity and sessions that last for a limited time. Chromium freezes pages: their sockets answer pings, and their
// timers do not run. The server runs in this process, and its time is that of the test, so nothing depends on the speed
// of the machine.

const MINUTE_MS = 60_000
const HALF_A_MINUTE_MS = 30_000

/** A longer step would count as a suspension of the server. */
const READ_MS = 500

/** How far the time moves before the answers to pings are awaited. It is less than PONG_TIMEOUT_MS, 8 s. */
const STEP_MS = 5_000

/** A connection is pinged after this time without a frame, in ms: PING_MS and 10 %. */
const PINGED_AFTER_MS = 16_500

const application = useApplication()
/** The time of the server, in ms since the start of a test. It stands still unless the test moves it. */
let aheadMs = 0
let clock: SystemClock
let server: Server

beforeEach(async () => {
  aheadMs = 0
  const began = Date.now()
  clock = new SystemClock(
    () => began + aheadMs,
    () => aheadMs,
  )
  const nothing = () => {}
  server = await startServer({
    settings: readSettings({
      ENVIRONMENT: 'development',
      PORT: '0',
      HOST: '127.0.0.1',
      // This test asks again and again while the time stands still.
      API_REQUESTS_PER_SECOND: '10000',
    }),
    store: createMemoryStore(),
    clock,
    log: { error: nothing, info: nothing, debug: nothing, limited: nothing, once: nothing },
    version: 'test',
    openFiles: Number.POSITIVE_INFINITY,
    droppedLines: () => ({ console: 0, file: 0 }),
  })
})
afterEach(() => server.stop())

interface Session {
  readonly active: boolean
  readonly visible: boolean
  readonly lastAliveAt: string
}

/** Calls the HTTP API about a user. */
async function api<Answer>(method: 'GET' | 'PUT', path: string, body?: object): Promise<Answer> {
  const response = await fetch(`http://127.0.0.1:${server.port}/api/v1/users/${path}`, {
    method,
    ...(body && { body: JSON.stringify(body), headers: { 'Content-Type': 'application/json' } }),
  })
  expect(response.status).toBe(200)
  return (await response.json()) as Answer
}

const statusOf = async (userId: string): Promise<string> =>
  (await api<{ status: string }>('GET', userId)).status

/** The only session of a user. */
async function sessionOf(userId: string): Promise<Session> {
  const { sessions } = await api<{ sessions: [Session] }>('GET', `${userId}/sessions`)
  expect(sessions).toHaveLength(1)
  return sessions[0]
}

/**
 * Lets time pass for the server. After each step, the browser has answered each ping to these users. In the end the
 * server has done all that was due: a session has ended that was leased for this time.
 */
async function pass(ms: number, connected: readonly string[]): Promise<void> {
  await api('PUT', 'clock/sessions/s', { ttlMs: ms })
  for (let passed = 0; passed < ms; passed += STEP_MS) {
    for (let read = 0; read < STEP_MS; read += READ_MS) {
      aheadMs += READ_MS
      clock.awake()
    }
    for (const userId of connected) {
      await until(async () => {
        const heardAt = Date.parse((await sessionOf(userId)).lastAliveAt)
        return clock.now() - heardAt <= PINGED_AFTER_MS
      })
    }
  }
  await until(async () => (await statusOf('clock')) === 'offline')
}

async function until(isTrue: () => Promise<boolean>): Promise<void> {
  for (const end = performance.now() + 10_000; !(await isTrue()); await sleep(20)) {
    if (performance.now() > end) throw new Error('it did not come true')
  }
}

async function openPage(userId: string, more: { readonly idleAfterMs?: false } = {}): Promise<FreezablePage> {
  const url = `ws://127.0.0.1:${server.port}/ws`
  const page = await FreezablePage.open(browser as Browser, application.urlOf({ url, userId, ...more }))
  await until(async () => (await page.evaluate('window.client?.connectionStatus')) === 'open')
  return page
}

browserTest(
  '[R19] a frozen page is away within 6 min 30 s, and online when a person uses it again',
  { timeout: 60_000 },
  async () => {
    const frozen = await openPage('frozen')
    // The negative controls: a page that a person uses, and a frozen page whose activity has no end.
    const used = await openPage('used')
    const endless = await openPage('endless', { idleAfterMs: false })
    const users = ['frozen', 'used', 'endless']
    const statuses = async () => (await Promise.all(users.map(statusOf))).join(' ')

    await pass(2 * MINUTE_MS, users)
    for (const page of [frozen, used, endless]) await page.use(aheadMs)
    for (const page of [frozen, endless]) await page.freeze()
    for (const userId of ['frozen', 'endless']) {
      await until(async () => !(await sessionOf(userId)).visible)
    }
    const turns = await frozen.evaluate('turns')

    for (let minute = 1; minute < 6; minute++) {
      await pass(MINUTE_MS, users)
      await used.use(aheadMs)
    }
    // The activity was reported for 6 minutes.
    await pass(MINUTE_MS - STEP_MS, users)
    expect(await statuses()).toBe('online online online')
    await pass(STEP_MS + HALF_A_MINUTE_MS, users)
    expect(await statuses()).toBe('away online online')
    expect(await sessionOf('frozen')).toMatchObject({ active: false, visible: false })
    expect(await frozen.evaluate('turns')).toBe(turns)

    await frozen.resume()
    await frozen.use(aheadMs)
    await until(async () => (await statuses()) === 'online online online')
    expect(await frozen.evaluate('turns')).toBeGreaterThan(turns as number)
  },
)

test('[R20] a leased session that is not renewed is offline at its ttlMs', async () => {
  const renew = () => api('PUT', 'bot/sessions/s', { ttlMs: MINUTE_MS })
  await renew()
  await pass(MINUTE_MS - STEP_MS, [])
  await renew()
  await pass(MINUTE_MS - STEP_MS, [])
  expect(await statusOf('bot')).toBe('online')
  await pass(STEP_MS, [])
  expect(await statusOf('bot')).toBe('offline')
})
