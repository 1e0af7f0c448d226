/**
 * Returns when a JWT expires, in ms since the epoch; `NaN` if it does not say so, is no JWT, or is undefined. Does not
 * verify the signature: that is the server's task.
 */
export function expiryOf(token: string | undefined, atob: ((text: string) => string) | undefined): number {
  try {
    // Each of these steps throws for something that is not a JWT.
    const claims = ((token as string).split('.')[1] as string).replace(/-/g, '+').replace(/_/g, '/')
    const { exp }: { exp: number } = JSON.parse(atob?.(claims) as string)
    return exp * 1_000
  } catch {
    return Number.NaN
  }
}
