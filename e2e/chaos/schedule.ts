import { seeded } from '@who-is-online/testing/random'
import {
  type ClockOffset,
  type Fault,
  lengthOf,
  nameOf,
  type Output,
  restarts,
  SMALL_STEP_SECONDS,
  sentence,
  setsClock,
  touchesData,
} from './fault.ts'

// The faults of a run and their times: a pure function of the seed, so that a run can be repeated.

export interface Step {
  /** The time since the start of the run, in ms. */
  readonly at: number
  readonly fault: Fault
}

/**
 * A sequence of faults; all lanes run at the same time. The process and the data share one lane: if the
 * process were killed before it could save lost data again, the data would rightly be lost. Faults that set
 * the clock never overlap, also in different lanes.
 */
export type Lane = 'process and data' | 'log' | 'console' | 'clock' | 'small clock steps'

export type Schedule = Readonly<Record<Lane, readonly Step[]>>

/** The time after a fault of the data before the process may be killed: it saves again within 5 s. */
export const SAVED_AGAIN_MS = 7_000

/**
 * The time after a start before the process may be suspended, in ms, so that all clients are back. If a
 * client gives up a handshake during a suspension, the process later sees a lost connection, to which the
 * restart grace does not apply.
 */
export const ALL_BACK_MS = 12_000

/** After `every` steps, a lane pauses for `ms`. */
interface Rest {
  readonly every: number
  readonly ms: number
}

/** The process is left alone for a while, so that silent clients can be detected. */
const PROCESS_REST: Rest = { every: 7, ms: 33_000 }

/**
 * After a jump forward, users whose connection was lost may be held for the restart grace. Without jumps for
 * longer than that, the usual limits are checked.
 */
const CLOCK_REST: Rest = { every: 3, ms: 60_000 }

/** All faults are undone this long before the end, in ms. */
const QUIET_MS = 3_000

const HOUR = 3_600
const DAY = 24 * HOUR
const OFFSETS: readonly ClockOffset[] = [HOUR, -HOUR, 40 * DAY, -40 * DAY, '1970']
const OUTPUTS: readonly (readonly Output[])[] = [['stdout'], ['stderr'], ['stdout', 'stderr']]

/**
 * The longest suspension, in ms. In a short run it is a sixth of this, so that there is time for other
 * faults.
 */
const SUSPENDED_MS = 40_000
const SHORTEST_SUSPENDED_MS = 5_000

/** The gap before the first faults of the process, in ms: short, so that they fit into a short run. */
const FIRST_GAP_MS: readonly [number, number] = [1_500, 4_000]

/** The time between two faults of the clock in different lanes, in ms. */
const CLOCK_APART_MS = 3_000

/** The schedule of a run of `ms` milliseconds with this seed. */
export function schedule(seed: number, ms: number): Schedule {
  const longest = Math.max(SHORTEST_SUSPENDED_MS, Math.min(SUSPENDED_MS, ms / 6))
  const lane = (index: number, deck: Deck, options: Omit<LaneOptions, 'endMs'>) =>
    lay(dealer(deck, seeded(seed + index)), seeded(seed + index + LANES), {
      ...options,
      endMs: ms - QUIET_MS,
    })
  const process = lane(
    0,
    { first: combined, all: processAndData(longest) },
    { gapMs: [2_000, 8_000], firstGapMs: FIRST_GAP_MS, firstSteps: combined.length, rest: PROCESS_REST },
  )
  const clock = lane(
    3,
    { all: clocks },
    { gapMs: [2_000, 8_000], rest: CLOCK_REST, apartFrom: process.filter(({ fault }) => setsClock(fault)) },
  )
  const apartFrom = [...process, ...clock].filter(({ fault }) => setsClock(fault))
  return {
    'process and data': process,
    log: lane(1, { all: log }, { gapMs: [4_000, 12_000] }),
    console: lane(2, { all: consoles }, { gapMs: [3_000, 10_000] }),
    clock,
    'small clock steps': lane(4, { all: smallSteps }, { gapMs: [2_000, 8_000], apartFrom }),
  }
}

/** More than the number of lanes, so that all generators have different seeds. */
const LANES = 1_000

type Draw = (random: () => number) => Fault

/** All kinds of faults of a lane, and those that come first. */
interface Deck {
  readonly first?: readonly Draw[]
  readonly all: readonly Draw[]
}

/** Faults of the clock together with others. Each of them occurs in every run, in random order. */
const combined: Draw[] = [
  random => ({
    do: 'wrong-start',
    by: random() < 0.5 ? 'kill' : 'terminate',
    offset: oneOf(random, OFFSETS),
    outageMs: between(random, 0, 2_000),
    forMs: between(random, 2_000, 6_000),
  }),
  random => ({
    do: 'wrong-kill',
    offset: oneOf(random, OFFSETS),
    forMs: between(random, 2_000, 6_000),
    outageMs: between(random, 0, 3_000),
  }),
  random => ({
    do: 'sleep',
    jumpSeconds: between(random, 30, 120),
    cutAfterMs: between(random, -1_000, 1_000),
  }),
]

