import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { startBrowser } from '@who-is-online/testing/start-browser'
import { type RunningServer, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import type { Browser, Page } from 'playwright-core'
import { setup as buildLivePage } from '../../scripts/page.mjs'

// `pnpm screenshots` creates the pictures of the live page in docs/screenshots. The clock of the page is
// simulated, so that the same five minutes pass in some seconds.

const PICTURES = join(import.meta.dirname, '../../docs/screenshots')
const WIDTHS = { wide: 1_000, narrow: 360 }
const HEIGHT = 760

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

async function takeAll(browser: Browser): Promise<void> {
  mkdirSync(PICTURES, { recursive: true })
  for (const [name, width] of Object.entries(WIDTHS)) {
    const dir = temporaryDir()
    seed(dir.path)
    const server = await startServer(dir.path, { OFFLINE_GRACE_MS: 0, RESTART_GRACE_MS: 3_600_000 })
    const page = await openPage(browser, server, width)
    await play(page, server)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      await pass(page, 1)
      const path = join(PICTURES, `${name}-${colorScheme}.png`)
      await page.screenshot({ path, fullPage: name === 'narrow', animations: 'disabled' })
      process.stdout.write(`${path}\n`)
    }
    await server.end('SIGTERM')
    dir.remove()
  }
}

async function openPage(browser: Browser, server: RunningServer, width: number): Promise<Page> {
  const viewport = { width, height: HEIGHT }
  const page = await browser.newPage({
    viewport,
    deviceScaleFactor: 1,
    locale: 'en-US',
    timezoneId: 'UTC',
    colorScheme: 'light',
  })
  openedAt = Date.now()
  passed = 0
  await page.clock.install({ time: OPENED_AT })
  await page.routeWebSocket('**/ws?*', socket => {
    const ours = socket.connectToServer()
    ours.onMessage(text => socket.send(String(text).replaceAll(/"\d{4}-\d\d-\d\dT[\d:.]+Z"/g, inPageTime)))
  })
  await page.goto(`${server.origin}/`)
  await until(page, () => page.locator('main[data-trust="live"]').isVisible())
  return page
}

/** Converts a time of the server to simulated time. */
function inPageTime(quoted: string): string {
  const at = Date.parse(quoted.slice(1, -1))
  const shifted = at < openedAt ? OPENED_AT + at - openedAt : OPENED_AT + passed * SECOND
  return at > openedAt + 3_600_000 ? quoted : `"${new Date(shifted).toISOString()}"`
}

/** Advances the simulated time, and waits for the messages of that time. */
async function pass(page: Page, seconds: number): Promise<void> {
  for (let n = 0; n < seconds; n++) {
    passed++
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
  await page.getByLabel('User id').fill('barbara')
  await page.getByLabel('Name').fill('Barbara Liskov')
  await page.getByRole('button', { name: 'Connect' }).click()
  await until(page, () => page.getByText('Connected as').isVisible())
  for (const [second, userId, username, status, text] of STORY) {
    await pass(page, second - passed)
    // Without mouse moves, the user would be idle after five minutes.
    await page.mouse.move(second % 300, second % 200)
    const client = clients.get(userId) ?? (await TestClient.v2(server, userId, { username }))
    clients.set(userId, client)
    if (status === 'offline') await client.leave()
    else if (status !== 'online') await client.ask({ type: 'set_status', status, text }, 'status_updated')
    await sleep(100)
  }
  await pass(page, LASTS_SECONDS - passed)
  await page.mouse.move(0, 0)
  await page.evaluate('scrollTo(0, 0)')
}

function seed(dir: string): void {
  const now = Date.now()
  const users = BEFORE.map(([userId, username, minutesAgo]) => {
    const lastSeen = new Date(now - minutesAgo * 60 * SECOND).toISOString()
    return [userId, { userId, username, status: minutesAgo === 0 ? 'online' : 'offline', lastSeen }]
  })
  mkdirSync(join(dir, 'data'), { mode: 0o700 })
  writeFileSync(join(dir, 'data', 'user_state.json'), JSON.stringify(Object.fromEntries(users)))
}

buildLivePage()
const browser = await startBrowser()
if (!browser) process.exit(1)
await takeAll(browser)
await browser.close()
process.exit(0)
