/**
 * Returns how many milliseconds after `serverTime` a JWT expires; `NaN` if it does not say so, is no JWT, or
 * is undefined. Does not verify the signature: that is the server's task.
 */
export function remainingMs(
  token: string | undefined,
  serverTime: string,
  atob: ((text: string) => string) | undefined,
): number {
  try {
    // Each of these steps throws for something that is not a JWT.
    const claims = ((token as string).split('.')[1] as string).replace(/-/g, '+').replace(/_/g, '/')
    const { exp }: { exp: number } = JSON.parse(atob?.(claims) as string)
    return exp * 1_000 - Date.parse(serverTime)
  } catch {
    return Number.NaN
  }
}
