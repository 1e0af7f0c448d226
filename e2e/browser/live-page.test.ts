import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import { expect } from 'vitest'
import {
  browserTest,
  connectAs,
  diary,
  lastActionAt,
  lineOf,
  newContext,
  openLivePage,
  shown,
  styleOf,
} from './stage.ts'

// The live page in a real browser, against a real server.

const LIST = '[aria-label="List of users"]'
const NAMES = { ann: 'Ann Arbor', bob: 'Bob' } as const
const GRACE_MS = 700
const server = useServer({ OFFLINE_GRACE_MS: GRACE_MS })

browserTest('two tabs that connect as two users see each other within a second', async () => {
  const context = await newContext()
  const [one, two] = [await openLivePage(server, context), await openLivePage(server, context)]
  for (const [page, other, userId] of [
    [one, two, 'ann'],
    [two, one, 'bob'],
  ] as const) {
    await connectAs(page, userId, NAMES[userId])
    const entry = await shown(other, ({ users }) => users[userId] === 'online')
    expect(entry.at - (await lastActionAt(page))).toBeLessThan(1_000)
    await lineOf(other, userId).getByText(NAMES[userId], { exact: true }).waitFor()
  }
  expect(await lineOf(one, 'ann').getByText('you').count()).toBe(1)
  expect(await lineOf(one, 'bob').getByText('you').count()).toBe(0)

  await two.locator('select[name="status"]').selectOption('busy')
  const busy = await shown(one, ({ users }) => users['bob'] === 'busy')
  expect(busy.at - (await lastActionAt(two))).toBeLessThan(1_000)

  await two.getByRole('button', { name: 'Leave' }).click()
  const gone = await shown(one, ({ users }) => users['bob'] === 'offline')
  expect(gone.at - (await lastActionAt(two))).toBeLessThan(1_000)
  await one.getByRole('list', { name: 'Changes, newest first' }).getByText('went offline').waitFor()
})

browserTest('[R2] a closed tab is shown after the grace, a reloaded one causes no change', async () => {
  const onlooker = await openLivePage(server)
  const tab = await openLivePage(server)
  await connectAs(tab, 'carl')
  await shown(onlooker, ({ users }) => users['carl'] === 'online')

  await tab.reload()
  await tab.getByRole('button', { name: 'You are carl' }).waitFor()
  await sleep(GRACE_MS + 500)
  const words = (await diary(onlooker)).flatMap(({ users }) => users['carl'] ?? [])
  expect(new Set(words)).toEqual(new Set(['online']))

  const closedAt = Date.now()
  await tab.close()
  const { at } = await shown(onlooker, ({ users }) => users['carl'] === 'offline')
  expect(at - closedAt).toBeGreaterThanOrEqual(GRACE_MS - 100)
  expect(at - closedAt).toBeLessThan(GRACE_MS + 1_000)
})

browserTest('an observer is not a user', async () => {
  const witness = await TestClient.v2(server, 'witness')
  await witness.ask({ type: 'subscribe', all: true }, 'presence_state')
  const page = await openLivePage(server)
  await page.close()
  const { count } = await witness.ask({ type: 'get_online_count' }, 'online_count')
  expect(count).toBe(1)
  await sleep(GRACE_MS + 300)
  expect(witness.texts.filter(text => text.includes('presence_diff'))).toEqual([])
  await witness.leave()
})

browserTest(
  '[R3] a restart of the server greys the list, and users who come back do not flicker',
  { timeout: 40_000 },
  async () => {
    const own = temporaryDir()
    const settings = { RESTART_GRACE_MS: 8_000 }
    const before = await startServer(own.path, settings)
    const pages = [await openLivePage(before), await openLivePage(before)] as const
    await connectAs(pages[0], 'ann')
    await connectAs(pages[1], 'bob')
    // A user who will not come back: the diary must record it.
    await TestClient.as(before, 'eve')
    for (const page of pages) {
      await shown(page, ({ users }) => ['ann', 'bob', 'eve'].every(id => users[id] === 'online'))
    }
    const begun = Date.now()
    expect(await before.end('SIGTERM')).toBe(0)
    for (const page of pages) {
      await shown(page, ({ trust }) => trust === 'stale', begun)
      expect(await page.getByRole('status').textContent()).toMatch(
        /^Disconnected \d+ s ago\. The numbers are from \d\d:\d\d:\d\d [AP]M\. Trying again…$/,
      )
      // All data is muted, and keeps its surface. Only its shape and its weight tell users apart.
      const muted = await styleOf(page, '.foot', 'color')
      for (const part of ['[data-user="ann"] b', '.chips b', '.changes .link', '.total', '.readout b']) {
        expect([part, await styleOf(page, part, 'color')]).toEqual([part, muted])
      }
      expect(await styleOf(page, '[data-user="ann"] .dot', 'borderTopColor')).toBe(muted)
      expect(await styleOf(page, LIST, 'filter')).toBe('none')
      expect(await page.getByRole('button', { name: 'Pause' }).isDisabled()).toBe(true)
      expect(await styleOf(page, '[data-user="ann"] .word', 'content', '::before')).toBe('"was "')
    }
    const after = await startServer(own.path, { ...settings, PORT: before.port })
    for (const page of pages) {
      await shown(page, ({ trust, users }) => trust === 'live' && users['eve'] === 'offline', begun)
      const entries = (await diary(page)).filter(({ at }) => at >= begun)
      const trusts = entries.map(({ trust }) => trust).filter((trust, n, all) => trust !== all[n - 1])
      expect(trusts).toEqual(['stale', 'live'])
      for (const { users } of entries) expect(users).toMatchObject({ ann: 'online', bob: 'online' })
      const eve = entries.map(({ users }) => users['eve'])
      expect(eve.filter((word, n) => word !== eve[n - 1])).toEqual(['online', 'offline'])
      await page.getByText(/^Connected as/).waitFor()
    }
    await after.end('SIGTERM')
    own.remove()
  },
)

