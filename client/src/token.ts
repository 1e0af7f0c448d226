/** How long before its end a token is renewed. */
const AHEAD_MS = 30_000

/** The longest that a timer can wait. */
const MAX_TIMER_MS = 0x7fff_ffff

/**
 * In how many milliseconds a token should be renewed, by the server's clock; undefined when it does not say when it
 * ends. The signature is the server's business.
 */
export function renewIn(
  token: string,
  serverTime: string,
  atob: ((text: string) => string) | undefined,
): number | undefined {
  try {
    const claims = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')
    const { exp } = JSON.parse(atob?.(claims) ?? '{}') as { exp?: unknown }
    if (typeof exp !== 'number') return undefined
    const left = exp * 1_000 - Date.parse(serverTime)
    return Math.min(MAX_TIMER_MS, Math.max(1_000, left - AHEAD_MS, left / 2))
  } catch {
    return undefined
  }
}
