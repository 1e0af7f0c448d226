import { TestClient } from '@who-is-online/testing/client'
import { type RunningCluster, startCluster } from '@who-is-online/testing/start-cluster'
import { findEngines } from '@who-is-online/testing/start-redis'
import type { RunningServer } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import type { Page } from 'playwright-core'
import { afterEach, beforeEach, describe, expect } from 'vitest'
import { violations } from './axe.ts'
import { browserTest, newContext, openLivePage } from './stage.ts'

// The panel of the live page that shows the cluster, with two real nodes and a real Redis.

const [engine] = findEngines()
const single = useServer()
const TEST = { timeout: 120_000 }
/** Longer than the nodes need by far: a lost node is gone after about ten seconds. */
const PATIENCE = { timeout: 45_000, interval: 100 }

const panelOf = (page: Page) => page.getByRole('region', { name: 'Cluster' })

/** The name and the state of each node, and which one serves the page. Read at once, because rows come and go. */
function nodesOf(page: Page): Promise<string[]> {
  return page.evaluate<string[]>(`[...document.querySelectorAll('.cluster tbody tr')].map(row =>
    row.querySelector('bdi').textContent + (row.querySelector('mark') ? ' here' : '') + ': ' +
    row.querySelector('.sign').textContent)`)
}

const redisOf = async (page: Page) => (await panelOf(page).locator('.redis .sign').textContent()) ?? ''
const warningOf = (page: Page) => page.getByRole('region', { name: 'Warning' })

browserTest('the page of a server that is not a node has no such panel, and asks for nothing', async () => {
  const context = await newContext()
  const asked: string[] = []
  context.on('request', request => asked.push(new URL(request.url()).pathname))
  const page = await openLivePage(single, context)
  await expect.poll(() => asked).toContain('/api/v1/count/history')
  expect(await panelOf(page).count()).toBe(0)
  expect(asked).not.toContain('/api/v1/cluster')
  expect((await fetch(`${single.origin}/api/v1/cluster`)).status).toBe(404)
})

