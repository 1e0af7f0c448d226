import type { Builds } from '../builds.ts'
import { OLDER, ours } from '../contenders/contenders.ts'
import { type Entry, type Result, type Run, spread } from '../figures.ts'
import { number, verdict } from '../goals.ts'
import type { SavingResult } from '../saving.ts'
import { machine } from '../system.ts'
import type { Size } from './scenario.ts'

type Round = SavingResult['rounds'][number]

const optionsOf = { full: {}, quick: { users: 10_000, seconds: 0.5, rounds: 1, notesPerSecond: 1_000 } }

/**
 * The limits: additional stall by saving, time until a change is durable, and time to load at a start, in ms.
 */
const LIMITS = { addedStallMs: 5, durableMs: 150, loadMs: 5_000 }

/** The cost of saving. This scenario has no contenders and no sockets, only the store and a control. */
export async function saving(size: Size): Promise<Result> {
  // Imported here, because it loads the storage of the server, which the other scenarios do not need.
  const measure = (await import('../saving.ts')).saving
  const { options, rounds, loads, addedStallMs } = await measure(optionsOf[size])
  const users = `${options.users.toLocaleString('en-US')} users`
  const changing = `${users}, ${options.notesPerSecond.toLocaleString('en-US')} changes/s`
  const durable = entryOf('periodic', rounds, durableMax)
  const load: Entry = { contender: 'start', rounds: loads.map(({ loadMs }) => run(loadMs)) }
  return {
    scenario: 'saving',
    title: 'Saving: a process that saves its users, beside one that does not',
    date: new Date().toISOString(),
    ...machine(),
    forms: [
      {
        name: 'stall',
        title: `${changing}: longest stall of the event loop`,
        unit: 'ms',
        entries: (['control', 'periodic', 'on demand'] as const).map(kind =>
          entryOf(kind, rounds, round => round.longestStallMs),
        ),
        goals: [inMs(addedStallMs, LIMITS.addedStallMs, 'control + ')],
      },
      {
        name: 'durable',
        title: `${changing}: until the slowest change is durable`,
        unit: 'ms',
        entries: [durable],
        goals: [inMs(spread(durable, 'cost')?.median, LIMITS.durableMs)],
      },
      {
        name: 'load',
        title: `${users}: loading at start`,
        unit: 'ms',
        entries: [load],
        goals: [inMs(spread(load, 'cost')?.median, LIMITS.loadMs)],
      },
    ],
    problems: [],
    notes: [],
  }
}

/**
 * The cost of saving compared with an older build. Each build measures its own storage with its own worker.
 *
 * @returns a result with a problem and without figures if the older build has no such worker
 */
export async function savingBeside(
  size: Size,
  { savingWorker, notes }: Builds,
  rounds: number,
): Promise<Result> {
  const head = {
    scenario: 'saving',
    title: 'Saving: the storage of two builds, each measured in its own process',
    date: new Date().toISOString(),
    ...machine(),
  }
  if (savingWorker === undefined) {
    const problem = "saving can't be compared: the older build has no bench/src/saving.ts"
    return { ...head, forms: [], problems: [problem], notes: [] }
  }
  const { savingOf, WORKER } = await import('../saving.ts')
  const results = await savingOf([WORKER, savingWorker], { ...optionsOf[size], rounds })
  const { options } = results[0] as SavingResult
  const users = `${options.users.toLocaleString('en-US')} users`
  const changing = `${users}, ${options.notesPerSecond.toLocaleString('en-US')} changes/s`
  const names = [ours.name, OLDER]
  const form = (name: string, title: string, costs: (result: SavingResult) => (number | undefined)[]) => ({
    name,
    title,
    unit: 'ms',
    entries: results.map((result, index) => ({
      contender: names[index] ?? '',
      rounds: costs(result).map(run),
    })),
    goals: [],
  })
  const rounded = (
    name: string,
    title: string,
    kind: Round['kind'],
    cost: (round: Round) => number | undefined,
  ) => form(name, title, result => result.rounds.filter(round => round.kind === kind).map(cost))
  const longest = (round: Round) => round.longestStallMs
  const p99 = (round: Round) => round.p99StallMs
  return {
    ...head,
    forms: [
      rounded('periodic', `${changing}: longest stall of the event loop`, 'periodic', longest),
      rounded('periodic p99', `${changing}: p99 of the stalls`, 'periodic', p99),
      rounded('on demand', `${changing}, saving without pause: longest stall`, 'on demand', longest),
      rounded('durable', `${changing}: until the slowest change is durable`, 'periodic', durableMax),
      rounded('durable p99', `${changing}: p99 until durable`, 'periodic', round => round.durableMs?.p99),
      form('load', `${users}: loading at start`, result => result.loads.map(({ loadMs }) => loadMs)),
    ],
    problems: [],
    notes: [...notes],
  }
}

function durableMax(round: Round): number | undefined {
  return round.durableMs?.max
}

function entryOf(
  kind: Round['kind'],
  rounds: readonly Round[],
  cost: (round: Round) => number | undefined,
): Entry {
  return {
    contender: kind,
    rounds: rounds.filter(round => round.kind === kind).map(round => run(cost(round))),
  }
}

function run(cost: number | undefined): Run {
  return { cost, invalid: [] }
}

function inMs(measured: number | undefined, limit: number, before = '') {
  const show = (ms: number) => `${before}${number(ms)} ms`
  return verdict(`≤ ${show(limit)}`, measured, limit, show)
}
