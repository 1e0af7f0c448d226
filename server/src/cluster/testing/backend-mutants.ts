import type { Mutant as FileMutant } from '@who-is-online/testing/mutated-copies'

/**
 * An error that was put into how nodes treat a status that a backend has set: in one file, `line` is replaced. The
 * simulator with a backend has to find each of them. The tests of the modules find errors that need more at once.
 */
export type BackendMutant = FileMutant<
  'cluster/compose.ts' | 'cluster/open-choices.ts' | 'presence/user.ts'
> & {
  /** A seed that finds it. After a change, the test searches for another one and prints it. */
  readonly seed: number
}

export const BACKEND_MUTANTS: readonly BackendMutant[] = [
  {
    name: 'the register does not tell that no session has the choice',
    file: 'cluster/compose.ts',
    line: 'const since = user.isSetAhead ? NO_SESSION_YET : undefined',
    becomes: 'const since = undefined',
    seed: 107,
  },
  {
    name: 'a choice counts before a node with a session has it',
    file: 'cluster/open-choices.ts',
    line: 'if (isKnown && known.keptSince !== NO_SESSION_YET) {',
    becomes: 'if (isKnown) {',
    seed: 103,
  },
  {
    name: 'a node keeps a choice without an end that the log has',
    file: 'presence/user.ts',
    line: 'if (this.#choice.expiresAt === undefined) return this.#isSetAhead',
    becomes: 'if (this.#choice.expiresAt === undefined) return false',
    seed: 1_054,
  },
]
