import { expect, test } from 'vitest'
import type { NodeEvent } from './cluster/node-state.ts'
import { clusterHealth, clusterReport } from './cluster-report.ts'
import type { LogFields } from './log.ts'

/** The lines that a ready node logs when this has happened. */
function linesOf(...events: NodeEvent[]) {
  return linesOfNode({ isReady: true }, events)
}

function linesOfNode({ isReady }: { readonly isReady: boolean }, events: readonly NodeEvent[]) {
  const lines: (readonly [level: string, text: string, fields?: LogFields])[] = []
  const line = (level: string) => (text: string, fields?: LogFields) =>
    void lines.push(fields ? [level, text, fields] : [level, text])
  const log = { info: line('info'), error: line('error') }
  const lastFailure = { text: 'Redis is not reachable', ageMs: 5 }
  const node = { id: 'me', state: { isReady, awayMs: 0, epochs: 1, lost: 0, lastFailure } }
  const report = clusterReport(node, log, () => {})
  for (const event of events) report.happened(event)
  return lines
}

const about = { name: 'node-2', version: '1.0.0' }

test('a node that has said that it stops has left, and any other one is lost', () => {
  const lines = linesOf(
    { what: 'nodeLost', node: 'b', about: { ...about, left: 1_000 } },
    { what: 'nodeLost', node: 'c', about },
    { what: 'nodeLost', node: 'd', about: undefined },
  )
  expect(lines).toEqual([
    ['info', 'a node has left the cluster', { node: 'node-2', id: 'b' }],
    [
      'error',
      'a node is lost: its users go offline, unless they are on another node',
      { node: 'node-2', id: 'c' },
    ],
    ['error', expect.stringMatching(/^a node is lost/), { node: 'd', id: 'd' }],
  ])
})

test('a node that was lost itself says so once', () => {
  const lines = linesOf({ what: 'nodeLost', node: 'me', about }, { what: 'lostMyself' })
  expect(lines.map(([, text]) => text)).toEqual([
    'other nodes took this node for lost: it tells again what it knows',
  ])
})

test('a node that never knew its users does not promise that clients stay connected', () => {
  const [line] = linesOfNode({ isReady: false }, [{ what: 'away' }])
  expect(line?.[1]).toBe(
    'Redis does not answer: this node accepts clients when it has read all users from it',
  )
})

test('what needs attention is an error, with its reason, and what is well again is not', () => {
  const lines = linesOf(
    { what: 'away' },
    { what: 'back' },
    { what: 'loading' },
    { what: 'ready' },
    { what: 'epoch', epoch: 7 },
  )
  expect(lines.map(([level, , fields]) => [level, fields])).toEqual([
    ['error', { error: 'Redis is not reachable' }],
    ['info', undefined],
    ['error', undefined],
    ['info', undefined],
    ['info', { epoch: 7 }],
  ])
})

test('what happens all the time is not logged', () => {
  const entry = { place: { epoch: 1, seq: 2 }, node: 'b', batch: 1, kind: 'left' } as const
  const body = { format: 1, at: 1, facts: [], registers: [], about: { ...about, left: 1 } } as const
  expect(
    linesOf(
      { what: 'entry', entry: { ...entry, body } },
      { what: 'reached', place: entry.place },
      { what: 'beat' },
      { what: 'placed', batch: 1 },
      { what: 'stopped' },
    ),
  ).toEqual([])
})

test('the reason why Redis cannot be used is logged, and one that lasts is passed on', () => {
  const lines: unknown[] = []
  const reasons: string[] = []
  const state = { isReady: false, awayMs: undefined, epochs: 0, lost: 0, lastFailure: undefined }
  const log = { info() {}, error: (...line: unknown[]) => void lines.push(line) }
  const report = clusterReport({ id: 'me', state }, log, reason => reasons.push(reason))
  report.failed({ text: 'Redis is full', at: 3 })
  report.unusable('the version is too old')
  expect([lines, reasons]).toEqual([
    [['Redis cannot be used', { error: 'Redis is full' }]],
    ['the version is too old'],
  ])
})

test.each([
  [{ isReady: false, awayMs: undefined }, { state: 'loading' }],
  // Whom it does not know it can't show, whatever the reason.
  [{ isReady: false, awayMs: 5_000 }, { state: 'loading' }],
  [{ isReady: true, awayMs: undefined }, { state: 'ok' }],
  [
    { isReady: true, awayMs: 0 },
    { state: 'away', ms: 0 },
  ],
  [
    { isReady: true, awayMs: 61_000 },
    { state: 'away', ms: 61_000 },
  ],
])('%j is %j', (state, health) => {
  expect(clusterHealth(state)).toEqual(health)
})
