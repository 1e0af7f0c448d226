import { expect, test } from 'vitest'
import { type ClusterHealth, readiness } from './health.ts'

// The answers of /readyz of a node. docs/operating.md has them too. Those of a single server are in app.test.ts.

const store = { state: 'ok' } as const
const answer = (cluster: ClusterHealth, stopping = false) => readiness({ stopping, store, cluster })

test.each<[ClusterHealth, number, string]>([
  [{ state: 'loading' }, 503, '{"status":"loading","cluster":"loading"}'],
  [{ state: 'ok' }, 200, '{"status":"ready","cluster":"ok"}'],
  [{ state: 'away', ms: 0 }, 200, '{"status":"ready","cluster":"away"}'],
  [{ state: 'away', ms: 60_000 }, 200, '{"status":"ready","cluster":"away"}'],
  [{ state: 'away', ms: 60_001 }, 503, '{"status":"away","cluster":"away"}'],
])('a node whose cluster is %j', (cluster, status, body) => {
  const { status: answered, body: content } = answer(cluster)
  expect([answered, JSON.stringify(content)]).toEqual([status, body])
})

test('a node that stops says only that', () => {
  for (const state of ['ok', 'loading'] as const) {
    expect(answer({ state }, true)).toEqual({ status: 503, body: { status: 'stopping' } })
  }
  expect(answer({ state: 'away', ms: 61_000 }, true)).toEqual({ status: 503, body: { status: 'stopping' } })
})

test('a server that is not a node has no field for a cluster', () => {
  expect(readiness({ stopping: false, store }).body).toEqual({ status: 'ready', storage: 'ok' })
})
