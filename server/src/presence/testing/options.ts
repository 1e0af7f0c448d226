import type { PresenceOptions } from '../options.ts'
import { UNPACED } from '../pace.ts'

/** No grace periods and no rate limit, so each change is visible at once. For tests of other modules. */
export const AT_ONCE: PresenceOptions = {
  graceMs: 0,
  restartGraceMs: 0,
  inactiveGraceMs: 0,
  noticedMs: 5_000,
  hiddenKeepMs: 0,
  changePace: UNPACED,
  maxKnown: 1_000_000,
  keepMs: 1e9,
}

/** The defaults of the settings. */
export const DEFAULTS: PresenceOptions = {
  graceMs: 5_000,
  restartGraceMs: 15_000,
  inactiveGraceMs: 75_000,
  noticedMs: 5_000,
  hiddenKeepMs: 3_600_000,
  changePace: { burst: 10, everyMs: 3_000 },
  maxKnown: 1_000_000,
  keepMs: 30 * 86_400_000,
}
