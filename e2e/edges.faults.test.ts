import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkFaketime, findFaketime } from './chaos/faketime.ts'
import { RULES, type Rule } from './chaos/invariants.ts'
import { type Outcome, run } from './chaos/run.ts'
import { count, describe, only, schedule } from './chaos/schedule.ts'
import { Host } from './chaos/server-host.ts'

// A server with 100 clients, while a seeded schedule breaks its console, clock, disk and process. Observers
// check the invariants from outside. docs/testing.md describes how to repeat a run.

const MS = Number(process.env['EDGES_MS'] ?? 5 * 60_000)
const SEED = Number(process.env['EDGES_SEED'] ?? Date.now() % 1_000_000)
const ONLY = process.env['EDGES_ONLY']?.split(',')
const FALSIFY = rules(process.env['EDGES_FALSIFY'])
const PROGRAM = process.env['EDGES_SERVER'] ?? join(import.meta.dirname, '../server/src/main.ts')

/** A short run may have no fault after which these rules are checked. */
const MAY_BE_UNCHECKED: readonly Rule[] = ['saved again', 'log']

/** Maximum number of printed violations per rule. */
const PRINTED = 12

/** Time of a run in addition to the schedule: a start, the reconnects, and two stops. */
const BEYOND_MS = 4 * 60_000

const unable = await whyNot()
if (unable !== undefined) process.stderr.write(`\nSKIPPED, chaos run: ${unable}\n`)

test.skipIf(unable)(
  `[I1 I2 I8 I10] chaos run, seed ${SEED}${unable === undefined ? '' : ` (needs more: ${unable})`}`,
  async () => {
    const all = schedule(SEED, MS)
    const plan = ONLY ? only(all, ONLY) : all
    print([`chaos run: seed ${SEED}, ${MS / 1_000} s`, ...describe(plan)])
    const outcome = await run({
      seed: SEED,
      ms: MS,
      schedule: plan,
      program: PROGRAM,
      port: await freePort(),
      faketime: findFaketime(),
      falsify: FALSIFY,
    })
    print(['', ...report(outcome), `repeat with EDGES_SEED=${SEED} EDGES_MS=${MS}`])
    print(Object.entries(count(plan)).map(([fault, times]) => `${String(times).padStart(4)} × ${fault}`))
    const unexpected = outcome.violations.filter(({ rule }) => !FALSIFY.includes(rule))
    expect(someOfEach(unexpected).map(({ rule, text }) => `${rule}: ${text}`)).toEqual([])
    const violated = new Set(outcome.violations.map(({ rule }) => rule))
    for (const rule of FALSIFY) expect(violated, `EDGES_FALSIFY: ${rule} is reported`).toContain(rule)
    // A part of the faults does not need to reach all rules.
    if (ONLY) return
    // The control: each kind of violation is found in the falsified observations.
    for (const rule of RULES) {
      const checks = outcome.checks.get(rule) ?? 0
      if (!MAY_BE_UNCHECKED.includes(rule)) expect(checks, `checks: ${rule}`).toBeGreaterThan(0)
      if (checks > 0) expect(outcome.control.get(rule) ?? 0, `control: ${rule}`).toBeGreaterThan(0)
    }
  },
  MS + BEYOND_MS,
)

/** Reads a list of rules, separated by commas. */
function rules(text = ''): Rule[] {
  return text
    .split(',')
    .filter(name => name !== '')
    .map(name => {
      const rule = RULES.find(known => known === name)
      if (rule === undefined) throw new Error(`EDGES_FALSIFY: no rule ${name}; rules are ${RULES.join(', ')}`)
      return rule
    })
}

/** What this machine lacks for the test; `undefined` if nothing. */
async function whyNot(): Promise<string | undefined> {
  try {
    await checkFaketime(findFaketime())
    const host = await Host.create({
      program: PROGRAM,
      port: 0,
      faketime: findFaketime(),
      onUnexpectedExit: () => {},
    })
    await host.dispose()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

function report(outcome: Outcome): string[] {
  const { violations, control, checks, detections, answersMs, mostBytes, starts, rescues } = outcome
  const list = (counts: ReadonlyMap<string, number>) =>
    [...counts].map(([rule, times]) => `${rule} ${times}`).join(', ') || 'none'
  const byRule = new Map<string, number>()
  for (const { rule } of violations) byRule.set(rule, (byRule.get(rule) ?? 0) + 1)
  return [
    ...someOfEach(violations).map(
      ({ rule, t, text }) => `VIOLATION ${rule} at ${(t / 1_000).toFixed(1)} s awake: ${text}`,
    ),
    `checks: ${list(checks)}`,
    `violations: ${violations.length} (${list(byRule)})`,
    `control, with falsified observations: ${list(control)}`,
    ...Object.entries(detections).map(([how, ms]) => `seen offline after leaving (${how}): ${quantiles(ms)}`),
    `/healthz: ${quantiles(answersMs)}`,
    `resident at most ${Math.round(mostBytes / 1024 / 1024)} MiB; ${starts} starts, ${rescues} of them because the server had ended or hung`,
  ]
}

/** The first violations of each rule, in their order. */
function someOfEach(violations: Outcome['violations']): Outcome['violations'] {
  const seen = new Map<string, number>()
  return violations.filter(({ rule }) => {
    seen.set(rule, (seen.get(rule) ?? 0) + 1)
    return (seen.get(rule) ?? 0) <= PRINTED
  })
}

function quantiles(ms: readonly number[]): string {
  const sorted = ms.toSorted((a, b) => a - b)
  const at = (share: number) => Math.round(sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN)
  return `N ${sorted.length}, p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)} ms`
}

function print(lines: readonly string[]): void {
  process.stdout.write(`${lines.join('\n')}\n`)
}

/**
 * A free port below the range that the kernel uses for clients. A client that connects to a port of that
 * range while no server listens may be connected to itself.
 */
async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < 100; attempt++) {
    const port = 20_000 + Math.floor(Math.random() * 10_000)
    const isFree = await new Promise<boolean>(resolve => {
      const server = createServer()
      server.once('error', () => resolve(false))
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
    })
    if (isFree) return port
  }
  throw new Error('no free port')
}
