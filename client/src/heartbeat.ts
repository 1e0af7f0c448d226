import type { Platform } from './platform.ts'
import { timer } from './timer.ts'

/** How long the server may take to answer a ping. */
const ANSWER_MS = 8_000

export interface Heartbeat {
  start(beatMs: number): void
  stop(): void
  /** Something came: whatever it is, it is a sign of life. */
  heard(): void
  /** Asks now; a question that is open goes on. */
  probe(): void
}

/**
 * Notices a server that is gone though the browser says that the socket is open: half-open lines stay "open" for
 * minutes. After a beat of silence it asks, and gives up when nothing at all is heard in answer. Only time after the
 * question counts, so a laptop that slept, or a tab whose timers are throttled, asks first too.
 */
export function heartbeat(platform: Platform, ping: () => void, silent: () => void): Heartbeat {
  const next = timer(platform)
  let everyMs = 0
  let isAsking = false
  /** When it is time to ask, or to give up. */
  let dueAt = 0

  function look(): void {
    const left = dueAt - platform.now()
    if (left > 0) next.set(left, look)
    else if (isAsking) silent()
    else probe()
  }

  function heard(): void {
    isAsking = false
    dueAt = platform.now() + everyMs
  }

  function probe(): void {
    if (isAsking) return
    isAsking = true
    dueAt = platform.now() + ANSWER_MS
    ping()
    look()
  }

  return {
    start(beatMs) {
      everyMs = beatMs
      heard()
      look()
    },
    stop: next.stop,
    heard,
    probe,
  }
}
