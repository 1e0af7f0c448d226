import { type Call, calls } from '@who-is-online/protocol/api'
import { TestClient } from '@who-is-online/testing/client'
import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { type RunningCluster, startCluster } from '@who-is-online/testing/start-cluster'
import type { RunningServer } from '@who-is-online/testing/start-server'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { contractSuite } from './contract.suite.ts'
import { API_KEYS, type ApiRequest, askAt } from './testing/api-server.ts'

// The calls of three nodes on a real Redis. The user is on other nodes than the one that gets the request.

const SETTINGS = { API_KEYS, API_REQUESTS_PER_SECOND: '100000', DASHBOARD: 'off' }

/** How long the nodes may take until all know the same, in ms. The machine may be busy. */
const PATIENCE = { timeout: 10_000, interval: 50 }

describeOnEngines('the HTTP API of three nodes', engine => {
  let cluster: RunningCluster
  let nodes: readonly [RunningServer, RunningServer, RunningServer]

  beforeAll(async () => {
    cluster = await startCluster(engine, 3, { settings: SETTINGS })
    nodes = cluster.nodes as typeof nodes
  }, 60_000)
  afterAll(() => cluster.stop())

  describe('each call, on a node without the user', () => {
    contractSuite(async () => {
      let ann: TestClient | undefined
      let asked = 0
      return {
        ask(path, request) {
          // By turns the second and the third node.
          const [, two, three] = nodes
          const { port } = asked++ % 2 === 0 ? two : three
          return askAt(port, path, request)
        },
        async connect() {
          if (ann?.socket.readyState !== WebSocket.OPEN) ann = await TestClient.v2(nodes[0], 'ann')
        },
        stop: async () => ann?.socket.terminate(),
      }
    })
  })

  describe('the sessions of a user on all nodes', () => {
    const call = (node: RunningServer, path: string, request: ApiRequest = {}) =>
      askAt(node.port, `/api/v1${path}`, { key: 'write', ...request })

    /** What each node answers, without the times: a node knows exactly only those of its own users. */
    const answersOf = (path: string, request?: ApiRequest) =>
      Promise.all(nodes.map(async node => withoutTimes((await call(node, path, request)).json)))

    /** Waits until all nodes answer this. */
    const allAnswer = (answer: object, path: string, request?: ApiRequest) =>
      expect.poll(() => answersOf(path, request), PATIENCE).toEqual(nodes.map(() => answer))

    const detailOf = (userId: string, key: 'read' | 'write'): ApiRequest => ({
      method: 'POST',
      key,
      body: { userIds: [userId], detail: true },
    })

    async function connect(node: RunningServer, userId: string, sessionId: string): Promise<TestClient> {
      const client = await TestClient.v2(node, userId, { sessionId, device: 'web' })
      onTestFinished(() => client.socket.terminate())
      return client
    }

    const socket = (sessionId: string, node: string) => ({
      sessionId,
      kind: 'socket',
      device: 'web',
      node,
      active: true,
      visible: true,
    })

    test('[E14 E13] all nodes tell the same of a user on all of them, and of a hidden user nothing to a read key', async () => {
      const [one, two, three] = nodes
      const tab = await connect(one, 'sue', 'tab')
      await connect(two, 'sue', 'app')
      const lease = { ttlMs: 60_000, activity: 'idle' }
      await call(three, '/users/sue/sessions/bot', { method: 'PUT', body: lease })
      const bot = { sessionId: 'bot', kind: 'lease', node: 'node-3', active: false, visible: true }
      const sessions = [socket('app', 'node-2'), bot, socket('tab', 'node-1')]
      await allAnswer({ sessions, incomplete: [] }, '/users/sue/sessions')
      const explained = { sessions, graces: [], incomplete: [] }
      const shown = { userId: 'sue', status: 'online' }
      const choice = { status: 'online' }
      await allAnswer({ ...explained, reason: 'active', hidden: false, shown, choice }, '/users/sue/explain')
      const detail = { sessions: 3, active: true, visible: true }
      for (const key of ['read', 'write'] as const) {
        await allAnswer({ users: [{ ...shown, detail }] }, '/users/query', detailOf('sue', key))
      }

      await tab.ask({ type: 'set_status', status: 'offline' }, 'status_updated')
      const offline = { userId: 'sue', status: 'offline' }
      const hides = { hidden: true, shown: offline, choice: { status: 'offline' } }
      await allAnswer({ ...explained, reason: 'hidden', ...hides }, '/users/sue/explain')
      const nothing = { sessions: 0, active: false, visible: false }
      await allAnswer({ users: [{ ...offline, detail: nothing }] }, '/users/query', detailOf('sue', 'read'))
      await allAnswer({ users: [{ ...offline, detail }] }, '/users/query', detailOf('sue', 'write'))
      await allAnswer({ sessions: [], incomplete: [] }, '/users/nobody/sessions')
    })

    test('[E12] one session ends on any node, and no other one', async () => {
      const [one, two, three] = nodes
      const tab = await connect(one, 'tom', 'tab')
      await connect(two, 'tom', 'app')
      await allAnswer(
        { sessions: [socket('app', 'node-2'), socket('tab', 'node-1')], incomplete: [] },
        '/users/tom/sessions',
      )
      const end = (id: string) => call(three, `/users/tom/sessions/${id}`, { method: 'DELETE' })
      expect([(await end('tab')).status, (await end('unknown')).status]).toEqual([204, 204])
      expect((await tab.closed).code).toBe(4403)
      await allAnswer({ sessions: [socket('app', 'node-2')], incomplete: [] }, '/users/tom/sessions')
      // A leased session on another node.
      await call(two, '/users/tom/sessions/bot', { method: 'PUT', body: { ttlMs: 60_000 } })
      const sessionsOn = async (node: RunningServer) =>
        ((await call(node, '/users/tom/sessions')).json as { sessions: unknown[] }).sessions.length
      await expect.poll(() => sessionsOn(three), PATIENCE).toBe(2)
      expect((await end('bot')).status).toBe(204)
      expect(await sessionsOn(two)).toBe(1)
    })

    test('[E14 E12] a node that does not answer is named, and carries out an end later', async () => {
      const [one, two, three] = nodes
      const tab = await connect(one, 'liz', 'tab')
      await connect(two, 'liz', 'app')
      const both = [socket('app', 'node-2'), socket('tab', 'node-1')]
      await allAnswer({ sessions: both, incomplete: [] }, '/users/liz/sessions')
      process.kill(one.pid, 'SIGSTOP')
      try {
        const [sessions, explained, ended] = await Promise.all([
          call(three, '/users/liz/sessions'),
          call(two, '/users/liz/explain'),
          call(three, '/users/liz/sessions/tab', { method: 'DELETE' }),
        ])
        expect(withoutTimes(sessions.json)).toEqual({
          sessions: [socket('app', 'node-2')],
          incomplete: ['node-1'],
        })
        expect(explained.json).toMatchObject({ reason: 'active', incomplete: ['node-1'] })
        expect(ended.status).toBe(202)
      } finally {
        process.kill(one.pid, 'SIGCONT')
      }
      expect((await tab.closed).code).toBe(4403)
      await allAnswer({ sessions: [socket('app', 'node-2')], incomplete: [] }, '/users/liz/sessions')
    })

    test('[E2 N1] all nodes answer each read with the same', async () => {
      const [one, two] = nodes
      await connect(one, 'ann', 'tab-1')
      await connect(two, 'bob', 'tab-2')
      const reads = Object.values<Call>(calls).filter(({ method, path }) => {
        // The history of a node begins with its process.
        return (method === 'GET' || path.endsWith('/query')) && !path.endsWith('/history')
      })
      expect(reads.length).toBeGreaterThan(6)
      for (const { path, method, right, example } of reads) {
        const { params = {}, query = {}, body } = example
        const filled = path.replaceAll(/\{(\w+)\}/g, (_, name) => params[name] ?? '')
        const target = `${filled.slice('/api/v1'.length)}?${new URLSearchParams(query as Record<string, string>)}`
        const same = async () => {
          const answers = await answersOf(target, { method, key: right, ...(body && { body }) })
          return new Set(answers.map(answer => JSON.stringify(answer))).size
        }
        await expect.poll(same, { ...PATIENCE, message: target }).toBe(1)
      }
    })
  })
})

/** The times that a node knows exactly only of its own users, and where a list stands in the changes. */
const TIMES = new Set([
  'lastSeen',
  'since',
  'lastActive',
  'connectedAt',
  'lastAliveAt',
  'leaseEndsAt',
  'chosenAt',
  'epoch',
  'seq',
  'prevSeq',
])

/** An answer without its times, with lists in one order. */
function withoutTimes(json: unknown): unknown {
  if (Array.isArray(json)) return json.map(withoutTimes).toSorted(byText)
  if (typeof json !== 'object' || json === null) return json
  const fields = Object.entries(json).filter(([name]) => !TIMES.has(name))
  return Object.fromEntries(fields.map(([name, value]) => [name, withoutTimes(value)]))
}

function byText(one: unknown, other: unknown): number {
  const [a, b] = [one, other].map(each => JSON.stringify(each))
  return (a as string) < (b as string) ? -1 : 1
}
