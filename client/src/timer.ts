import type { Platform } from './platform.ts'

/** Something that is done later, and once: what is set anew is no longer due as it was. */
export interface Timer {
  set(ms: number, task: () => void): void
  stop(): void
}

export function timer(platform: Platform): Timer {
  // Taken from their object: those of a browser are called on the window, or on nothing.
  const { setTimeout, clearTimeout } = platform
  let handle: unknown
  const stop = (): void => clearTimeout(handle)
  return {
    set(ms, task) {
      stop()
      handle = setTimeout(task, ms)
    },
    stop,
  }
}
