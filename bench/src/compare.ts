import type { Contender } from './contenders/contenders.ts'
import type { Entry, Form, Result, Run } from './figures.ts'
import { judge, OURS, percent } from './goals.ts'
import type { Scenario } from './scenarios/scenario.ts'
import { cores } from './stage.ts'
import { machine } from './system.ts'

/** Above this share of a core the load generator, not the server, may have set the pace. */
const LOAD_LIMIT = 0.9

/** Waiting for the core this share of the time, a server looks slower than it is. */
const DISPLACED_LIMIT = 0.1

/** The runs of each contender, a round after the other, by name of form. */
type Played = Map<string, (Record<string, Run> | null)[]>

/** With whom and how often a scenario is played. */
export interface Conditions {
  contenders: Contender[]
  rounds: number
  /** Whether every second round goes through the contenders backwards, so that neither of two always goes first. */
  alternate?: boolean
  /** Is told what runs now. */
  progress(line: string): void
}

/**
 * Plays a scenario `rounds` times with each contender in turn, so that a machine that gets slower gets slower for
 * all. A contender that fails is left out of the round, and the result says so.
 */
export async function compare(
  scenario: Scenario,
  { contenders: chosen, rounds, alternate = false, progress }: Conditions,
): Promise<Result> {
  const contenders = scenario.contenders ?? chosen
  const played: Played = new Map(contenders.map(({ name }) => [name, []]))
  const problems: string[] = []
  const notes: string[] = []
  for (let round = 1; round <= rounds; round++) {
    const turns = alternate && round % 2 === 0 ? contenders.toReversed() : contenders
    for (const contender of turns) {
      const where = `${scenario.name} ${round}/${rounds} ${contender.name}`
      progress(where)
      const runs = await scenario.play(contender).catch((error: Error) => {
        problems.push(`${where}: ${error.message}`)
        return null
      })
      for (const [form, run] of Object.entries(runs ?? {})) {
        problems.push(...run.invalid.map(reason => `${where}, ${form}: ${reason}`))
        notes.push(
          ...[...cautions(run), ...(run.remarks ?? [])].map(caution => `${where}, ${form}: ${caution}`),
        )
      }
      played.get(contender.name)?.push(runs)
    }
  }
  const forms = scenario.forms.flatMap(form => {
    const entries = entriesOf(form, played)
    // Those who were chosen may not play it.
    if (entries.length === 0) return []
    const goals = scenario.goals.filter(goal => goal.form === form.name).map(goal => judge(goal, entries))
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

/** The entries of a form: of those who play it, and of ours in the form that stands beside it. */
function entriesOf({ name, players, beside }: Form, played: Played): Entry[] {
  const entry = (contender: string, all: (Record<string, Run> | null)[], form: string): Entry => ({
    contender,
    rounds: all.map(runs => runs?.[form] ?? null),
  })
  const entries = [...played]
    .filter(([contender]) => players?.includes(contender) ?? true)
    .map(([contender, all]) => entry(contender, all, name))
  const ours = beside && played.get(OURS)
  return ours ? [...entries, entry(beside.as, ours, beside.form)] : entries
}

/** Why a run has to be read with care. */
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
