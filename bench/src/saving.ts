/*
 * Measures the cost of saving with a million users and 10,000 changes per second: how long the event loop is
 * blocked, compared with a process that does not save. Each round runs in its own process, and the kinds take
 * turns, because the speed of a machine changes over time.
 *
 *     node --conditions=@who-is-online/source bench/src/saving.ts [users] [seconds] [rounds]
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Job, type Kind, type Load, type Round, round1, type SavingOptions } from './saving-job.ts'

const KINDS: readonly Kind[] = ['control', 'periodic', 'on demand']

/** All results of one build. */
export interface SavingResult {
  readonly options: Required<SavingOptions>
  readonly rounds: readonly Round[]
  readonly loads: readonly Load[]
  /** The median of the longest stalls with periodic saving, minus that of the control. */
  readonly addedStallMs: number
}

/**
 * This file, the program of the child processes. The same file of another build measures the storage of that
 * build.
 */
export const WORKER = import.meta.filename

/** Measures in child processes, and prints a table. */
export async function saving(options: SavingOptions = {}): Promise<SavingResult> {
  const [result] = await savingOf([WORKER], options)
  if (!result) throw new Error('nothing was measured')
  print(result)
  return result
}

/**
 * Measures several builds in turn, each with its own worker. Every second round has the reverse order.
 *
 * @param workers the path of `bench/src/saving.ts` of each build
 * @returns a result for each worker, in the same order
 */
export async function savingOf(
  workers: readonly string[],
  options: SavingOptions = {},
): Promise<SavingResult[]> {
  const full = { users: 1_000_000, seconds: 8, rounds: 3, notesPerSecond: 10_000, ...options }
  const measured = workers.map(worker => ({ worker, rounds: [] as Round[], loads: [] as Load[] }))
  for (let round = 0; round < full.rounds; round += 1) {
    for (const kind of KINDS) {
      for (const { worker, rounds, loads } of round % 2 === 0 ? measured : measured.toReversed()) {
        const dataDir = await mkdtemp(join(tmpdir(), 'who-is-online-bench-'))
        try {
          rounds.push(await inChild<Round>({ do: 'round', kind, dataDir, options: full }, worker))
          if (kind !== 'control') loads.push(await inChild<Load>({ do: 'load', dataDir }, worker))
        } finally {
          await rm(dataDir, { recursive: true, force: true })
        }
      }
    }
  }
  return measured.map(({ rounds, loads }) => {
    const longest = (kind: Kind) =>
      median(rounds.filter(round => round.kind === kind).map(round => round.longestStallMs))
    const addedStallMs = round1(longest('periodic') - longest('control'))
    return { options: full, rounds, loads, addedStallMs }
  })
}

async function inChild<T>(job: Job, worker: string): Promise<T> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', '--conditions=@who-is-online/source', worker, '--job', JSON.stringify(job)],
    { maxBuffer: 1 << 24 },
  )
  return JSON.parse(stdout)
}

function print({ options, rounds, loads, addedStallMs }: SavingResult): void {
  console.log(
    `${options.users.toLocaleString('en')} users, ${options.notesPerSecond.toLocaleString('en')} notes/s, ${options.seconds} s per round`,
  )
  console.table(
    rounds.map(round => ({
      kind: round.kind,
      'longest stall ms': round.longestStallMs,
      'p99 stall ms': round.p99StallMs,
      'notes/s': Math.round(round.notes / options.seconds),
      snapshots: round.snapshots,
      'snapshot ms': round.snapshotMs,
      'durable p50': round.durableMs?.p50,
      'durable p99': round.durableMs?.p99,
      'durable max': round.durableMs?.max,
    })),
  )
  console.table(
    loads.map(load => ({ users: load.users, 'load ms': load.loadMs, 'main MB': round1(load.bytes / 1e6) })),
  )
  console.log(`longest stall with periodic saving minus without (medians): ${addedStallMs} ms`)
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

if (import.meta.filename === process.argv[1]) {
  const [first, ...rest] = process.argv.slice(2)
  if (first === '--job') {
    const job: Job = JSON.parse(rest[0] ?? '')
    const { runJob } = await import('./saving-worker.ts')
    const result = await runJob(job)
    process.stdout.write(JSON.stringify(result), () => process.exit(0))
  } else {
    const [users, seconds, rounds] = [first, ...rest].map(argument =>
      argument === undefined ? undefined : Number(argument),
    )
    await saving({ ...(users && { users }), ...(seconds && { seconds }), ...(rounds && { rounds }) })
  }
}