browserTest(
  'a hidden tab receives nothing, and everything at once when it is visible again',
  { timeout: 30_000 },
  async () => {
    const context = await newContext()
    const texts: string[] = []
    context.on('page', page => {
      page.on('websocket', socket => socket.on('framereceived', ({ payload }) => texts.push(String(payload))))
    })
    const page = await openLivePage(server, context)
    const turn = (state: string) =>
      page.evaluate(`
      Object.defineProperty(document, 'visibilityState', { configurable: true, value: '${state}' })
      document.dispatchEvent(new Event('visibilitychange'))
    `)
    const diffs = () =>
      texts
        .splice(0)
        .filter(text => text.includes('"presence_diff"'))
        .map(text => JSON.parse(text))
    const flapping = await Promise.all(['f1', 'f2', 'f3'].map(id => TestClient.v2(server, id)))
    await shown(page, ({ users }) => users['f3'] === 'online')
    expect(diffs()).not.toEqual([])
    await turn('hidden')
    await sleep(5_500)
    diffs()
    for (const status of ['busy', 'away', 'online', 'busy']) {
      for (const client of flapping) await client.ask({ type: 'set_status', status }, 'status_updated')
      await sleep(100)
    }
    expect(diffs()).toEqual([])
    expect(await lineOf(page, 'f1').locator('.word').textContent()).toBe('online')
    await turn('visible')
    await shown(page, ({ users }) => ['f1', 'f2', 'f3'].every(id => users[id] === 'busy'))
    await sleep(300)
    const [merged, ...others] = diffs()
    expect(others).toEqual([])
    const told = merged.users.filter(({ userId }: { userId: string }) => userId.startsWith('f'))
    expect(told.map(({ userId, status }: Record<string, string>) => [userId, status])).toEqual([
      ['f1', 'busy'],
      ['f2', 'busy'],
      ['f3', 'busy'],
    ])
    const seen = (await diary(page)).map(({ users }) => users['f1'])
    expect(seen).not.toContain('away')
    for (const client of flapping) await client.leave()
  },
)

browserTest('the page works in a browser without a locale, as in many containers', async () => {
  const context = await newContext()
  const language = "{ get: () => 'en-US@posix', configurable: true }"
  await context.addInitScript(`Object.defineProperty(Navigator.prototype, 'language', ${language})`)
  // Such a language makes uPlot throw while it is loaded.
  await context.addInitScript(
    'try { Intl.NumberFormat(navigator.language) } catch { window.isRefused = true }',
  )
  const page = await openLivePage(server, context)
  expect(await page.evaluate('[isRefused, navigator.language]')).toEqual([true, 'en-US'])
})

browserTest('of ten thousand users only the visible ones are in the DOM', { timeout: 40_000 }, async () => {
  const own = temporaryDir()
  const users = 10_000
  seed(own.path, users)
  const fullServer = await startServer(own.path, { RESTART_GRACE_MS: 3_600_000 })
  const page = await openLivePage(fullServer)
  const lines = page.locator('[data-user]')
  await page.getByRole('heading', { name: '10,000 online' }).waitFor()
  const viewport = page.locator(LIST)
  const box = await viewport.boundingBox()
  if (!box) throw new Error('the list is not visible')
  await page.mouse.move(box.x + 50, box.y + 50)
  for (let n = 0; n < 20; n++) await page.mouse.wheel(0, 700)
  const patience = { timeout: 10_000 }
  await expect.poll(() => page.evaluate(`document.querySelector('${LIST}').scrollTop`), patience).toBe(14_000)
  // The headings are the first row.
  const place = async (line: number) => Number(await lines.nth(line).getAttribute('aria-rowindex')) - 1
  for (const part of [0.25, 0.9, 0.5, 1, 0]) {
    await page.evaluate(
      `{ const list = document.querySelector('${LIST}'); list.scrollTop = ${part} * list.scrollHeight }`,
    )
    const top = part * users
    await expect
      .poll(async () => {
        const [first, last] = [await place(0), await place(-1)]
        return first <= Math.min(top + 1, users) && last >= Math.min(top + 10, users)
      }, patience)
      .toBe(true)
    expect(await viewport.getAttribute('aria-rowcount')).toBe('10001')
  }
  await page.getByRole('searchbox').fill('user 7777')
  await page.getByText('1 of 10,000 match').waitFor()
  expect(await lines.count()).toBe(1)
  await page.getByRole('searchbox').fill('')
  const most = Math.max(...(await diary(page)).map(({ rows }) => rows))
  const visible = box.height / 38
  expect(most).toBeGreaterThan(visible)
  expect(most).toBeLessThan(3 * visible + 20)
  await fullServer.end('SIGTERM')
  own.remove()
})

/** Writes a state file with this many users who were online when the server stopped. */
function seed(dir: string, count: number): void {
  const lastSeen = new Date().toISOString()
  const users = Array.from({ length: count }, (_, n) => {
    return { userId: `user-${n}`, username: `User ${n}`, status: 'online', lastSeen }
  })
  mkdirSync(join(dir, 'data'), { mode: 0o700 })
  const state = Object.fromEntries(users.map(user => [user.userId, user]))
  writeFileSync(join(dir, 'data', 'user_state.json'), JSON.stringify(state))
}
