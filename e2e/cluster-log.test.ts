import { TestClient } from '@who-is-online/testing/client'
import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { until } from '@who-is-online/testing/shell-server'
import { type RunningCluster, startCluster } from '@who-is-online/testing/start-cluster'
import type { RunningServer } from '@who-is-online/testing/start-server'
import { expect, onTestFinished, test } from 'vitest'

// The log of changes of a cluster goes on over the restart of a node, and of all nodes.

interface Page {
  readonly epoch: string
  readonly seq: number
  readonly recovered: boolean
  readonly changes: readonly { readonly userId: string; readonly status: string }[]
}

async function changesOf({ origin }: RunningServer, since?: Pick<Page, 'epoch' | 'seq'>): Promise<Page> {
  const query = since ? `?since=${since.epoch}:${since.seq}` : ''
  const response = await fetch(`${origin}/api/v1/changes${query}`)
  expect(response.status).toBe(200)
  return (await response.json()) as Page
}

const linesOf = ({ changes }: Page) => changes.map(({ userId, status }) => `${userId} ${status}`)

/** All pages from a place on, until the last change is there. */
async function read(
  node: RunningServer,
  since: Pick<Page, 'epoch' | 'seq'>,
  last: string,
): Promise<string[]> {
  let lines: string[] = []
  await until(`the changes end with ${last}`, async () => {
    const page = await changesOf(node, since)
    expect(page.recovered).toBe(true)
    lines = linesOf(page)
    return lines.at(-1) === last
  })
  return lines
}

describeOnEngines('the log of changes of a cluster', engine => {
  async function start(count: number): Promise<RunningCluster> {
    const cluster = await startCluster(engine, count)
    onTestFinished(() => cluster.stop())
    return cluster
  }

  async function connect(node: RunningServer, userId: string): Promise<TestClient> {
    const client = await TestClient.v2(node, userId)
    onTestFinished(() => client.socket.terminate())
    return client
  }

  test('[N12 E9] it goes on over the restart of each node, and of all nodes', async () => {
    const { nodes, start: startNode } = await start(2)
    const [a, b] = nodes as [RunningServer, RunningServer]
    const since = await changesOf(a)
    const ann = await connect(b, 'ann')
    await connect(b, 'bob')
    const first = ['ann online', 'bob online']
    expect(await read(a, since, 'bob online')).toEqual(first)
    const { epoch, seq } = await changesOf(a, since)

    // The first node is the writer. It does not come back before another one has to write.
    await a.end('SIGTERM')
    await ann.ask({ type: 'set_status', status: 'busy' }, 'status_updated')
    expect(await read(b, since, 'ann busy')).toEqual([...first, 'ann busy'])
    const again = await startNode(0)
    expect(await read(again, since, 'ann busy')).toEqual([...first, 'ann busy'])
    expect(linesOf(await changesOf(again, { epoch, seq }))).toEqual(['ann busy'])
    // A client resumes too.
    const observer = await connect(again, 'observer')
    const state = await observer.ask(
      { type: 'subscribe', all: true, since: { epoch, seq } },
      'presence_state',
    )
    expect(state.recovered).toBe(true)
    expect(state.users).toContainEqual(expect.objectContaining({ userId: 'ann', status: 'busy' }))

    // All nodes stop, and other ones start.
    const place = await changesOf(b, since)
    const all = linesOf(place)
    await Promise.all([again.end('SIGTERM'), b.end('SIGTERM')])
    const [next] = await Promise.all([startNode(0), startNode(1)])
    const page = await changesOf(next, since)
    expect([page.recovered, page.epoch]).toEqual([true, epoch])
    expect(linesOf(page).slice(0, all.length)).toEqual(all)
    expect((await changesOf(next, place)).recovered).toBe(true)
    // The negative control: a place of no log.
    expect((await changesOf(next, { epoch: '1', seq })).recovered).toBe(false)
  }, 60_000)
})
