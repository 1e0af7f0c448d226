import { expect, test } from 'vitest'
import { Checks } from './checks.ts'
import type { Found } from './choices.ts'
import { RULES, type Rule } from './invariants.ts'

// The negative control of each rule: a server that does everything right, and one kind of observation that is
// falsified. The run uses the same falsified observations for its control.

const NOW = Date.parse('2026-06-01T12:00:00.000Z')
const LAST_SEEN = new Date(NOW).toISOString()

/** Simulates the checks of a run in which the server is right. Returns the rules that are violated. */
function violatedRules(falsify: readonly Rule[]): { own: Rule[]; control: Rule[] } {
  let t = 0
  const checks = new Checks(() => t, falsify)
  const observers = ['observer-v1-0', 'observer-v2-0']
  const online = ['steady-v2-0', 'visitor-v1-0']
  for (const observer of observers) checks.synced(observer, new Map(online.map(userId => [userId, 'online'])))
  for (const checker of checks.all) {
    for (const userId of online) checker.present(userId, t)
    checker.hidden('hidden-v2-0', t)
  }
  t = 3_000
  checks.tick(0)
  checks.falsify()

  for (const checker of checks.all) checker.left('visitor-v1-0', 'clean', t)
  for (const observer of observers) checks.shown(observer, 'visitor-v1-0', 'offline')
  t = 10_000
  checks.tick(0)

  checks.slept()
  for (const observer of observers) checks.lost(observer)
  t = 17_000
  checks.synced('inspector', new Map([['steady-v2-0', 'online']]))
  checks.lost('inspector')

  checks.answered(5, 0)
  checks.recovered('saved again', { isMet: true, elapsedMs: 1_000 }, 5_000, 0)
  checks.recovered('log', { isMet: true, elapsedMs: 1_000 }, 10_000, 0)
  checks.found('at the end', foundUsers(), {
    known: new Map([['known-0', LAST_SEEN]]),
    seen: new Map([
      ['steady-v2-0', { from: NOW, to: NOW }],
      ['hidden-v2-0', null],
    ]),
    tooLateMs: 0,
    choices: [
      {
        userId: 'steady-v2-0',
        choices: [{ status: 'online', acknowledgedAt: 0 }],
        hasText: false,
        isBack: true,
      },
    ],
    killedAt: 1_000,
  })
  const rulesOf = ({ violations }: Checks['checker']) => [...new Set(violations.map(({ rule }) => rule))]
  return { own: rulesOf(checks.checker), control: rulesOf(checks.control) }
}

function foundUsers(): ReadonlyMap<string, Found> {
  return new Map<string, Found>([
    ['known-0', { status: 'offline', lastSeen: LAST_SEEN }],
    ['steady-v2-0', { status: 'online', lastSeen: LAST_SEEN, username: 'name-0' }],
    ['hidden-v2-0', { status: 'offline', lastSeen: null }],
  ])
}

test('a server that does everything right violates no rule, and the control finds violations of all', () => {
  const { own, control } = violatedRules([])
  expect(own).toEqual([])
  expect(control.toSorted()).toEqual([...RULES].sort())
})

for (const rule of RULES) {
  test(`falsified observations of the rule "${rule}" violate this rule only`, () => {
    expect(violatedRules([rule]).own).toEqual([rule])
  })
}

test('files that are not written again are reported when the time is over, not before', () => {
  let t = 0
  const checks = new Checks(() => t)
  t = 6_000
  expect(checks.recovered('saved again', { isMet: false, elapsedMs: 4_999 }, 5_000, 0)).toBe(false)
  expect(checks.recovered('saved again', { isMet: false, elapsedMs: 5_001 }, 5_000, 0)).toBe(true)
  expect(checks.checker.violations.map(({ rule }) => rule)).toEqual(['saved again'])
})
