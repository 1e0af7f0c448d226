import type { Platform } from './platform.ts'

/** The longest that a timer can wait: told to wait longer, it does not wait at all. */
const MAX_MS = 0x7fff_ffff

/** Something that is done later, and once: what is set anew is no longer due as it was. */
export interface Timer {
  set(ms: number, task: () => void): void
  stop(): void
}

/** Takes the two from their object: those of a browser are called on the window, or on nothing. */
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
