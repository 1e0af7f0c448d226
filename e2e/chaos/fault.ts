// The kinds of faults, and their names in reports.

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
  /** The process ends while its clock is right. It starts while the clock is wrong, until `forMs` after that. */
  | {
      readonly do: 'wrong-start'
      readonly by: 'kill' | 'terminate'
      readonly offset: ClockOffset
      readonly outageMs: number
      readonly forMs: number
    }
  /** The clock is wrong for `forMs`, then SIGKILL. The clock is right again before the start. */
  | {
      readonly do: 'wrong-kill'
      readonly offset: ClockOffset
      readonly forMs: number
      readonly outageMs: number
    }
  /**
   * The machine sleeps, or its VM is paused: the wall clock jumps forward, and the steady clock does not. All
   * connections are cut `cutAfterMs` after the jump, or before it if that is negative. The clients come back
   * after `SLEEP_AWAY_MS`.
   */
  | { readonly do: 'sleep'; readonly jumpSeconds: number; readonly cutAfterMs: number }
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

/** The largest error of the clock that counts as a small step, in seconds: the server follows it slowly. */
export const SMALL_STEP_SECONDS = 5

/** How long clients are away after a sleep, in ms: longer than the grace, shorter than the restart grace. */
export const SLEEP_AWAY_MS: readonly [number, number] = [8_000, 12_000]

const HOUR = 3_600

/** How long a fault lasts, in ms. */
export function lengthOf(fault: Fault): number {
  if (fault.do === 'sleep') return Math.abs(fault.cutAfterMs) + SLEEP_AWAY_MS[1]
  return ('forMs' in fault ? fault.forMs : 0) + ('outageMs' in fault ? fault.outageMs : 0)
}

/** Whether the process ends and starts again. */
export function restarts({ do: kind }: Fault): boolean {
  return kind === 'kill' || kind === 'terminate' || kind === 'wrong-start' || kind === 'wrong-kill'
}

/** Whether a fault sets the clock. Two such faults never overlap. */
export function setsClock({ do: kind }: Fault): boolean {
  return kind === 'clock' || kind === 'sleep' || kind === 'wrong-start' || kind === 'wrong-kill'
}

export function touchesData(fault: Fault): boolean {
  return fault.do === 'remove'
    ? fault.directories.includes('data')
    : fault.do === 'fill' && fault.volume === 'data'
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
      return `clock ${isSmallStep(fault.offset) ? 'step' : offsetName(fault.offset)}`
    default:
      return fault.do
  }
}

/** A fault with its times, as a line of a report. */
export function sentence(fault: Fault): string {
  const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`
  switch (fault.do) {
    case 'wrong-start':
      return `wrong-start: ${fault.by}, start after ${seconds(fault.outageMs)} with the clock at ${offsetName(fault.offset)}, right after ${seconds(fault.forMs)}`
    case 'wrong-kill':
      return `wrong-kill: clock at ${offsetName(fault.offset)} for ${seconds(fault.forMs)}, kill, start after ${seconds(fault.outageMs)} with the right clock`
    case 'sleep':
      return `sleep: clock +${fault.jumpSeconds} s, connections cut ${seconds(Math.abs(fault.cutAfterMs))} ${fault.cutAfterMs < 0 ? 'before' : 'after'} that`
    case 'clock':
      return `clock ${offsetName(fault.offset)} for ${seconds(fault.forMs)}`
    case 'kill':
    case 'terminate':
      return `${nameOf(fault)}, start after ${seconds(fault.outageMs)}`
    default:
      return 'forMs' in fault ? `${nameOf(fault)} for ${seconds(fault.forMs)}` : nameOf(fault)
  }
}

/** Whether the clock differs so little that the server follows it slowly. */
export function isSmallStep(offset: ClockOffset): boolean {
  return offset !== '1970' && Math.abs(offset) <= SMALL_STEP_SECONDS
}

function offsetName(offset: ClockOffset): string {
  if (offset === '1970') return '1970'
  const sign = offset > 0 ? '+' : ''
  return Math.abs(offset) < HOUR ? `${sign}${offset} s` : `${sign}${offset / HOUR} h`
}
