import { seeded } from '@who-is-online/testing/random'

// The faults of a run and their times: a pure function of the seed, so that a run can be repeated.

export type Volume = 'data' | 'log'
export type Output = 'stdout' | 'stderr'

/** A fault. Times are in ms; `forMs` is how long it lasts. */
export type Fault =
  /** SIGKILL, and a start with the same data after the outage. */
  | { readonly do: 'kill'; readonly outageMs: number }
  /** SIGTERM, and a start after the outage. */
  | { readonly do: 'terminate'; readonly outageMs: number }
  /** SIGSTOP, later SIGCONT. */
  | { readonly do: 'suspend'; readonly forMs: number }
  /** A volume is completely full. */
  | { readonly do: 'fill'; readonly volume: Volume; readonly forMs: number }
  /** `rm -r` of directories. Only the server creates them again. */
  | { readonly do: 'remove'; readonly directories: readonly Volume[] }
  /** The reader of the console is closed, until the next start. */
  | { readonly do: 'close'; readonly outputs: readonly Output[] }
  /** The reader of the console stops reading, and the pipe is full. */
  | { readonly do: 'stall'; readonly outputs: readonly Output[]; readonly forMs: number }
  /** The wall clock of the server is wrong by `offset`. */
  | { readonly do: 'clock'; readonly offset: ClockOffset; readonly forMs: number }

/** The error of the wall clock in seconds; `1970` sets it to the start of the epoch. */
export type ClockOffset = number | '1970'

export interface Step {
  /** The time since the start of the run, in ms. */
  readonly at: number
  readonly fault: Fault
}

/**
 * A sequence of faults; all lanes run at the same time. The process and the data share one lane: if the
 * process were killed before it could save lost data again, the data would rightly be lost.
 */
export type Lane = 'process and data' | 'log' | 'console' | 'clock'

export type Schedule = Readonly<Record<Lane, readonly Step[]>>

/** The time after a fault of the data before the process may be killed: it saves again within 5 s. */
export const SAVED_AGAIN_MS = 7_000

/**
 * The time after a start before the process may be suspended, in ms, so that all clients are back. If a
 * client gives up a handshake during a suspension, the process later sees a lost connection, to which the
 * restart grace does not apply.
 */
export const ALL_BACK_MS = 12_000

/**
 * After this many steps, the process is left alone for a while (ms), so that silent clients can be detected.
 */
const STEPS_BEFORE_REST = 7
const REST_MS = 33_000

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

/** The schedule of a run of `ms` milliseconds with this seed. */
export function schedule(seed: number, ms: number): Schedule {
  const longest = Math.max(SHORTEST_SUSPENDED_MS, Math.min(SUSPENDED_MS, ms / 6))
  const lane = (index: number, deck: Draw[], gapMs: [number, number], hasRests = false) =>
    lay(dealer(deck, seeded(seed + index)), seeded(seed + index + LANES), gapMs, ms - QUIET_MS, hasRests)
  return {
    'process and data': lane(0, processAndData(longest), [2_000, 8_000], true),
    log: lane(1, log, [4_000, 12_000]),
    console: lane(2, consoles, [3_000, 10_000]),
    clock: lane(3, clocks, [2_000, 8_000]),
  }
}

/** More than the number of lanes, so that all generators have different seeds. */
const LANES = 1_000

type Draw = (random: () => number) => Fault

const processAndData = (longestMs: number): Draw[] => [
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

/** Returns every fault once, in random order, before any of them again. */
function dealer(deck: Draw[], random: () => number): () => Fault {
  let rest: Draw[] = []
  return () => {
    if (rest.length === 0) rest = [...deck]
    const [draw] = rest.splice(Math.floor(random() * rest.length), 1)
    return (draw as Draw)(random)
  }
}

function lay(
  deal: () => Fault,
  random: () => number,
  gapMs: [number, number],
  endMs: number,
  hasRests: boolean,
): Step[] {
  const steps: Step[] = []
  let free = 0
  let needsSave = false
  let allBackAt = 0
  for (;;) {
    const fault = deal()
    const ends = fault.do === 'kill' || fault.do === 'terminate'
    const isRest = hasRests && steps.length % STEPS_BEFORE_REST === STEPS_BEFORE_REST - 1
    const gap = isRest ? REST_MS : between(random, ...gapMs)
    const earliest = ends && needsSave ? free + SAVED_AGAIN_MS : fault.do === 'suspend' ? allBackAt : 0
    const at = Math.max(free + gap, earliest)
    if (at + lengthOf(fault) > endMs) return steps
    steps.push({ at, fault })
    free = at + lengthOf(fault)
    // A suspended process can't save, so this time does not count.
    if (ends) allBackAt = free + ALL_BACK_MS
    needsSave = touchesData(fault) || (needsSave && fault.do === 'suspend')
  }
}

/** How long a fault lasts, in ms. */
function lengthOf(fault: Fault): number {
  if ('forMs' in fault) return fault.forMs
  return 'outageMs' in fault ? fault.outageMs : 0
}

function touchesData(fault: Fault): boolean {
  return fault.do === 'remove'
    ? fault.directories.includes('data')
    : fault.do === 'fill' && fault.volume === 'data'
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

/** The name of a fault in reports. */
export function nameOf(fault: Fault): string {
  switch (fault.do) {
    case 'fill':
      return `fill ${fault.volume}`
    case 'remove':
      return `remove ${fault.directories.join(' and ')}`
    case 'close':
    case 'stall':
      return `${fault.do} ${fault.outputs.join(' and ')}`
    case 'clock':
      return `clock ${fault.offset === '1970' ? '1970' : `${fault.offset > 0 ? '+' : ''}${fault.offset / HOUR} h`}`
    default:
      return fault.do
  }
}

function sentence(fault: Fault): string {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  if ('outageMs' in fault) return `${nameOf(fault)}, start after ${seconds(fault.outageMs)}`
  return 'forMs' in fault ? `${nameOf(fault)} for ${seconds(fault.forMs)}` : nameOf(fault)
}
