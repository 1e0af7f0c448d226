/**
 * In how many milliseconds a token ends, by the server's clock; `NaN` when it does not say. The signature is the
 * server's business.
 */
export function lifeMs(
  token: string,
  serverTime: string,
  atob: ((text: string) => string) | undefined,
): number {
  try {
    const claims = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/')
    const { exp } = JSON.parse(atob?.(claims) ?? '{}') as { exp?: unknown }
    return Number(exp) * 1_000 - Date.parse(serverTime)
  } catch {
    return Number.NaN
  }
}
