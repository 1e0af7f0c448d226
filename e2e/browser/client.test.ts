import { sleep, TestClient } from '@who-is-online/testing/client'
import { type RunningServer, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import type { BrowserContext, Page } from 'playwright-core'
import { expect } from 'vitest'
import { isOpen, useApplication } from './application.ts'
import { browserTest, newContext } from './stage.ts'

// The SDK in the pages of an application: features that the live page does not use, and behaviour that needs
// a browser.

const GRACE_MS = 700
const application = useApplication()
const server = useServer({ OFFLINE_GRACE_MS: GRACE_MS })

function openApplication(
  context: BrowserContext,
  userId: string,
  { url }: Pick<RunningServer, 'url'> = server,
): Promise<Page> {
  return application.open(context, { url, userId })
}

browserTest('a page receives only the users it is subscribed to', async () => {
  const page = await openApplication(await newContext(), 'reader')
  const told = () => page.evaluate<string[]>('told.splice(0)')
  await page.evaluate(`
    window.told = []
    client.onChange(users => told.push(...users.map(user => user.userId + ' ' + user.status)))
    window.end = client.subscribe(['ann', 'bob'])
    window.atFirst = [String(client.get('ann')), client.freshness]
  `)
  expect(await page.evaluate('atFirst')).toEqual(['undefined', 'stale'])
  await page.waitForFunction('client.freshness === "live"')
  expect(await told()).toEqual(['ann offline', 'bob offline'])

  const other = await TestClient.as(server, 'other')
  const ann = await TestClient.as(server, 'ann')
  await page.waitForFunction('client.get("ann").status === "online"')
  await ann.leave()
  await page.waitForFunction('client.get("ann").status === "offline"')
  expect(await told()).toEqual(['ann online', 'ann offline'])

  await page.evaluate('end()')
  await sleep(500)
  const bob = await TestClient.as(server, 'bob')
  await sleep(300)
  expect(await told()).toEqual([])
  expect(await page.evaluate('client.users().length')).toBe(0)
  await other.leave()
  await bob.leave()
})

browserTest('others see the status and text that a page sets', async () => {
  const page = await openApplication(await newContext(), 'writer')
  const witness = await TestClient.v2(server, 'witness')
  await witness.ask({ type: 'subscribe', userIds: ['writer'] }, 'presence_state')
  const status = await page.evaluate('client.setStatus("busy", { text: "in a call" })')
  expect(status).toMatchObject({ status: 'busy', text: 'in a call' })
  expect(await witness.next('presence_diff')).toMatchObject({
    users: [{ userId: 'writer', status: 'busy', text: 'in a call' }],
  })
  const refused = await page.evaluate(
    'client.setStatus("asleep").catch(error => error.name + " " + error.code)',
  )
  expect(refused).toBe('PresenceError bad_message')
  await page.evaluate('client.close()')
  expect(await witness.next('presence_diff')).toMatchObject({
    users: [{ userId: 'writer', status: 'offline' }],
  })
  await witness.leave()
})

browserTest('a tab keeps its session over a reload, a duplicated tab gets another one', async () => {
  const urls: string[] = []
  const context = await newContext()
  context.on('page', page => page.on('websocket', socket => urls.push(socket.url())))
  const sessions = () => urls.map(url => new URL(url).searchParams.get('sessionId'))
  const witness = await TestClient.as(server, 'witness')
  const tab = await openApplication(context, 'tabby')
  await tab.reload()
  await isOpen(tab)
  expect(new Set(sessions()).size).toBe(1)

  // A window opened by a page gets a copy of its session storage, like a duplicated tab.
  const [copy] = await Promise.all([
    context.waitForEvent('page'),
    tab.evaluate('void window.open(location.href)'),
  ])
  await isOpen(copy)
  await sleep(GRACE_MS + 500)
  expect(sessions()).toHaveLength(3)
  expect(new Set(sessions()).size).toBe(2)
  for (const page of [tab, copy]) await isOpen(page)
  await copy.close()
  await sleep(GRACE_MS + 500)
  expect(witness.texts.filter(text => text.includes('tabby')).map(text => JSON.parse(text).status)).toEqual([
    'online',
  ])
  await witness.leave()
})

browserTest(
  'after a restart of the server, the page reconnects and keeps its subscriptions',
  { timeout: 30_000 },
  async () => {
    const own = temporaryDir()
    const before = await startServer(own.path)
    const page = await openApplication(await newContext(), 'stayer', before)
    await TestClient.as(before, 'other')
    await page.evaluate(`
    window.told = []
    client.subscribe(['other', 'stayer'])
    client.onChange(users => told.push(...users.map(user => [user.userId, user.status, user.freshness].join(' '))))
  `)
    await page.waitForFunction('client.freshness === "live" && client.users().length === 2')
    await page.evaluate('told.length = 0')
    await before.end('SIGTERM')
    await page.waitForFunction('client.freshness === "stale"')
    const after = await startServer(own.path, { PORT: before.port })
    await page.waitForFunction('client.freshness === "live"')
    expect((await page.evaluate<string[]>('told')).toSorted()).toEqual([
      'other online live',
      'other online stale',
      'stayer online live',
      'stayer online stale',
    ])
    await after.end('SIGTERM')
    own.remove()
  },
)
