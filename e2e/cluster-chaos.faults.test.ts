import { describeOnEngines } from '@who-is-online/testing/describe-on-engines'
import { expect, test } from 'vitest'
import { type ChaosOutcome, chaosRun } from './cluster/chaos-run.ts'
import { mutatedServer } from './cluster/mutated-server.ts'
import { RULES } from './cluster/oracle.ts'

// Users, observers and random faults on three nodes. docs/testing.md describes how to repeat a run.

const MS = Number(process.env['CHAOS_SECONDS'] ?? 600) * 1_000
const SEED = Number(process.env['CHAOS_SEED'] ?? Date.now() % 1_000_000)
const USERS = Number(process.env['CHAOS_USERS'] ?? 300)
/** A seed with which the mutant fails within the time of its run. */
const CONTROL_SEED = 7
const CONTROL_MS = 45_000
/** A start, the last fault, the rest and a stop. */
const BEYOND_MS = 4 * 60_000

const print = (line: string) => void process.stdout.write(`${line}\n`)

describeOnEngines('chaos run of several nodes', engine => {
  test(
    `[I1 I2 I3 I4 I5 I7] seed ${SEED}: nobody sees anything wrong`,
    async () => {
      print(`chaos run of several nodes: CHAOS_SEED=${SEED} CHAOS_SECONDS=${MS / 1_000}, ${USERS} users`)
      const outcome = await chaosRun({ engine, seed: SEED, ms: MS, users: USERS, print })
      print(report(outcome))
      if (outcome.violations.length > 0) print(outcome.logs.map(shortened).join('\n'))
      expect(someOf(outcome)).toEqual([])
      for (const rule of RULES) {
        expect(outcome.checks.get(rule) ?? 0, `checks of ${rule}`).toBeGreaterThan(0)
      }
    },
    MS + BEYOND_MS,
  )

  test(
    'control: nodes that take others for lost after one beat are reported',
    async () => {
      const server = mutatedServer({
        name: 'lost after one beat',
        file: 'cluster/members.ts',
        line: 'const LOST_AFTER_BEATS = 9',
        becomes: 'const LOST_AFTER_BEATS = 1',
      })
      try {
        const launch = { entry: server.entry }
        const outcome = await chaosRun({
          engine,
          seed: CONTROL_SEED,
          ms: CONTROL_MS,
          users: USERS,
          launch,
          print,
        })
        print(report(outcome))
        expect(outcome.violations.map(({ rule }) => rule)).toContain('I2')
      } finally {
        server.remove()
      }
    },
    CONTROL_MS + BEYOND_MS,
  )
})

/** What a node has logged about the cluster. */
function shortened(log: string, node: number): string {
  const lines = log.split('\n').filter(line => /cluster|redis|node/i.test(line))
  return [`the last lines of node ${node + 1}:`, ...lines.slice(-40)].join('\n')
}

/** The first violations. */
function someOf({ violations }: ChaosOutcome): string[] {
  return violations.slice(0, 20).map(({ rule, text }) => `${rule}: ${text}`)
}

function report(outcome: ChaosOutcome): string {
  const { violations, checks, faults, convergedMs, resumes, recovered, actions, starved } = outcome
  const list = (counts: ReadonlyMap<string, number>) =>
    [...counts].map(([what, times]) => `${what} ${times}`).join(', ') || 'none'
  const byRule = new Map<string, number>()
  for (const { rule } of violations) byRule.set(rule, (byRule.get(rule) ?? 0) + 1)
  const sorted = convergedMs.toSorted((one, other) => one - other)
  const at = (share: number) => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN)
  return [
    `faults: ${list(faults)}`,
    `${actions} actions of users; ${resumes} resumes of observers, ${recovered} with recovered: true`,
    `checks: ${list(checks)}`,
    `processes that had no processor for a while, or were frozen: ${starved} times`,
    `violations: ${violations.length} (${list(byRule)})`,
    `right after a fault: N ${sorted.length}, p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} ms`,
  ].join('\n')
}
