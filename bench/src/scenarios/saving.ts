import type { Entry, Result, Run } from '../figures.ts'
import { verdict } from '../goals.ts'
import type { SavingResult } from '../saving.ts'
import { machine } from '../system.ts'
import type { Size } from './scenario.ts'

const optionsOf = { full: {}, quick: { users: 10_000, seconds: 0.5, rounds: 1, notesPerSecond: 1_000 } }

/** The most that saving may add to the longest stall, a change may take to be durable, and a restart to load. */
const GOALS = { addedStallMs: 5, durableMs: 150, loadMs: 5_000 }

/** What saving costs the event loop; unlike the other scenarios it looks at the store alone, without sockets. */
export async function saving(size: Size): Promise<Result> {
  // Only now: it brings the server's storage along, which the other scenarios do without.
  const measure = (await import('../saving.ts')).saving
  const measured = await measure(optionsOf[size])
  const { users, notesPerSecond } = measured.options
  const load = `${count(users)} users, ${count(notesPerSecond)} changes/s`
  const longestDurable = median(measured.rounds.flatMap(round => round.durableMs?.max ?? []))
  const longestLoad = median(measured.loads.map(({ loadMs }) => loadMs))
  return {
    scenario: 'saving',
    title: 'Saving: a process that saves beside one that does not',
    date: new Date().toISOString(),
    ...machine(),
    pinned: false,
    forms: [
      {
        name: 'stall',
        title: `${load}: longest stall of the event loop`,
        unit: 'ms',
        entries: entries(measured, 'stall', round => round.longestStallMs),
        goals: [
          verdict(
            `≤ control + ${GOALS.addedStallMs} ms`,
            measured.addedStallMs,
            GOALS.addedStallMs,
            ms => `control + ${ms} ms`,
          ),
        ],
      },
      {
        name: 'durable',
        title: `${load}: until a change is durable, at most`,
        unit: 'ms',
        entries: entries(measured, 'durable', round => round.durableMs?.max),
        goals: [verdict(`≤ ${GOALS.durableMs} ms`, longestDurable, GOALS.durableMs, ms => `${ms} ms`)],
      },
      {
        name: 'load',
        title: `${count(users)} users: loading at start`,
        unit: 'ms',
        entries: [{ contender: 'load', rounds: measured.loads.map(({ loadMs }) => toRun('load', loadMs)) }],
        goals: [verdict(`≤ ${count(GOALS.loadMs)} ms`, longestLoad, GOALS.loadMs, ms => `${count(ms)} ms`)],
      },
    ],
    problems: [],
    notes: [],
  }
}
