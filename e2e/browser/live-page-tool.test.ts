import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { TestClient } from '@who-is-online/testing/client'
import { useServer } from '@who-is-online/testing/use-server'
import type { Page } from 'playwright-core'
import { beforeAll, expect } from 'vitest'
import { WebSocket } from 'ws'
import { browserTest, lineOf, newContext, openLivePage, shown } from './stage.ts'

// The live page as a tool: search, keyboard, panel, address, title, chart, and what it says behind a bad proxy.

const server = useServer()
const NAMES = { u1: 'Ann Arbor', u2: 'Anna Berg', u3: 'Bob' } as const
const clients = new Map<string, TestClient>()
const crowded = useServer()
beforeAll(async () => {
  for (let n = 1; n <= 20; n++) await TestClient.v2(crowded, `c-${n}`)
  for (const [userId, username] of Object.entries(NAMES)) {
    clients.set(userId, await TestClient.v2(server, userId, { username }))
  }
  await clients.get('u2')?.ask({ type: 'set_status', status: 'busy', text: 'in a call' }, 'status_updated')
})

const panel = (page: Page) => page.getByRole('complementary', { name: 'User' })
const focused = (page: Page) => page.evaluate<string>('document.activeElement.id')
const query = (page: Page) => page.evaluate<string>('location.search')

browserTest('the keyboard alone finds a user, opens the panel and leaves it', async () => {
  const page = await openLivePage(server)
  await page.keyboard.press('/')
  expect(await focused(page)).toBe('search')
  await page.keyboard.type('ann')
  await page.getByText('2 of 3 match').waitFor()
  await page.keyboard.press('ArrowDown')
  expect(await focused(page)).toBe('list')
  await page.keyboard.press('ArrowDown')
  await page.keyboard.press('Enter')
  await panel(page).getByRole('heading', { name: 'Anna Berg' }).waitFor()
  await page.keyboard.press('ArrowUp')
  await panel(page).getByRole('heading', { name: 'Ann Arbor' }).waitFor()
  await expect.poll(() => query(page)).toBe('?q=ann&user=u1')
  await page.keyboard.press('Escape')
  expect(await panel(page).count()).toBe(0)
  expect(await focused(page)).toBe('list')
  await expect.poll(() => query(page)).toBe('?q=ann')
})

browserTest('a link shows the same list and the same user', async () => {
  const context = await newContext({ viewport: { width: 1_280, height: 760 } })
  const page = await context.newPage()
  await page.goto(`${server.origin}/?q=b&status=busy&sort=-name&user=u3`)
  await panel(page).getByRole('heading', { name: 'Bob' }).waitFor()
  expect(await page.getByRole('searchbox').inputValue()).toBe('b')
  expect(await page.locator('[data-user]').count()).toBe(1)
  expect(await lineOf(page, 'u2').count()).toBe(1)
  expect(await page.getByRole('columnheader', { name: 'User' }).getAttribute('aria-sort')).toBe('descending')
})

browserTest('opening the panel moves nothing in the list, at 1,280 pixels', async () => {
  const context = await newContext({ viewport: { width: 1_280, height: 760 } })
  const page = await openLivePage(server, context)
  await lineOf(page, 'u2').waitFor()
  const before = await lineOf(page, 'u2').boundingBox()
  await lineOf(page, 'u2').click()
  await panel(page).getByText('in a call', { exact: true }).waitFor()
  expect(await lineOf(page, 'u2').boundingBox()).toEqual(before)
  // The panel covers the changes, and leaves the number of users visible.
  const chart = await page.getByRole('region', { name: 'Online over time' }).boundingBox()
  const box = await panel(page).boundingBox()
  expect(chart && box && chart.y + chart.height).toBeLessThan(box?.y ?? 0)
  expect(await page.locator('.including').isVisible()).toBe(true)
})

browserTest('the list ends with a whole row', async () => {
  const context = await newContext({ viewport: { width: 1_280, height: 543 } })
  const full = await openLivePage(crowded, context)
  await lineOf(full, 'c-1').waitFor()
  const rows = await full.evaluate<number>(
    `(list => (list.clientHeight - list.querySelector('.heads').offsetHeight) / list.querySelector('.row').offsetHeight)(document.getElementById('list'))`,
  )
  expect(rows).toBeGreaterThan(5)
  expect(rows).toBeCloseTo(Math.round(rows), 1)
})

