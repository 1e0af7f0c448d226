import type { Latency } from './load/orders.ts'

/** A variant of a scenario. Contenders are compared within a form. */
export interface Form {
  name: string
  /** A description with the sizes. */
  title: string
  /** The unit of `cost`. */
  unit: string
  /** What is counted. Default: messages. */
  counted?: string
  /** The names of the contenders that take part. Default: all. */
  players?: string[]
  /** Whether only `cost` is compared between builds; other figures describe the preparation. */
  costOnly?: boolean
  /** Another form whose runs of our build are shown beside these, under another name. */
  beside?: { form: string; as: string }
}

/** The result of one contender in one form and one round. */
export interface Run {
  /**
   * The compared figure in the unit of the form; less is better. `undefined` if the system does not report
   * it.
   */
  cost: number | undefined
  /** CPU seconds per million deliveries, if `cost` is something else. */
  perDelivery?: number
  /** What clients received, if messages were sent to them. */
  delivered?: Delivered
  latencyMs?: Latency
  /** The share of the planned changes that were made; less than 1 with a slow server. */
  carried?: number
  busy?: Busy
  /** What else a cluster costs. */
  cluster?: ClusterFigures
  /** Errors; with an entry here, the run is invalid. */
  invalid: string[]
  /** Remarks for the reader. */
  remarks?: string[]
}

interface Delivered {
  /** Messages, or users in diffs, that clients received, and how many they had to receive. */
  counted: number
  expected: number
  /** The number of frames, if it is different or more important. */
  frames?: number
  bytes?: number
  /** The time from the first frame sent to the last expected frame received. */
  seconds: number
}

/** Figures of several nodes and their Redis. A single node has only a part of them. */
export interface ClusterFigures {
  /** The same as `cost`, of the other nodes on average, of Redis, and of all together. */
  other?: number
  redis?: number
  all?: number
  /** Commands that the nodes sent to Redis, in a second. */
  commandsPerSecond?: number
  /** The same, and the commands that their scripts called. */
  executedPerSecond?: number
  entriesPerSecond?: number
  /** The latency at clients of other nodes. */
  elsewhereMs?: Latency
}

/** Shares of the elapsed time of a run; `undefined` if the system does not report them. */
interface Busy {
  /** CPU time of the server and the load generator. */
  server: number | undefined
  load: number
  /** Time in which the server waited for its core, because other programs used it. */
  displaced: number | undefined
}

/** A figure over several rounds. */
export interface Spread {
  median: number
  min: number
  max: number
}

/** All rounds of one contender in one form. A failed round is `null`. */
export interface Entry {
  contender: string
  rounds: (Run | null)[]
}

/** The result of one scenario. */
export interface Result {
  scenario: string
  title: string
  date: string
  node: string
  cpu: string
  cores: number
  /** Whether server and load generator each had their own core; absent without a server. */
  pinned?: boolean
  commit?: string
  forms: (Form & { entries: Entry[]; goals: Verdict[] })[]
  /** Sentences about runs that failed or had wrong counts. */
  problems: string[]
  /** Sentences about runs that must be read with care. */
  notes: string[]
}

/** A goal of performance.md, and whether it was reached. */
export interface Verdict {
  goal: string
  /** The measured value as text. */
  measured: string
  verdict: 'met' | 'not met' | 'not measured'
}

/** How goals and tables read figures from a run. */
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
  otherCost: ({ cluster }: Run) => cluster?.other,
  redisCost: ({ cluster }: Run) => cluster?.redis,
  allCost: ({ cluster }: Run) => cluster?.all,
  commands: ({ cluster }: Run) => cluster?.commandsPerSecond,
  executed: ({ cluster }: Run) => cluster?.executedPerSecond,
  entries: ({ cluster }: Run) => cluster?.entriesPerSecond,
  p50Elsewhere: ({ cluster }: Run) => cluster?.elsewhereMs?.p50,
  p99Elsewhere: ({ cluster }: Run) => cluster?.elsewhereMs?.p99,
  server: (run: Run) => run.busy?.server,
  load: (run: Run) => run.busy?.load,
} satisfies Record<string, (run: Run) => number | undefined>

export type FigureName = keyof typeof figure

/** A figure over the valid rounds of an entry. */
export function spread(entry: Entry | undefined, name: FigureName): Spread | undefined {
  return summarize((entry?.rounds ?? []).map(run => valid(run, name)))
}

/**
 * A figure as a multiple of another entry's, within each round: the speed of a machine changes between
 * rounds.
 */
export function ratio(
  entry: Entry | undefined,
  than: Entry | undefined,
  name: FigureName,
): Spread | undefined {
  return summarize(ratios(entry, than, name))
}

/** The ratios of all rounds in which both were measured. */
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
