import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { startBrowser } from '@who-is-online/testing/start-browser'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import type { Page } from 'playwright-core'
import { setup as buildLivePage } from '../../scripts/page.mjs'

// `pnpm measure:page` prints how fast the live page is with 10,000 users while 100 of them change each second: the
// time between two frames while the list is scrolled, and the time from a key in the search to the frame that shows
// the result. The figures are of this machine, with the server, the users and the browser on it.

const USERS = 10_000
const CHANGES_PER_SECOND = 100
const CONNECTED = 200
const WORDS = ['user 77', 'user-12', '999', 'nobody', 'u']

/** Scrolls the list through once and back, and returns the times between frames, in ms. */
const SCROLL = `new Promise(resolve => {
  const list = document.getElementById('list')
  const frames = []
  let last = performance.now()
  const begin = last
  const step = now => {
    frames.push(now - last)
    last = now
    const passed = (now - begin) / 8_000
    if (passed >= 1) return resolve(frames.slice(1))
    list.scrollTop = (passed < 0.5 ? 2 * passed : 2 - 2 * passed) * list.scrollHeight
    requestAnimationFrame(step)
  }
  requestAnimationFrame(step)
})`

/** Types words letter by letter, and returns the time of each letter until its frame was drawn, in ms. */
const TYPE = `(async words => {
  const field = document.getElementById('search')
  const times = []
  const drawn = () => new Promise(resolve => requestAnimationFrame(() => setTimeout(resolve)))
  for (const word of words) for (let length = 1; length <= word.length; length++) {
    await new Promise(resolve => setTimeout(resolve, 120))
    const begin = performance.now()
    field.value = word.slice(0, length)
    field.dispatchEvent(new Event('input', { bubbles: true }))
    await drawn()
    times.push(performance.now() - begin)
  }
  field.value = ''
  field.dispatchEvent(new Event('input', { bubbles: true }))
  return times
})(${JSON.stringify(WORDS)})`

function seed(dir: string): void {
  const lastSeen = new Date().toISOString()
  const users = Array.from({ length: USERS }, (_, n) => {
    const status = n % 3 === 0 && n >= CONNECTED ? 'offline' : 'online'
    return [`user-${n}`, { userId: `user-${n}`, username: `User ${n}`, status, lastSeen }]
  })
  mkdirSync(join(dir, 'data'), { mode: 0o700 })
  writeFileSync(join(dir, 'data', 'user_state.json'), JSON.stringify(Object.fromEntries(users)))
}

function quantile(values: readonly number[], part: number): string {
  const sorted = [...values].sort((a, b) => a - b)
  return (sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))] ?? 0).toFixed(1)
}

async function measure(page: Page, name: string): Promise<void> {
  const frames = await page.evaluate<number[]>(SCROLL)
  const keys = await page.evaluate<number[]>(TYPE)
  for (const [what, values] of [
    ['scroll, ms between frames', frames],
    ['search, ms from a key to its frame', keys],
  ] as const) {
    const figures = `median ${quantile(values, 0.5)}, p95 ${quantile(values, 0.95)}, max ${quantile(values, 1)}`
    process.stdout.write(`${name}: ${what}: ${figures} (${values.length})\n`)
  }
}

buildLivePage()
const browser = await startBrowser()
if (!browser) process.exit(1)
const dir = temporaryDir()
seed(dir.path)
const server = await startServer(dir.path, { LIMITS: 'off', RESTART_GRACE_MS: 3_600_000 })
const page = await browser.newPage({ locale: 'en-US', viewport: { width: 1_280, height: 760 } })
await page.goto(`${server.origin}/`)
await page.locator('main[data-trust="live"]').waitFor()
await measure(page, 'without changes')

const clients: TestClient[] = []
for (let n = 0; n < CONNECTED; n++) clients.push(await TestClient.v2(server, `user-${n}`))
let sent = 0
let isOver = false
const begin = performance.now()
const changing = (async () => {
  while (!isOver) {
    await sleep(20)
    const due = ((performance.now() - begin) / 1_000) * CHANGES_PER_SECOND
    for (; sent < due; sent++) {
      // Each user goes from busy to away and back, so that each message is a change.
      const status = Math.floor(sent / CONNECTED) % 2 === 0 ? 'busy' : 'away'
      clients[sent % CONNECTED]?.send({ type: 'set_status', status })
    }
  }
})()
await measure(page, `${CHANGES_PER_SECOND} changes/s`)
isOver = true
await changing
const seconds = (performance.now() - begin) / 1_000
process.stdout.write(
  `${(sent / seconds).toFixed(0)} changes/s were sent to ${USERS} users for ${seconds.toFixed(0)} s\n`,
)
await browser.close()
await server.end('SIGTERM')
dir.remove()
process.exit(0)
