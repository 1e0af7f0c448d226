import { join } from 'node:path'
import { type Mutant, type MutatedCopies, useMutatedCopies } from '@who-is-online/testing/mutated-copies'
import type { Parts } from './simulated-cluster.ts'

/** Copies of the parts that a simulation runs. */
export interface MutatedParts extends Pick<MutatedCopies, 'occurrences'> {
  /** Loads a copy in which a mutant has replaced its line; see `MutatedCopies.make`. */
  load(name: string, mutant?: Mutant): Promise<Parts>
}

/** Reads the sources before the tests of a file, and removes all copies after them. */
export function useMutatedParts(): MutatedParts {
  const copies = useMutatedCopies(join(import.meta.dirname, '../..'), ['cluster', 'presence'])
  return {
    occurrences: copies.occurrences,
    async load(name, mutant) {
      const importCopy = await copies.make(name, mutant)
      const { Member } = await importCopy<Pick<Parts, 'Member'>>('cluster/member.ts')
      const { RedisModel } = await importCopy<Pick<Parts, 'RedisModel'>>('cluster/redis.model.ts')
      const { ClusterLog } = await importCopy<Pick<Parts, 'ClusterLog'>>('cluster/cluster-log.ts')
      const { Presence } = await importCopy<Pick<Parts, 'Presence'>>('presence/presence.ts')
      return { Member, RedisModel, ClusterLog, Presence }
    },
  }
}
