import type { Fact } from '../presence/fact.ts'
import { type Agreed, type FactLog, NOTHING_AGREED } from './log.ts'

/**
 * Creates the log of a server of one node. Nothing has to be kept: each fact is visible before `append`
 * returns.
 */
export function createSingleLog(): FactLog {
  let applied: (facts: readonly Fact[], agreed?: Agreed) => void = () => {}
  return {
    listen(listener) {
      applied = listener
    },
    append(facts) {
      if (facts.length > 0) applied(facts)
      return undefined
    },
    kick(userId) {
      applied([], { ...NOTHING_AGREED, kicked: [userId] })
      return undefined
    },
    endSession: () => undefined,
    connectionsElsewhere: () => 0,
    forgetsStale: true,
  }
}
