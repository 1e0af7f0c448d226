import { TestClient } from '@who-is-online/testing/client'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import { beforeAll, describe, expect } from 'vitest'
import { violations } from './axe.ts'
import { browserTest, connectAs, lineOf, newContext, openLivePage, shown } from './stage.ts'

// Checks the rendered live page with axe: colours, names, roles and order.

const clients: TestClient[] = []
const server = useServer()
const empty = useServer()
beforeAll(async () => {
  for (const status of ['online', 'away', 'busy', 'offline']) {
    const client = await TestClient.v2(server, `is-${status}`, { username: `Is ${status}` })
    await client.ask({ type: 'set_status', status, text: 'a text' }, 'status_updated')
    clients.push(client)
  }
})

describe.each(['light', 'dark'] as const)('%s', colorScheme => {
  browserTest.each([1_000, 360])('axe finds nothing at a width of %i', { timeout: 30_000 }, async width => {
    const context = await newContext({ colorScheme, viewport: { width, height: 800 } })
    const nobody = await openLivePage(empty, context)
    expect(await violations(nobody)).toEqual([])

    const page = await openLivePage(server, context)
    const left = await TestClient.as(server, 'comes and goes')
    await left.leave()
    await shown(page, ({ users }) => users['comes and goes'] === 'offline')
    expect(await violations(page)).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)

    await lineOf(page, 'is-busy').click()
    await page.getByRole('complementary', { name: 'User' }).getByText('a text', { exact: true }).waitFor()
    expect(await violations(page)).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)

    const part = page.getByRole('region', { name: 'Explain and change' })
    await part.getByRole('button', { name: 'Why this status?' }).click()
    await part.getByRole('list', { name: 'Sessions' }).waitFor()
    expect(await violations(page)).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
    await part.getByRole('button', { name: 'Set status…' }).click()
    await page.getByRole('dialog', { name: 'Set the status' }).waitFor()
    expect(await violations(page)).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
    await page.keyboard.press('Escape')
    await page.getByRole('button', { name: 'Close the panel' }).click()

    await connectAs(page, 'me', 'Myself')
    await page.getByText('Connected as').waitFor()
    await shown(page, ({ users }) => users['me'] === 'online')
    expect(await violations(page)).toEqual([])
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
  })
})

browserTest('axe finds nothing while the connection is lost', async () => {
  const own = temporaryDir()
  const stopping = await startServer(own.path)
  await TestClient.as(stopping, 'ann')
  const page = await openLivePage(stopping)
  await shown(page, ({ users }) => users['ann'] === 'online')
  await stopping.end('SIGTERM')
  await page.locator('main[data-trust="stale"]').waitFor()
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    expect(await violations(page)).toEqual([])
  }
  own.remove()
})

browserTest('control: axe finds the violations of a bad page', async () => {
  const page = await (await newContext()).newPage()
  await page.setContent('<p style="color: #ccc">hardly to be read</p><input>')
  expect((await violations(page)).map(line => line.split(':')[0])).toEqual(
    expect.arrayContaining(['color-contrast', 'label']),
  )
})
