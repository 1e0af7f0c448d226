import { expect, test } from 'vitest'
import type { MemberView, ReportedNode } from './cluster/node-state.ts'
import { clusterViews } from './cluster-view.ts'

const about = { name: 'node-1', version: '1.2.3' }
const appends = { appended: 9, duplicate: 0, epoch: 0, lost: 0, alive: 0, failed: 0 }
const state = { isReady: true, awayMs: undefined, epochs: 1, lost: 0, lastFailure: undefined }

function nodeWith(members: readonly MemberView[], more: Partial<ReportedNode['state']> = {}): ReportedNode {
  const figures = { members, appends, lagMs: 1.6, ignored: 0 }
  return { id: 'a', state: { ...state, ...more }, figures, usersSeenOn: () => 3 }
}

const clusterView = (node: ReportedNode) => clusterViews(node, { steady: () => 0 })()

const member = { id: 'a', about, beatAgeMs: 700.4, missedBeats: 0 }

test('it has what the live page shows', () => {
  expect(clusterView(nodeWith([member]))).toEqual({
    self: 'a',
    state: 'ok',
    awayMs: 0,
    lastError: null,
    nodes: [{ id: 'a', name: 'node-1', version: '1.2.3', state: 'running', beatAgeMs: 700, users: 3 }],
    epochs: 1,
    lost: 0,
    appends,
    lagMs: 2,
    ignored: 0,
  })
})

test('while Redis does not answer, it says for how long and why', () => {
  const lastFailure = { text: 'Redis does not answer within 1500 ms', ageMs: 120.7 }
  const view = clusterView(nodeWith([member], { awayMs: 4_000.2, lastFailure }))
  expect([view.state, view.awayMs, view.lastError]).toEqual([
    'away',
    4_000,
    { text: 'Redis does not answer within 1500 ms', ageMs: 121 },
  ])
})

test('while Redis does not answer, nobody knows whether other nodes run', () => {
  const members = [member, { ...member, id: 'b', missedBeats: 5 }]
  const states = (awayMs?: number) =>
    clusterView(nodeWith(members, { awayMs })).nodes.map(({ state }) => state)
  expect([states(), states(3_000)]).toEqual([
    ['running', 'silent'],
    ['running', 'unknown'],
  ])
})

test.each([
  ['running', { missedBeats: 2 }],
  ['silent', { missedBeats: 3, beatAgeMs: 4_000 }],
  // All entries are old while Redis does not answer.
  ['running', { beatAgeMs: 60_000 }],
  ['stopping', { about: { ...about, left: 5 } }],
  ['stopping', { about: { ...about, left: 5 }, missedBeats: 9 }],
  ['running', { beatAgeMs: undefined, about: undefined }],
])('a member is %s with %j', (expected, more) => {
  expect(clusterView(nodeWith([{ ...member, ...more }])).nodes[0]?.state).toBe(expected)
})

test('a member that has said nothing yet has its id as a name', () => {
  const [node] = clusterView(nodeWith([{ ...member, about: undefined, beatAgeMs: undefined }])).nodes
  expect(node).toMatchObject({ name: 'a', version: null, beatAgeMs: null })
})

test('the users of each member are counted at most once in five seconds', () => {
  let steady = 0
  let users = 1
  const counted: string[] = []
  const node = nodeWith([member, { ...member, id: 'b' }])
  const usersSeenOn = (id: string) => {
    counted.push(id)
    return users
  }
  const view = clusterViews({ ...node, usersSeenOn }, { steady: () => steady })
  const numbers = () => view().nodes.map(({ users }) => users)
  expect([numbers(), numbers()]).toEqual([
    [1, 1],
    [1, 1],
  ])
  users = 2
  steady = 4_999
  expect(numbers()).toEqual([1, 1])
  steady = 5_000
  expect(numbers()).toEqual([2, 2])
  expect(counted).toEqual(['a', 'b', 'a', 'b'])
})
