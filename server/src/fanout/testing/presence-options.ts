import { UNPACED } from '../../presence/pace.ts'
import type { PresenceOptions } from '../../presence/presence.ts'

/** Every change is seen at once: no grace, no hold and no pace. For tests of what comes after presence. */
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
