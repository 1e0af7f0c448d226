import type { Platform } from './platform.ts'

/** Longest delay of a timer, in ms. A longer one would fire at once. */
const MAX_MS = 0x7fff_ffff

/** A timer that runs one task once. */
export interface Timer {
  /** Runs `task` after `ms` milliseconds, instead of the task that was set before. */
  set(ms: number, task: () => void): void
  stop(): void
}

/** Makes a timer that is not running. */
export function timer({ setTimeout, clearTimeout }: Platform): Timer {
  let handle: unknown
  const stop = (): void => clearTimeout(handle)
  return {
    set(ms, task) {
      stop()
      handle = setTimeout(task, Math.min(ms, MAX_MS))
    },
    stop,
  }
}
