import type { Fact } from '../presence/fact.ts'
import { type Agreed, type FactLog, NOTHING_AGREED } from './log.ts'
import { RefusedUsers } from './refused-users.ts'

/**
 * Creates the log of a server of one node. Nothing has to be kept: each fact is visible before `append`
 * returns.
 *
 * @param awake `Clock.awake`, in ms: by it, users are refused
 */
export function createSingleLog(awake = () => performance.now()): FactLog {
  let applied: (facts: readonly Fact[], agreed?: Agreed) => void = () => {}
  const refused = new RefusedUsers()
  return {
    listen(listener) {
      applied = listener
    },
    append(facts) {
      if (facts.length > 0) applied(facts)
      return undefined
    },
    kick(userId, refuseMs) {
      // First: what a listener does must not bring the user back.
      if (refuseMs !== undefined) refused.take([userId, awake() + refuseMs, awake()])
      applied([], { ...NOTHING_AGREED, kicked: [userId] })
      return undefined
    },
    endSession: () => undefined,
    erase(userId) {
      refused.forget(userId)
      applied([], { ...NOTHING_AGREED, kicked: [userId], erased: [userId] })
      return undefined
    },
    hasRoom: true,
    keeps: () => false,
    refusedMs: userId => refused.msLeft(userId, awake()),
    canRefuse: userId => refused.hasRoomFor(userId, awake()),
    ask: () => undefined,
    whenCounts: () => undefined,
    catchUp: () => undefined,
    connectionsElsewhere: () => 0,
    forgetsStale: true,
  }
}
