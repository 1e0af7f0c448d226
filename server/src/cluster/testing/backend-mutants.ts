import type { Mutant as FileMutant } from '@who-is-online/testing/mutated-copies'

/**
 * An error that was put into how nodes treat a status that a backend has set: in one file, `line` is replaced. The
 * simulator with a backend has to find each of them. The tests of the modules find errors that need more at once.
 */
export type BackendMutant = FileMutant<'cluster/compose.ts' | 'cluster/open-choices.ts'> & {
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
    name: 'others are not told that a user who has not come is hidden',
    file: 'cluster/compose.ts',
    line: "if (said.sessions === 'none' && isHidden) contents.push([`v:${userId}`, choiceJson(choice)])",
    becomes: '',
    seed: 1_476,
  },
  {
    name: 'a choice counts before a node with a session has it',
    file: 'cluster/open-choices.ts',
    line: 'if (isKnown && known.keptSince !== NO_SESSION_YET) {',
    becomes: 'if (isKnown) {',
    seed: 103,
  },
]
