import { createServer } from 'node:net'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { checkFaketime, findFaketime } from './chaos/faketime.ts'
import { Host } from './chaos/host.ts'
import { type Outcome, run } from './chaos/run.ts'
import { count, describe, only, schedule } from './chaos/schedule.ts'

// A server under 100 clients, while its console, clock, disk and process are broken by a seeded schedule. Observers
// see from outside whether the invariants hold. docs/testing.md says how to repeat a run.

const MS = Number(process.env['EDGES_MS'] ?? 5 * 60_000)
const SEED = Number(process.env['EDGES_SEED'] ?? Date.now() % 1_000_000)
const ONLY = process.env['EDGES_ONLY']?.split(',')
const PROGRAM = process.env['EDGES_SERVER'] ?? join(import.meta.dirname, '../server/src/main.ts')

/** How many violations of each rule are printed. */
const PRINTED = 12

/** How long the run takes beyond the schedule: a start, the way back of all clients, and two stops. */
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
    })
    print(['', ...report(outcome), `repeat with EDGES_SEED=${SEED} EDGES_MS=${MS}`])
    print(Object.entries(count(plan)).map(([fault, times]) => `${String(times).padStart(4)} × ${fault}`))
    expect(someOfEach(outcome.violations).map(({ rule, text }) => `${rule}: ${text}`)).toEqual([])
    // The control: the judges see each kind of violation in what was falsified on purpose.
    for (const rule of ['I1', 'I2', 'I8', 'hidden', 'forgotten']) {
      expect(outcome.control.get(rule) ?? 0, `control: ${rule}`).toBeGreaterThan(0)
    }
    for (const rule of ['I1', 'I2', 'I8', 'I10', 'hidden', 'forgotten']) {
      expect(outcome.checks.get(rule) ?? 0, `checks: ${rule}`).toBeGreaterThan(0)
    }
  },
  MS + BEYOND_MS,
)

/** What a machine lacks for this test. */
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
    `control, of what was falsified on purpose: ${list(control)}`,
    ...Object.entries(detections).map(([how, ms]) => `seen offline after leaving (${how}): ${quantiles(ms)}`),
    `/healthz: ${quantiles(answersMs)}`,
    `resident at most ${Math.round(mostBytes / 1024 / 1024)} MiB; ${starts} starts, ${rescues} of them because the server had ended or hung`,
  ]
}

/** The first violations of each rule, in order. */
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
 * A port below those that the kernel gives to clients: a client that calls a port of its own range while no server is
 * there may be connected with itself.
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