describe.skipIf(engine === undefined)('the page of a node', () => {
  let cluster: RunningCluster
  beforeEach(async () => {
    if (engine) cluster = await startCluster(engine, 2)
  }, 60_000)
  afterEach(() => cluster.stop())
  const node = (index: number) => cluster.nodes[index] as RunningServer

  browserTest(
    '[T9 E3] it shows all nodes, which of them serves it, whether that one answers, and no hidden user',
    TEST,
    async () => {
      const hidden = await TestClient.v2(node(1), 'hidden')
      await hidden.ask({ type: 'set_status', status: 'offline' }, 'status_updated')
      await TestClient.v2(node(1), 'always hidden', { status: 'offline' })
      await TestClient.as(node(1), 'ann')
      const page = await openLivePage(node(0))
      await expect.poll(() => nodesOf(page), PATIENCE).toEqual(['node-1 here: running', 'node-2: running'])
      const users = panelOf(page).locator('tr[data-node="node-2"] td').last()
      await expect.poll(() => users.textContent(), PATIENCE).toBe('1')
      await TestClient.as(node(1), 'bob')
      const numbers = new Set<string | null>()
      const number = async () => {
        const text = await users.textContent()
        numbers.add(text)
        return text
      }
      await expect.poll(number, PATIENCE).toBe('2')
      expect([...numbers].filter(text => text !== '1' && text !== '2')).toEqual([])
      expect(await redisOf(page)).toBe('answers')
      const other = await openLivePage(node(1))
      await expect.poll(() => nodesOf(other), PATIENCE).toEqual(['node-1: running', 'node-2 here: running'])
      await panelOf(other).getByText('as node-2 sees it').waitFor()

      const silence = panelOf(page).getByText(/^No answer since /)
      expect(await silence.count()).toBe(0)
      await page.route('**/api/v1/cluster', route => route.abort())
      await silence.waitFor()
      await page.unroute('**/api/v1/cluster')
      await expect.poll(() => silence.count(), PATIENCE).toBe(0)
    },
  )

  browserTest('[T9] a node that is killed is silent, and then gone', TEST, async () => {
    const page = await openLivePage(node(0))
    await expect.poll(() => nodesOf(page), PATIENCE).toEqual(['node-1 here: running', 'node-2: running'])
    await node(1).end('SIGKILL')
    await expect.poll(() => nodesOf(page), PATIENCE).toEqual(['node-1 here: running', 'node-2: silent'])
    await expect.poll(() => nodesOf(page), PATIENCE).toEqual(['node-1 here: running'])
    const lost = panelOf(page).locator('.figures > div', { hasText: 'Nodes lost' }).locator('dd')
    await expect.poll(() => lost.textContent(), PATIENCE).toBe('1')
    expect(node(0).output()).toMatch(/a node is lost: .*node-2/)
  })

  browserTest('[T9] a node that stops says so, and does not count as lost', TEST, async () => {
    const page = await openLivePage(node(0))
    await expect.poll(() => nodesOf(page), PATIENCE).toEqual(['node-1 here: running', 'node-2: running'])
    await node(1).end('SIGTERM')
    await expect.poll(() => nodesOf(page), PATIENCE).toEqual(['node-1 here: running', 'node-2: stopping'])
    await expect.poll(() => nodesOf(page), PATIENCE).toEqual(['node-1 here: running'])
    expect(await panelOf(page).locator('.figures').textContent()).toContain('Nodes lost0')
    expect(node(0).output()).toMatch(/a node has left the cluster.*node-2/)
    expect(node(0).output()).not.toContain('a node is lost')
    const metrics = await (await fetch(`${node(0).origin}/metrics`)).text()
    expect(metrics).toMatch(/^wio_cluster_nodes_lost_total 0$/m)
    expect(metrics).toMatch(/^wio_cluster_nodes 1$/m)
  })

  browserTest('[T9] while Redis does not answer, the page says so, and recovers', TEST, async () => {
    const page = await openLivePage(node(0))
    await expect.poll(() => redisOf(page), PATIENCE).toBe('answers')
    expect(await warningOf(page).count()).toBe(0)
    cluster.redis.pause()
    await expect.poll(() => redisOf(page), PATIENCE).toMatch(/^has not answered for \d+ s$/)
    expect(await warningOf(page).textContent()).toMatch(/^Redis does not answer\./)
    expect(await nodesOf(page)).toEqual(['node-1 here: running', 'node-2: unknown'])
    const { awayMs } = (await (await fetch(`${node(0).origin}/api/v1/cluster`)).json()) as { awayMs: number }
    expect(awayMs).toBeGreaterThan(0)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      expect(await violations(page)).toEqual([])
    }
    cluster.redis.resume()
    await expect.poll(() => redisOf(page), PATIENCE).toBe('answers')
    expect(await warningOf(page).count()).toBe(0)
    await expect.poll(() => nodesOf(page), PATIENCE).toEqual(['node-1 here: running', 'node-2: running'])
  })

  browserTest(
    '[T9] nothing is cut off at any width, axe finds nothing, and the panel of a user covers it',
    TEST,
    async () => {
      await TestClient.as(node(0), 'ann')
      for (const width of [1_000, 360]) {
        for (const colorScheme of ['light', 'dark'] as const) {
          const context = await newContext({ colorScheme, viewport: { width, height: 800 } })
          const page = await openLivePage(node(0), context)
          await expect.poll(() => nodesOf(page), PATIENCE).toHaveLength(2)
          expect(await violations(page)).toEqual([])
          expect(await page.evaluate('document.documentElement.scrollWidth')).toBeLessThanOrEqual(width)
          // A name is as wide as its text.
          const isCut = `[...document.querySelectorAll('.node bdi')].some(name => name.scrollWidth > name.clientWidth)`
          expect(await page.evaluate(isCut)).toBe(false)
          await page.locator('[data-user="ann"]').click()
          await page.getByRole('complementary', { name: 'User' }).waitFor()
          await expect.poll(() => panelOf(page).isVisible()).toBe(false)
          await page.getByRole('button', { name: 'Close the panel' }).click()
          await panelOf(page).waitFor()
        }
      }
    },
  )
})
