import type { Contender } from './contenders/contenders.ts'
import type { Entry, Form, Result, Run } from './figures.ts'
import { checkGoal, OURS, percent } from './goals.ts'
import { cores } from './processes.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { machine } from './system.ts'

/** Above this share of a core, the load generator may have been the bottleneck. */
const LOAD_LIMIT = 0.9

/** If a server waits for its core for more than this share of the time, it looks slower than it is. */
const DISPLACED_LIMIT = 0.1

/** The runs of each contender: one per round, by form. */
type RunsByContender = Map<string, (Record<string, Run> | null)[]>

/** The contenders and the number of rounds. */
export interface Conditions {
  contenders: Contender[]
  rounds: number
  /** Whether every second round has the reverse order, so that no contender is always first. */
  alternate?: boolean
  /** Called with a line about what runs now. */
  progress(line: string): void
}

/**
 * Runs a scenario `rounds` times. In each round all contenders take turns, so that changes in the speed of
 * the machine affect all of them. A contender that fails is left out of the round, and the result reports it.
 */
export async function compare(
  scenario: Scenario,
  { contenders: chosen, rounds, alternate = false, progress }: Conditions,
): Promise<Result> {
  const contenders = scenario.contenders ?? chosen
  const allRuns: RunsByContender = new Map(contenders.map(({ name }) => [name, []]))
  const problems: string[] = []
  const notes: string[] = []
  for (let round = 1; round <= rounds; round++) {
    const turns = alternate && round % 2 === 0 ? contenders.toReversed() : contenders
    for (const contender of turns) {
      const where = `${scenario.name} ${round}/${rounds} ${contender.name}`
      progress(where)
      const runs = await scenario.measure(contender).catch((error: Error) => {
        problems.push(`${where}: ${error.message}`)
        return null
      })
      for (const [form, run] of Object.entries(runs ?? {})) {
        problems.push(...run.invalid.map(reason => `${where}, ${form}: ${reason}`))
        notes.push(
          ...[...cautions(run), ...(run.remarks ?? [])].map(caution => `${where}, ${form}: ${caution}`),
        )
      }
      allRuns.get(contender.name)?.push(runs)
    }
  }
  const forms = scenario.forms.flatMap(form => {
    const entries = entriesOf(form, allRuns)
    // None of the chosen contenders takes part in this form.
    if (entries.length === 0) return []
    const goals = scenario.goals.filter(goal => goal.form === form.name).map(goal => checkGoal(goal, entries))
    return [{ ...form, entries, goals }]
  })
  return {
    scenario: scenario.name,
    title: scenario.title,
    date: new Date().toISOString(),
    ...machine(),
    pinned: cores !== undefined,
    forms,
    problems,
    notes,
  }
}

/** The entries of a form: its contenders, and our runs of the form that is shown beside it. */
function entriesOf({ name, players, beside }: Form, allRuns: RunsByContender): Entry[] {
  const entry = (contender: string, all: (Record<string, Run> | null)[], form: string): Entry => ({
    contender,
    rounds: all.map(runs => runs?.[form] ?? null),
  })
  const entries = [...allRuns]
    .filter(([contender]) => players?.includes(contender) ?? true)
    .map(([contender, all]) => entry(contender, all, name))
  const ours = beside && allRuns.get(OURS)
  return ours ? [...entries, entry(beside.as, ours, beside.form)] : entries
}

/** Reasons to be careful with the figures of a run. */
function cautions({ busy }: Run): string[] {
  const cautions: string[] = []
  if (!busy) return cautions
  if (busy.load >= LOAD_LIMIT) {
    cautions.push(`the load generator, not the server, was the bottleneck (${percent(busy.load)} of a core)`)
  }
  if (busy.displaced !== undefined && busy.displaced >= DISPLACED_LIMIT) {
    cautions.push(
      `other programs took the server's core for ${percent(busy.displaced)} of the time: do not trust its latency and speed`,
    )
  }
  return cautions
}
