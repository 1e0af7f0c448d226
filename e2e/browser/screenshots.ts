import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { startBrowser } from '@who-is-online/testing/start-browser'
import {
  type RunningServer,
  type ServerSettings,
  startServer,
  temporaryDir,
} from '@who-is-online/testing/start-server'
import type { Browser, Page } from 'playwright-core'
import { setup as buildLivePage } from '../../scripts/page.mjs'

// `pnpm screenshots` creates the pictures of the live page in docs/screenshots. The clock of the page is
// simulated, so that the same five minutes pass in some seconds.

const PICTURES = join(import.meta.dirname, '../../docs/screenshots')

/** The simulated time when the page is opened, a Thursday morning. */
const OPENED_AT = Date.parse('2026-01-15T10:00:00.000Z')
const SECOND = 1_000

/** The users before the page is opened, with the minutes since they were last seen; 0 for online. */
const BEFORE: readonly (readonly [userId: string, username: string, minutesAgo: number])[] = [
  ['ada', 'Ada Lovelace', 0],
  ['grace', 'Grace Hopper', 0],
  ['linus', 'Linus Pauling', 0],
  ['mary', 'Mary Somerville', 0],
  ['emmy', 'Emmy Noether', 4],
  ['alan', 'Alan Turing', 12],
  ['jörg', 'Jörg Müller', 47],
  ['rosalind', 'Rosalind Franklin', 130],
  ['srinivasa', 'Srinivasa Ramanujan', 60 * 26],
]

/** Names of the users in a large list. */
const GIVEN = [
  'Anna',
  'Bruno',
  'Chloé',
  'Dmitri',
  'Elif',
  'Farah',
  'Goran',
  'Hana',
  'Ivan',
  'Jun',
  'Kofi',
  'Lena',
  'Mateo',
]
const FAMILY = [
  'Abebe',
  'Berg',
  'Costa',
  'Dahl',
  'Evans',
  'Fischer',
  'García',
  'Haddad',
  'Ito',
  'Jansen',
  'Kaya',
  'Lopez',
]

type Doing = readonly [second: number, userId: string, username: string, status: string, text?: string]

/** What happens while the page is open. */
const STORY: readonly Doing[] = [
  [12, 'maria', 'Maria Mitchell', 'online'],
  [31, 'katherine', 'Katherine Johnson', 'online'],
  [44, 'ada', 'Ada Lovelace', 'busy', 'in a call until three'],
  [70, 'hedy', 'Hedy Lamarr', 'online'],
  [95, 'linus', 'Linus Pauling', 'offline'],
  [120, 'chien-shiung', 'Chien-Shiung Wu', 'online'],
  [133, 'maria', 'Maria Mitchell', 'away', 'at the telescope'],
  [166, 'emmy', 'Emmy Noether', 'online'],
  [190, 'hedy', 'Hedy Lamarr', 'offline'],
  [214, 'lise', 'Lise Meitner', 'online'],
  [230, 'sofja', 'Sofja Kowalewskaja', 'online'],
  [251, 'sofja', 'Sofja Kowalewskaja', 'busy', 'writing'],
  [271, 'emmy', 'Emmy Noether', 'away'],
]
const LASTS_SECONDS = 300

/**
 * The real time of `OPENED_AT`, and the elapsed simulated time: times from the server are converted with
 * them.
 */
let openedAt = 0
let passed = 0
/** The real times at which simulated seconds began, in order. */
let moments: { readonly realAt: number; readonly passed: number }[] = []

/** A picture, or one in light and one in dark colors. */
interface Picture {
  readonly name: string
  readonly width: number
  readonly height: number
  readonly schemes: readonly ('light' | 'dark')[]
  /** How many users are online besides those of the story. */
  readonly crowd?: number
  /** Further settings of the server. */
  readonly settings?: ServerSettings
  /** Whether the page is shown without users, and without the story. */
  readonly isEmpty?: boolean
  /** What to do before the picture is taken. */
  readonly prepare?: (page: Page, server: RunningServer) => Promise<void>
}

const BOTH = ['light', 'dark'] as const
const API_KEY = 'the-key-of-the-live-page-is-long-enough'

const openUser = async (page: Page): Promise<void> => {
  await page.locator('[data-user="ada"]').click()
}

