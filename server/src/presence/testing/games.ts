/** How many games a property plays, as a parameter of `fc.assert`. */
export interface Games {
  readonly numRuns: number
  readonly endOnFailure: boolean
}

const LIMIT = Number(process.env['FC_RUNS'] ?? Number.POSITIVE_INFINITY)

/** Whether the environment variable `FC_RUNS` lowers the number of games, as it does in mutation tests. */
export const HAS_FEW_GAMES = Number.isFinite(LIMIT)

/** Plays this many games, or `FC_RUNS` if that is less. With few games a failure is not shrunk. */
export function games(usual: number): Games {
  return { numRuns: Math.min(usual, LIMIT), endOnFailure: HAS_FEW_GAMES }
}
