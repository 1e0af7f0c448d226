import type { Mutant as FileMutant } from '@who-is-online/testing/mutated-copies'

/**
 * An error that was put into what nodes do with leased sessions: in one file, `line` is replaced. The simulator has to
 * find each of them. `seed` is one that does: after a change, the test searches for another seed and prints it. What
 * two parts prevent is tested with each part alone, as in `fold.test.ts`: the simulator does not find it. Neither does
 * it find, within thousands of seeds, what `leases.test.ts` shows about leases that end while Redis does not answer.
 */
export type LeaseMutant = FileMutant<
  'cluster/leases.ts' | 'cluster/own-entries.ts' | 'cluster/own-sessions.ts'
> & { readonly seed: number }

export const LEASE_MUTANTS: readonly LeaseMutant[] = [
  {
    name: 'the leases of a lost node are not taken over',
    file: 'cluster/own-entries.ts',
    line: "this.#host.happened({ what: 'losing', node })",
    becomes: '',
    seed: 436,
  },
  {
    name: 'a lease continues where it was renewed earlier',
    file: 'cluster/leases.ts',
    line: 'if (other >= ownAt - SAME_MS) return undefined',
    becomes: 'return undefined',
    seed: 11,
  },
  {
    name: 'a node keeps a lease of which it does not tell that it was renewed later',
    file: 'cluster/own-sessions.ts',
    line: "if (renewed === 'here, untold') sayAgain(userId)",
    becomes: '',
    seed: 614,
  },
  {
    name: 'a node that was lost goes on with leases that others have taken over',
    file: 'cluster/leases.ts',
    line: 'return lost.map(({ sessionId }) => sessionId)',
    becomes: 'return []',
    seed: 1126,
  },
  {
    name: 'a node that was lost gives up leases that it has renewed since',
    file: 'cluster/leases.ts',
    line: 'return renewed <= lastWroteAt && renewed + lease.ttlMs <= endsAt + untoldMs(toldTtlMs)',
    becomes: 'return true',
    seed: 554,
  },
  {
    name: 'a node that was lost gives up leases that it has not told',
    file: 'cluster/leases.ts',
    line: 'if (!told) return false',
    becomes: 'if (!told) return true',
    seed: 289,
  },
]