/** Opens a user, and asks why the user shows so. */
const explainUser = async (page: Page): Promise<void> => {
  await openUser(page)
  await page.getByRole('button', { name: 'Why this status?' }).click()
  await until(page, () => page.getByRole('list', { name: 'Sessions' }).isVisible())
}

/** Opens the dialog that sets the status of a user. */
const setStatus = async (page: Page): Promise<void> => {
  await explainUser(page)
  await page.getByRole('button', { name: 'Set status…' }).click()
}

const PICTURE_LIST: readonly Picture[] = [
  { name: 'wide', width: 1_280, height: 760, schemes: BOTH },
  { name: 'narrow', width: 360, height: 760, schemes: BOTH },
  { name: 'user', width: 1_280, height: 760, schemes: BOTH, prepare: openUser },
  { name: 'user-narrow', width: 360, height: 760, schemes: ['light'], prepare: openUser },
  { name: 'explain', width: 1_280, height: 900, schemes: BOTH, prepare: explainUser },
  { name: 'explain-narrow', width: 360, height: 900, schemes: ['light'], prepare: explainUser },
  { name: 'set-status', width: 1_280, height: 760, schemes: BOTH, prepare: setStatus },
  { name: 'large', width: 1_920, height: 1_080, schemes: BOTH, crowd: 10_000, prepare: openUser },
  { name: 'empty', width: 1_280, height: 760, schemes: ['light'], isEmpty: true },
  {
    name: 'disconnected',
    width: 1_280,
    height: 760,
    schemes: BOTH,
    prepare: endServer,
  },
  {
    name: 'disconnected-narrow',
    width: 360,
    height: 760,
    schemes: ['light'],
    prepare: endServer,
  },
  {
    name: 'open-identity',
    width: 1_280,
    height: 760,
    schemes: ['dark'],
    settings: { ENVIRONMENT: 'production', AUTH: 'open', DASHBOARD: 'on', API_KEY },
  },
]

/** Ends the server, and waits until the page says that what it shows is old. */
async function endServer(page: Page, server: RunningServer): Promise<void> {
  await server.end('SIGTERM')
  await until(page, () => page.locator('main[data-trust="stale"]').isVisible())
}

async function takeAll(browser: Browser, only: string | undefined): Promise<void> {
  mkdirSync(PICTURES, { recursive: true })
  for (const picture of PICTURE_LIST) {
    if (only !== undefined && picture.name !== only) continue
    const { name, schemes, isEmpty, settings, prepare, crowd = 0 } = picture
    const dir = temporaryDir()
    if (!isEmpty) seed(dir.path, crowd)
    const times = { OFFLINE_GRACE_MS: 0, RESTART_GRACE_MS: 3_600_000, NODE_NAME: 'node-1' }
    const server = await startServer(dir.path, { ...times, ...settings })
    const page = await openPage(browser, server, picture)
    if (!isEmpty) await play(page, server)
    await prepare?.(page, server)
    for (const colorScheme of schemes) {
      await page.emulateMedia({ colorScheme })
      await pass(page, 1)
      const path = join(PICTURES, `${name}-${colorScheme}.png`)
      await page.screenshot({ path, fullPage: name === 'narrow', animations: 'disabled' })
      process.stdout.write(`${path}\n`)
    }
    await page.context().close()
    await server.end('SIGTERM')
    dir.remove()
  }
}

async function openPage(
  browser: Browser,
  server: RunningServer,
  { width, height, isEmpty, crowd = 0 }: Picture,
): Promise<Page> {
  const viewport = { width, height }
  const page = await browser.newPage({
    viewport,
    deviceScaleFactor: 1,
    locale: 'en-US',
    timezoneId: 'UTC',
    colorScheme: 'light',
    httpCredentials: { username: 'anybody', password: API_KEY },
  })
  openedAt = Date.now()
  passed = 0
  moments = []
  await page.clock.install({ time: OPENED_AT })
  await page.routeWebSocket('**/ws?*', socket => {
    const ours = socket.connectToServer()
    ours.onMessage(text => socket.send(String(text).replaceAll(TIME, inPageTime)))
  })
  await page.route('**/api/v1/count/history', route =>
    route.fulfill({ json: isEmpty ? day(0, 0, 1) : day(4 + 0.75 * crowd, 11 + 0.9 * crowd, 1_440) }),
  )
  await page.route('**/explain', async route => {
    const response = await route.fetch()
    const body = (await response.text()).replaceAll(TIME, inPageTime)
    await route.fulfill({ response, body })
  })
  await page.goto(`${server.origin}/`)
  await until(page, () => page.locator('main[data-trust="live"]').isVisible())
  return page
}

