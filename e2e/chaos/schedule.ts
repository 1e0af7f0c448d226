import { seeded } from '@who-is-online/testing/random'

// What happens to the server and when. A pure function of the seed, so that a run can be repeated.

export type Volume = 'data' | 'log'
export type Output = 'stdout' | 'stderr'

/** Something done to the server. Times are in ms; `forMs` is how long it lasts until it is undone. */
export type Fault =
  /** SIGKILL, and a start on the same data after the outage. */
  | { readonly do: 'kill'; readonly outageMs: number }
  /** SIGTERM, and a start after the outage. */
  | { readonly do: 'terminate'; readonly outageMs: number }
  /** SIGSTOP, later SIGCONT. */
  | { readonly do: 'suspend'; readonly forMs: number }
  /** No byte is left on a volume, until it is emptied. */
  | { readonly do: 'fill'; readonly volume: Volume; readonly forMs: number }
  /** `rm -r` of directories; nobody makes them again but the server. */
  | { readonly do: 'remove'; readonly directories: readonly Volume[] }
  /** The reader of the console goes away, until the next start. */
  | { readonly do: 'close'; readonly outputs: readonly Output[] }
  /** The reader of the console stops reading, with the pipe full. */
  | { readonly do: 'stall'; readonly outputs: readonly Output[]; readonly forMs: number }
  /** The wall clock of the server is off by so many seconds; `1970` is the start of the epoch. */
  | { readonly do: 'clock'; readonly offset: ClockOffset; readonly forMs: number }

/** How far off the wall clock is, in seconds. */
export type ClockOffset = number | '1970'

export interface Step {
  /** After the beginning of the run, in ms. */
  readonly at: number
  readonly fault: Fault
}

/**
 * Steps that happen one after the other; several lanes run at the same time. The process and the data share one: a
 * kill before what was lost could be saved again would lose it, and rightly so.
 */
export type Lane = 'process and data' | 'log' | 'console' | 'clock'

export type Schedule = Readonly<Record<Lane, readonly Step[]>>

/** After a fault of the data, time to save again (5 s, SPEC [S7]) and some more, before the process may be killed. */
export const SAVED_AGAIN_MS = 7_000

/**
 * After a start, time for every client to be back before the process is suspended, in ms. A handshake that a client
 * gave up meanwhile is a lost connection when the process goes on, and has the grace of one, not that of a restart.
 */
export const ALL_BACK_MS = 12_000

/** After so many steps the process is left alone for so long, in ms: a client that fell silent must be found out. */
const STEPS_BEFORE_REST = 7
const REST_MS = 33_000

/** Everything is undone this long before the end. */
const QUIET_MS = 3_000

const HOUR = 3_600
const DAY = 24 * HOUR
const OFFSETS: readonly ClockOffset[] = [HOUR, -HOUR, 40 * DAY, -40 * DAY, '1970']
const OUTPUTS: readonly (readonly Output[])[] = [['stdout'], ['stderr'], ['stdout', 'stderr']]

/** The longest suspension, in ms; in a short run a sixth of it, so that there is room for the rest. */
const SUSPENDED_MS = 40_000
const SHORTEST_SUSPENDED_MS = 5_000

/** What happens in `ms` milliseconds with this seed. */
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

/** More than there are lanes, so that no two generators have the same seed. */
const LANES = 1_000

type Draw = (random: () => number) => Fault

const processAndData = (longestMs: number): Draw[] => [
  random => ({ do: 'kill', outageMs: between(random, 0, 6_000) }),
  random => ({ do: 'kill', outageMs: between(random, 0, 12_000) }),
  random => ({ do: 'terminate', outageMs: between(random, 0, 8_000) }),
  // Short ones more often: a long one tells no more.
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

/** Deals every fault once before any of them again, each time in another order. */
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
    // What passes while the process stands still is no time in which it could save.
    if (ends) allBackAt = free + ALL_BACK_MS
    needsSave = touchesData(fault) || (needsSave && fault.do === 'suspend')
  }
}

/** From the beginning of a fault until it is undone, in ms. */
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

/** The same with some kinds of fault left out, and everything else at the same time: to find out which one does it. */
export function only(all: Schedule, kinds: readonly string[]): Schedule {
  const keep = (steps: readonly Step[]) => steps.filter(({ fault }) => kinds.includes(fault.do))
  return Object.fromEntries(
    Object.entries(all).map(([lane, steps]) => [lane, keep(steps)]),
  ) as unknown as Schedule
}

/** The schedule as a list, in the order in which it happens. */
export function describe(all: Schedule): string[] {
  return Object.values(all)
    .flat()
    .toSorted((a, b) => a.at - b.at)
    .map(({ at, fault }) => `${(at / 1_000).toFixed(1).padStart(6)} s  ${sentence(fault)}`)
}

/** How often each fault happens. */
export function count(all: Schedule): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const { fault } of Object.values(all).flat()) {
    const name = nameOf(fault)
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

/** What a fault is called in reports. */
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
