import type { Latency } from './load/orders.ts'

/** One of the ways a scenario is played; contenders are compared within a form. */
export interface Form {
  name: string
  /** What happens, with its sizes. */
  title: string
  /** The unit of `cost`. */
  unit: string
  /** What is delivered; messages, if it does not say. */
  counted?: string
  /** Who plays it, where it is not everybody. */
  players?: string[]
  /** Whether its other figures only say how it was prepared, so that builds are not compared by them. */
  costOnly?: boolean
  /** Another form whose runs of ours stand beside these, under another name. */
  beside?: { form: string; as: string }
}

/** What one contender gave in one form in one round. */
export interface Run {
  /** The figure compared, in the form's unit; less is better. `undefined` where the system does not tell. */
  cost: number | undefined
  /** CPU seconds per million deliveries, where the cost is something else. */
  perDelivery?: number
  /** What reached clients, where clients were told something. */
  delivered?: Delivered
  latencyMs?: Latency
  /** Share of the planned changes that a slow server let the drivers make. */
  carried?: number
  busy?: Busy
  /** What was wrong; with an entry here the run proves nothing. */
  invalid: string[]
  /** What readers should know. */
  remarks?: string[]
}

interface Delivered {
  /** Messages, or users in diffs, that reached clients, and how many had to. */
  counted: number
  expected: number
  /** The frames that brought them, where that is another number or the one that matters. */
  frames?: number
  bytes?: number
  /** From the first frame sent to the last expected one received. */
  seconds: number
}

/** Shares of the wall time of a run; `undefined` where the system does not tell. */
interface Busy {
  /** CPU of the server and of the load generator. */
  server: number | undefined
  load: number
  /** When the server could have run but its core was taken by other programs. */
  displaced: number | undefined
}

/** Several rounds in one figure. */
export interface Spread {
  median: number
  min: number
  max: number
}

/** All rounds of one contender in one form. A round that failed as a whole is `null`. */
export interface Entry {
  contender: string
  rounds: (Run | null)[]
}

/** One scenario, measured. */
export interface Result {
  scenario: string
  title: string
  date: string
  node: string
  cpu: string
  cores: number
  /** Whether server and load each had a core of their own; absent where there is no server. */
  pinned?: boolean
  commit?: string
  forms: (Form & { entries: Entry[]; goals: Verdict[] })[]
  /** Runs that failed or whose counts were wrong, as sentences. */
  problems: string[]
  /** Runs to be read with care, as sentences. */
  notes: string[]
}

/** A promise of performance.md, and what came of it. */
export interface Verdict {
  goal: string
  /** What was measured, for readers. */
  measured: string
  verdict: 'met' | 'not met' | 'not measured'
}

/** The figures that goals and tables read from a run. */
const figure = {
  cost: (run: Run) => run.cost,
  perDelivery: (run: Run) => run.perDelivery,
  p50: (run: Run) => run.latencyMs?.p50,
  p99: (run: Run) => run.latencyMs?.p99,
  perSecond: (run: Run) => run.delivered && run.delivered.counted / run.delivered.seconds,
  framesPerSecond: ({ delivered }: Run) => delivered?.frames && delivered.frames / delivered.seconds,
  perFrame: ({ delivered }: Run) => delivered?.frames && delivered.counted / delivered.frames,
  bytes: ({ delivered }: Run) => delivered?.bytes && delivered.bytes / delivered.counted,
  seconds: (run: Run) => run.delivered?.seconds,
  carried: (run: Run) => run.carried,
  server: (run: Run) => run.busy?.server,
  load: (run: Run) => run.busy?.load,
} satisfies Record<string, (run: Run) => number | undefined>

export type FigureName = keyof typeof figure

/** A figure over the valid rounds of an entry. */
export function spread(entry: Entry | undefined, name: FigureName): Spread | undefined {
  return summarize((entry?.rounds ?? []).map(run => valid(run, name)))
}

/** One entry's figure as a multiple of another's, taken within each round: machines drift, rounds don't. */
export function ratio(
  entry: Entry | undefined,
  than: Entry | undefined,
  name: FigureName,
): Spread | undefined {
  return summarize(ratios(entry, than, name))
}

/** The same of each round in which both were measured. */
export function ratios(entry: Entry | undefined, than: Entry | undefined, name: FigureName): number[] {
  return (entry?.rounds ?? []).flatMap((run, round) => {
    const upper = valid(run, name)
    const lower = valid(than?.rounds[round] ?? null, name)
    return upper === undefined || !lower ? [] : [upper / lower]
  })
}

function valid(run: Run | null, name: FigureName): number | undefined {
  return run && run.invalid.length === 0 ? figure[name](run) : undefined
}

function summarize(values: (number | undefined)[]): Spread | undefined {
  const sorted = values.filter(value => value !== undefined).sort((a, b) => a - b)
  const [min, max] = [sorted[0], sorted.at(-1)]
  if (min === undefined || max === undefined) return undefined
  const middle = sorted.slice((sorted.length - 1) >> 1, (sorted.length >> 1) + 1)
  return { median: middle.reduce((sum, value) => sum + value, 0) / middle.length, min, max }
}