/**
 * The numbers of so many minutes, with fewer users at night. They rise to `online` in the last minute, and were about
 * `most` in the afternoon before.
 */
function day(online: number, most: number, minutes: number): object {
  const [middle, swing] = [0.55 * most, 0.45 * most]
  const now = Math.acos((middle - online) / (swing || 1))
  const counts = Array.from({ length: minutes }, (_, minute) => {
    const wave = middle - swing * Math.cos(now - (2 * Math.PI * (minutes - 1 - minute)) / 1_440)
    // A few users do not come and go each minute.
    const noise = most < 100 ? 0 : 0.02 * Math.sin(minute / 7) + 0.015 * Math.sin(minute * 1.7)
    return Math.round(wave * (1 + noise))
  })
  return { stepMs: 60_000, until: OPENED_AT - 20_000, online: counts }
}

/** A time in JSON. */
const TIME = /"\d{4}-\d\d-\d\dT[\d:.]+Z"/g

/** Converts a time of the server to simulated time. */
function inPageTime(quoted: string): string {
  const at = Date.parse(quoted.slice(1, -1))
  const second = moments.findLast(({ realAt }) => realAt <= at)?.passed ?? 0
  const shifted = at < openedAt ? OPENED_AT + at - openedAt : OPENED_AT + second * SECOND
  return at > openedAt + 3_600_000 ? quoted : `"${new Date(shifted).toISOString()}"`
}

/** Advances the simulated time, and waits for the messages of that time. */
async function pass(page: Page, seconds: number): Promise<void> {
  for (let n = 0; n < seconds; n++) {
    passed++
    moments.push({ realAt: Date.now(), passed })
    await page.clock.runFor(SECOND)
    await sleep(5)
  }
}

async function until(page: Page, isSo: () => Promise<boolean>): Promise<void> {
  for (let n = 0; n < 100 && !(await isSo()); n++) {
    await page.clock.runFor(20)
    await sleep(20)
  }
  if (!(await isSo())) throw new Error('the page did not reach the expected state')
}

async function play(page: Page, server: RunningServer): Promise<void> {
  const clients = new Map<string, TestClient>()
  for (const [second, userId, username, status, text] of STORY) {
    await pass(page, second - passed)
    const client = clients.get(userId) ?? (await TestClient.v2(server, userId, { username, device: 'web' }))
    clients.set(userId, client)
    if (status === 'offline') await client.leave()
    else if (status !== 'online') await client.ask({ type: 'set_status', status, text }, 'status_updated')
    await sleep(100)
  }
  await pass(page, LASTS_SECONDS - passed)
  await page.mouse.move(0, 0)
  await page.evaluate('scrollTo(0, 0)')
}

function seed(dir: string, crowd: number): void {
  const now = Date.now()
  const strangers = Array.from({ length: crowd }, (_, n) => {
    const first = GIVEN[n % GIVEN.length] as string
    const last = FAMILY[Math.floor(n / GIVEN.length) % FAMILY.length] as string
    return [`user-${n}`, `${first} ${last}`, n % 4 === 0 ? 1 + ((n * 37) % 4_000) : 0] as const
  })
  const users = [...BEFORE, ...strangers].map(([userId, username, minutesAgo]) => {
    const lastSeen = new Date(now - minutesAgo * 60 * SECOND).toISOString()
    return [userId, { userId, username, status: minutesAgo === 0 ? 'online' : 'offline', lastSeen }]
  })
  mkdirSync(join(dir, 'data'), { mode: 0o700 })
  writeFileSync(join(dir, 'data', 'user_state.json'), JSON.stringify(Object.fromEntries(users)))
}

buildLivePage()
const browser = await startBrowser()
if (!browser) process.exit(1)
await takeAll(browser, process.argv[2])
await browser.close()
process.exit(0)