const processAndData = (longestMs: number): Draw[] => [
  ...combined,
  random => ({ do: 'kill', outageMs: between(random, 0, 6_000) }),
  random => ({ do: 'kill', outageMs: between(random, 0, 12_000) }),
  random => ({ do: 'terminate', outageMs: between(random, 0, 8_000) }),
  // Mostly short ones: long ones do not test more.
  random => ({
    do: 'suspend',
    forMs: SHORTEST_SUSPENDED_MS + Math.round((longestMs - SHORTEST_SUSPENDED_MS) * random() ** 2),
  }),
  random => ({ do: 'fill', volume: 'data', forMs: between(random, 3_000, 12_000) }),
  () => ({ do: 'remove', directories: ['data'] }),
  () => ({ do: 'remove', directories: ['data', 'log'] }),
]

const log: Draw[] = [
  random => ({ do: 'fill', volume: 'log', forMs: between(random, 3_000, 15_000) }),
  () => ({ do: 'remove', directories: ['log'] }),
]

const consoles: Draw[] = OUTPUTS.flatMap((outputs): Draw[] => [
  () => ({ do: 'close', outputs }),
  random => ({ do: 'stall', outputs, forMs: between(random, 3_000, 20_000) }),
])

const clocks: Draw[] = OFFSETS.map(
  offset => random => ({ do: 'clock', offset, forMs: between(random, 1_000, 20_000) }) as const,
)

/** One to five seconds forward, and the same back. */
const smallSteps: Draw[] = [1, -1].map(
  sign => random =>
    ({
      do: 'clock',
      offset: sign * between(random, 1, SMALL_STEP_SECONDS),
      forMs: between(random, 2_000, 10_000),
    }) as const,
)

/** Returns every fault once, in random order, before any of them again. */
function dealer({ first = [], all }: Deck, random: () => number): () => Fault {
  let rest = [...first]
  return () => {
    if (rest.length === 0) rest = [...all]
    const [draw] = rest.splice(Math.floor(random() * rest.length), 1)
    return (draw as Draw)(random)
  }
}

interface LaneOptions {
  readonly gapMs: readonly [number, number]
  /** Another gap for the first steps. */
  readonly firstGapMs?: readonly [number, number]
  readonly firstSteps?: number
  readonly endMs: number
  readonly rest?: Rest
  /** Steps of other lanes that the steps of this one must not overlap. */
  readonly apartFrom?: readonly Step[]
}

function lay(deal: () => Fault, random: () => number, options: LaneOptions): Step[] {
  const { gapMs, firstGapMs = gapMs, firstSteps = 0, endMs, rest, apartFrom = [] } = options
  const steps: Step[] = []
  let free = 0
  let needsSave = false
  let allBackAt = 0
  for (;;) {
    const fault = deal()
    const isRest = rest !== undefined && steps.length % rest.every === rest.every - 1
    const gap = between(random, ...(steps.length < firstSteps ? firstGapMs : gapMs))
    const needsAll = fault.do === 'suspend' || fault.do === 'sleep'
    const earliest = restarts(fault) && needsSave ? free + SAVED_AGAIN_MS : needsAll ? allBackAt : 0
    const at = firstFree(Math.max(free + (isRest ? rest.ms : gap), earliest), lengthOf(fault), apartFrom)
    if (at + lengthOf(fault) > endMs) return steps
    steps.push({ at, fault })
    free = at + lengthOf(fault)
    // A suspended process can't save, so this time does not count.
    if (restarts(fault)) allBackAt = free + ALL_BACK_MS
    needsSave = touchesData(fault) || (needsSave && fault.do === 'suspend')
  }
}

/** The first time from `at` on at which something of this length is far enough from all these steps. */
function firstFree(at: number, lengthMs: number, steps: readonly Step[]): number {
  const blocking = steps.find(
    step => at + lengthMs + CLOCK_APART_MS > step.at && at < step.at + lengthOf(step.fault) + CLOCK_APART_MS,
  )
  if (!blocking) return at
  return firstFree(blocking.at + lengthOf(blocking.fault) + CLOCK_APART_MS, lengthMs, steps)
}

function oneOf<Value>(random: () => number, values: readonly Value[]): Value {
  return values[Math.floor(random() * values.length)] as Value
}

function between(random: () => number, from: number, to: number): number {
  return Math.round(from + random() * (to - from))
}

/**
 * The schedule with only some kinds of faults, at unchanged times. Use it to find the fault that causes a
 * failure.
 */
export function only(all: Schedule, kinds: readonly string[]): Schedule {
  const keep = (steps: readonly Step[]) => steps.filter(({ fault }) => kinds.includes(fault.do))
  return Object.fromEntries(
    Object.entries(all).map(([lane, steps]) => [lane, keep(steps)]),
  ) as unknown as Schedule
}

/** The schedule as a list of lines in chronological order. */
export function describe(all: Schedule): string[] {
  return Object.values(all)
    .flat()
    .toSorted((a, b) => a.at - b.at)
    .map(({ at, fault }) => `${(at / 1_000).toFixed(1).padStart(6)} s  ${sentence(fault)}`)
}

/** How often each kind of fault occurs. */
export function count(all: Schedule): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { fault } of Object.values(all).flat()) {
    const name = nameOf(fault)
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}
