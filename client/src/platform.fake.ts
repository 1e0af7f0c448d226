import type { ManualClock } from './clock.fake.ts'
import type { Platform } from './platform.ts'

/**
 * A platform with a clock and nothing else. A client always waits for the same time before it connects again: with a
 * random wait, it may be back before a test looks.
 */
export function fakePlatform(clock: ManualClock): Partial<Platform> {
  return {
    ...clock,
    random: () => 0.5,
    document: undefined,
    storage: undefined,
    locks: undefined,
    network: undefined,
  }
}
