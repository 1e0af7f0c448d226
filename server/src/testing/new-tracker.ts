import type { ChangeFeed } from '../changes/feed.ts'
import type { FactLog } from '../cluster/log.ts'
import { createSingleLog } from '../cluster/single.ts'
import type { Presence } from '../presence/presence.ts'
import type { Clock } from '../time/clock.ts'
import { Tracker } from '../tracker.ts'

/** A tracker that stores nothing, for tests of what comes after it. */
export function newTracker(ports: {
  presence: Presence
  feed: Pick<ChangeFeed, 'append' | 'chosen' | 'erase' | 'drop'>
  clock: Pick<Clock, 'now'>
  log?: FactLog
}): Tracker {
  const store = { put() {}, delete() {}, recordAlive() {}, async purge() {} }
  return new Tracker({ log: createSingleLog(), ...ports, store, ended() {}, forgot() {} })
}