browserTest('at 360 pixels the list is a part of the page, and a lost connection moves it down', async () => {
  const context = await newContext({ viewport: { width: 360, height: 760 } })
  const page = await openLivePage(crowded, context)
  await lineOf(page, 'c-1').waitFor()
  const isScroller = `(list => list.scrollHeight > list.clientHeight)(document.getElementById('list'))`
  expect(await page.evaluate<boolean>(isScroller)).toBe(false)
  expect(await page.locator('[data-user]').count()).toBe(20)
  const chart = page.getByRole('region', { name: 'Online over time' })
  const before = (await chart.boundingBox())?.y ?? 0
  await page.evaluate(`document.querySelector('.trust').dataset.trust = 'stale'`)
  const note = await page.getByRole('status').boundingBox()
  const after = (await chart.boundingBox())?.y ?? 0
  expect(after).toBeGreaterThan(before)
  expect((note?.y ?? 0) + (note?.height ?? 0)).toBeLessThanOrEqual(after)
})

browserTest('the chart shows an hour if that is chosen, and the address has the choice', async () => {
  const page = await openLivePage(server)
  await page.getByRole('button', { name: '1 h', exact: true }).click()
  await page.getByText('1 h peak').waitFor()
  await expect.poll(() => query(page)).toBe('?chart=1h')
  await page.reload()
  await page.getByText('1 h peak').waitFor()
})

browserTest('the id of a row is copied', async () => {
  const context = await newContext({ permissions: ['clipboard-read', 'clipboard-write'] })
  const page = await openLivePage(server, context)
  await lineOf(page, 'u1').hover()
  await lineOf(page, 'u1').getByRole('button', { name: 'Copy the id' }).click()
  await page.locator('[data-user="u1"][data-copied="true"]').waitFor()
  expect(await page.evaluate('navigator.clipboard.readText()')).toBe('u1')
  expect(await panel(page).count()).toBe(0)
})

browserTest('the title has the number of users online', async () => {
  const page = await openLivePage(server)
  await expect.poll(() => page.title()).toBe('3 online · Who Is Online')
})

browserTest('[T8] the chart has the numbers of the server from before the page was opened', async () => {
  const context = await newContext()
  await context.route('**/api/v1/count/history', route =>
    route.fulfill({ json: { stepMs: 60_000, until: Date.now(), online: [4, 70, 5] } }),
  )
  const page = await openLivePage(server, context)
  await page.getByRole('img', { name: 'Users online in the last 24 hours: between 3 and 70.' }).waitFor()
})

browserTest('[T2] the console line of the development page works unchanged', async () => {
  const page = await openLivePage(server)
  await page.getByRole('button', { name: 'Connect as…' }).click()
  const line = (await page.locator('code', { hasText: 'ws = new WebSocket' }).textContent()) ?? ''
  const heard: string[] = []
  const socket = new Function('WebSocket', 'location', 'console', `let ws; ${line}; return ws`)(
    WebSocket,
    { origin: server.origin },
    { log: (text: string) => heard.push(text) },
  ) as WebSocket
  await new Promise(resolve => socket.once('message', resolve))
  expect(heard).toEqual(['{"type":"welcome","userId":"ann","message":"Connected to server"}'])
  socket.close()
})

browserTest(
  'behind a proxy that does not forward the WebSocket, the page says what the proxy must do',
  async () => {
    // Forwards plain HTTP, and hop-by-hop headers not at all: what a proxy does unless it is told otherwise.
    const proxy = createServer((incoming, answer) => {
      const { connection: _hop, upgrade: _alsoHop, ...headers } = incoming.headers
      const forwarded = request(
        { port: server.port, host: '127.0.0.1', path: incoming.url, headers },
        response => {
          answer.writeHead(response.statusCode ?? 500, response.headers)
          response.pipe(answer)
        },
      )
      incoming.pipe(forwarded)
    })
    await new Promise<void>(resolve => proxy.listen(0, '127.0.0.1', resolve))
    const page = await (await newContext()).newPage()
    await page.goto(`http://127.0.0.1:${(proxy.address() as AddressInfo).port}/`)
    const note = page.getByRole('status')
    await expect
      .poll(() => note.textContent(), { timeout: 10_000 })
      .toBe(
        'The server answers HTTP, but the WebSocket to /ws was refused. A proxy must forward the headers Upgrade and Connection. Without a proxy, the log of the server has the reason.',
      )
    expect(await page.locator('.chips b').first().textContent()).toBe('–')
    expect(await page.title()).toBe('Who Is Online')
    await page.close()
    proxy.closeAllConnections()
    proxy.close()
  },
)

browserTest('a change is one line in words, and opens the panel of its user', async () => {
  const page = await openLivePage(server)
  await shown(page, ({ users }) => users['u3'] === 'online')
  await clients.get('u3')?.ask({ type: 'set_status', status: 'away', text: 'at lunch' }, 'status_updated')
  const line = page.getByRole('list', { name: 'Changes, newest first' }).getByRole('listitem').first()
  await expect.poll(() => line.textContent()).toBe('Bob is away: at lunchnow')
  await line.getByRole('button', { name: 'Bob' }).click()
  await panel(page).getByText('is away: at lunch').waitFor()
})
