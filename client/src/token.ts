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
    const [, claims = ''] = token.split('.')
    const text = atob?.(claims.replaceAll('-', '+').replaceAll('_', '/'))
    const { exp }: { exp: number } = JSON.parse(text ?? '')
    return exp * 1_000 - Date.parse(serverTime)
  } catch {
    return Number.NaN
  }
}
