import { Registry } from 'prom-client'
import { expect, test } from 'vitest'
import type { MemberView, NodeFigures, NodeState } from './cluster/node-state.ts'
import { addClusterMetrics } from './cluster-metrics.ts'

const APPENDS = { appended: 9, duplicate: 1, epoch: 2, lost: 3, alive: 4, failed: 5 }

function member(id: string, name: string | undefined, more: Partial<MemberView> = {}): MemberView {
  const about = name === undefined ? undefined : { name, version: '1.0.0' }
  return { id, about, beatAgeMs: 500, missedBeats: 0, ...more }
}

async function textOf(state: Partial<NodeState>, figures: Partial<NodeFigures> = {}): Promise<string[]> {
  const registry = new Registry()
  addClusterMetrics(registry, {
    state: { isReady: true, awayMs: undefined, epochs: 1, lost: 0, lastFailure: undefined, ...state },
    figures: { members: [], appends: APPENDS, lagMs: 20, ignored: 0, ...figures },
  })
  // Twice, because Prometheus reads again and again.
  await registry.metrics()
  return (await registry.metrics()).split('\n').filter(line => line !== '' && !line.startsWith('#'))
}

test('each figure is what the node says when it is asked', async () => {
  const members = [member('a', 'node-1'), member('b', 'node-2', { beatAgeMs: 1_250 })]
  expect(await textOf({ awayMs: 4_000, epochs: 2, lost: 3 }, { members, ignored: 7 })).toEqual([
    'wio_cluster_away 1',
    'wio_cluster_ready 1',
    'wio_cluster_nodes 2',
    'wio_cluster_beat_age_seconds{node="node-1"} 0.5',
    'wio_cluster_beat_age_seconds{node="node-2"} 1.25',
    'wio_cluster_epochs_total 2',
    'wio_cluster_nodes_lost_total 3',
    'wio_cluster_appends_total{reply="appended"} 9',
    'wio_cluster_appends_total{reply="duplicate"} 1',
    'wio_cluster_appends_total{reply="epoch"} 2',
    'wio_cluster_appends_total{reply="lost"} 3',
    'wio_cluster_appends_total{reply="alive"} 4',
    'wio_cluster_appends_total{reply="failed"} 5',
    'wio_cluster_log_lag_seconds 0.02',
    'wio_cluster_ignored_entries_total 7',
  ])
  expect((await textOf({ isReady: false })).slice(0, 3)).toEqual([
    'wio_cluster_away 0',
    'wio_cluster_ready 0',
    'wio_cluster_nodes 0',
  ])
})

const ages = (lines: string[]) => lines.filter(line => line.startsWith('wio_cluster_beat_age_seconds'))

test('nodes with the same name are counted as two, and the greater age is shown once', async () => {
  for (const beatAges of [
    [9_000, 500],
    [500, 9_000],
  ]) {
    const members = beatAges.map((beatAgeMs, index) => member(`id-${index}`, 'web', { beatAgeMs }))
    const lines = await textOf({}, { members })
    expect(lines).toContain('wio_cluster_nodes 2')
    expect(ages(lines)).toEqual(['wio_cluster_beat_age_seconds{node="web"} 9'])
  }
})

test('a name may have any characters, and a member without one has its id', async () => {
  const members = [member('a', 'we"b\\\n'), member('some-id', undefined)]
  expect(ages(await textOf({}, { members }))).toEqual([
    'wio_cluster_beat_age_seconds{node="we\\"b\\\\\\n"} 0.5',
    'wio_cluster_beat_age_seconds{node="some-id"} 0.5',
  ])
})

test('a member that stops is not missed, and one of which nothing was read has no age', async () => {
  const stops = { name: 'node-2', version: '1.0.0', left: 1_000 }
  const members = [
    member('a', 'node-1', { beatAgeMs: undefined }),
    member('b', 'node-2', { about: stops, beatAgeMs: 12_000 }),
  ]
  const lines = await textOf({}, { members })
  expect(lines).toContain('wio_cluster_nodes 1')
  expect(ages(lines)).toEqual([])
})
