import type { Platform } from './platform.ts'

/** Something that is done later, and once: what is set anew is no longer due as it was. */
export interface Timer {
  set(ms: number, task: () => void): void
  stop(): void
}

export function timer(platform: Platform): Timer {
  let handle: unknown
  const stop = (): void => platform.clearTimeout(handle)
  return {
    set(ms, task) {
      stop()
      handle = platform.setTimeout(task, ms)
    },
    stop,
  }
}
