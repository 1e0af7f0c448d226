/** How long to wait before a new try, in ms. */
export interface Backoff {
  /** Before the first new try. It doubles with each further one. */
  readonly firstMs: number
  readonly maxMs: number
}

/**
 * How long to wait after some failures in a row. A random part keeps many readers from coming back at the same moment.
 *
 * @param failures from 1
 * @param atLeastMs what the server asked for
 */
export function waitAfter(failures: number, { firstMs, maxMs }: Backoff, atLeastMs = 0): number {
  const longest = Math.min(firstMs * 2 ** (failures - 1), maxMs)
  return atLeastMs + longest * (0.5 + Math.random() / 2)
}

/** Resolves after some ms. Rejects with the reason of the signal when it is aborted. */
export function sleep(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason)
    const end = () => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', end)
      if (signal?.aborted) reject(signal.reason)
      else resolve()
    }
    const timer = setTimeout(end, ms)
    signal?.addEventListener('abort', end)
  })
}
