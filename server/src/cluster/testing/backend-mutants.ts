import type { Mutant as FileMutant } from '@who-is-online/testing/mutated-copies'

/**
 * An error that was put into how nodes treat a status that a backend has set: in one file, `line` is replaced. The
 * simulator with a backend has to find each of them. The tests of the modules find errors that need more at once.
 */
export type BackendMutant = FileMutant<
  'cluster/compose.ts' | 'cluster/open-choices.ts' | 'cluster/unplaced.ts' | 'presence/user.ts'
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
    seed: 101,
  },
  {
    name: 'others are not told that a user who has not come is hidden',
    file: 'cluster/compose.ts',
    line: "if (said.sessions === 'none' && isHidden) contents.push([`v:${userId}`, choiceJson(choice)])",
    becomes: '',
    seed: 237,
  },
  {
    name: 'a choice counts before a node with a session has it',
    file: 'cluster/open-choices.ts',
    line: 'if (isKnown && known.keptSince !== NO_SESSION_YET) {',
    becomes: 'if (isKnown) {',
    seed: 103,
  },
  {
    name: 'a choice is dropped that lost against an older one in the log',
    file: 'presence/user.ts',
    line: "return expiresAt !== undefined || isElsewhere ? 'unsaid' : 'over'",
    becomes: "return 'over'",
    seed: 250,
  },
  {
    name: 'a newer choice is not taken while an older one of this node is on its way',
    file: 'cluster/unplaced.ts',
    line: 'return this.isUnread(userId) && !this.#isNewerElsewhere(userId)',
    becomes: 'return this.isUnread(userId)',
    seed: 117,
  },
  {
    name: 'who forgets a user ends what another node has set ahead',
    file: 'cluster/compose.ts',
    line: 'const isAhead = !decides && isAheadOfOther(userId, known, port)',
    becomes: 'const isAhead = false',
    seed: 101,
  },
]
