import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { until } from '@who-is-online/testing/shell-server'
import { type RunningCluster, startCluster } from '@who-is-online/testing/start-cluster'
import type { RunningServer } from '@who-is-online/testing/start-server'
import { afterEach, expect, test } from 'vitest'
import { pause } from './cluster/crowd-of.ts'

// Leased sessions of nodes that die, stop and restart.

const TIMEOUT_MS = 120_000

interface Change {
  readonly userId: string
  readonly status: string
  readonly cause: string
}

interface Page {
  readonly epoch: string
  readonly seq: number
  readonly recovered: boolean
  readonly changes: readonly Change[]
}

describeOnEngines('leased sessions of several nodes', engine => {
  let cluster: RunningCluster

  async function start(restartGraceMs: number): Promise<void> {
    cluster = await startCluster(engine, 3, { settings: { RESTART_GRACE_MS: restartGraceMs } })
  }

  afterEach(() => cluster.stop())

  const node = (index: number) => cluster.nodes[index] as RunningServer

  async function lease({ origin }: RunningServer, userId: string, ttlMs: number): Promise<number> {
    const headers = { 'Content-Type': 'application/json' }
    const body = JSON.stringify({ ttlMs, device: 'r2', activity: 'idle' })
    const url = `${origin}/api/v1/users/${userId}/sessions/agent`
    return (await fetch(url, { method: 'PUT', headers, body })).status
  }

  /** The leased session that a node has. Each node tells the sessions of all nodes. */
  async function sessionOn(index: number, userId: string): Promise<unknown> {
    const response = await fetch(`${node(index).origin}/api/v1/users/${userId}/sessions`)
    const { sessions } = (await response.json()) as { sessions: { node: string }[] }
    return sessions.find(session => session.node === `node-${index + 1}`)
  }

  async function statusOf({ origin }: RunningServer, userId: string): Promise<string> {
    const response = await fetch(`${origin}/api/v1/users/${userId}`)
    return ((await response.json()) as { status: string }).status
  }

  /** What a node has told of a user since a page. */
  async function toldSince({ origin }: RunningServer, place: Page, userId: string): Promise<Change[]> {
    const response = await fetch(`${origin}/api/v1/changes?since=${place.epoch}:${place.seq}`)
    const { recovered, changes } = (await response.json()) as Page
    expect(recovered).toBe(true)
    return changes.filter(change => change.userId === userId)
  }

  /** The end of the changes, from which a reader can go on. */
  const placeOf = (at: RunningServer): Promise<Page> =>
    until('a reader can go on', async () => {
      const place = (await (await fetch(`${at.origin}/api/v1/changes`)).json()) as Page
      const next = await fetch(`${at.origin}/api/v1/changes?since=${place.epoch}:${place.seq}`)
      return ((await next.json()) as Page).recovered && place
    })

  const isShown = (at: RunningServer, userId: string, status: string) =>
    until(`${userId} is ${status}`, async () => (await statusOf(at, userId)) === status)

  test(
    '[N2 N11] kill -9 of a node: its leased sessions live on without a change, and end in time',
    async () => {
      await start(0)
      expect(await lease(node(2), 'short', 14_000)).toBe(200)
      expect(await lease(node(2), 'long', 60_000)).toBe(200)
      const leasedAt = performance.now()
      for (const userId of ['short', 'long']) await isShown(node(0), userId, 'away')
      const place = await placeOf(node(0))
      await node(2).end('SIGKILL')
      await until('one node has taken it over', async () => {
        const sessions = [await sessionOn(0, 'long'), await sessionOn(1, 'long')]
        return sessions.filter(session => session !== undefined).length === 1
      })
      expect(performance.now() - leasedAt).toBeLessThan(16_000)
      // Any node can renew it.
      for (const index of [1, 0]) {
        expect(await lease(node(index), 'long', 60_000)).toBe(200)
        await until('it has moved', async () => (await sessionOn(1 - index, 'long')) === undefined)
      }
      await isShown(node(0), 'short', 'offline')
      expect(performance.now() - leasedAt).toBeGreaterThan(13_500)
      expect(await toldSince(node(0), place, 'short')).toMatchObject([{ status: 'offline', cause: 'lost' }])
      expect(await toldSince(node(0), place, 'long')).toEqual([])
      expect(await sessionOn(0, 'long')).toMatchObject({ kind: 'lease', device: 'r2', active: false })
    },
    TIMEOUT_MS,
  )

  test(
    '[Q3 E17 N11] a node that stops hands its leased sessions on before it ends',
    async () => {
      await start(0)
      expect(await lease(node(2), 'bot', 60_000)).toBe(200)
      await isShown(node(0), 'bot', 'away')
      const place = await placeOf(node(0))
      const begun = performance.now()
      await node(2).end('SIGTERM')
      const sessions = [await sessionOn(0, 'bot'), await sessionOn(1, 'bot')]
      expect(sessions.filter(session => session !== undefined)).toMatchObject([
        { kind: 'lease', device: 'r2' },
      ])
      expect(performance.now() - begun).toBeLessThan(10_000)
      await pause(1_000)
      expect(await toldSince(node(0), place, 'bot')).toEqual([])
    },
    TIMEOUT_MS,
  )

  test(
    '[R20 N11] kill -9 of all nodes: the leased sessions are back from Redis, and one whose time is over ends',
    async () => {
      // The node that starts must be ready before it takes the others for lost.
      await start(15_000)
      expect(await lease(node(0), 'long', 60_000)).toBe(200)
      expect(await lease(node(1), 'short', 3_000)).toBe(200)
      await isShown(node(2), 'short', 'away')
      await Promise.all([0, 1, 2].map(index => node(index).end('SIGKILL')))
      await cluster.start(0)
      // Until it has taken the other nodes for lost, nobody can read changes on: it can't know all that they have told.
      await until('the node has it, and the other one has ended', async () => {
        expect(await statusOf(node(0), 'long')).toBe('away')
        const isBack = (await sessionOn(0, 'long')) !== undefined
        return isBack && (await statusOf(node(0), 'short')) === 'offline'
      })
      expect(await sessionOn(0, 'long')).toMatchObject({ kind: 'lease', device: 'r2', active: false })
      expect(await sessionOn(0, 'short')).toBeUndefined()
    },
    TIMEOUT_MS,
  )
})
