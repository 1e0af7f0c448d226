import type { Clock } from './clock.ts'
import type { Presence, PresenceRecord } from './presence/presence.ts'
import type { Store } from './storage/store.ts'

/** The user that all live pages watch as (dashboard/src/spectator.ts): whoever is connected is a user, also who only looks. */
export const SPECTATOR = 'who-is-online/live-page'

/** A choice that has an end is in force again when its user comes back; this one should be so for good. */
export const HIDDEN_UNTIL = '9999-12-31T00:00:00.000Z'

/** What is needed to hide somebody before they come. */
interface SpectatorPorts {
  readonly presence: Presence
  readonly store: Pick<Store, 'note'>
  readonly clock: Clock
}

/**
 * Lets the user that live pages watch as be one who has chosen to be hidden, so that nobody sees a page come or go. Nothing
 * changes for anybody by it; of whom the server does not know yet it knows from then on that they are gone.
 */
export function hideSpectator({ presence, store, clock }: SpectatorPorts): void {
  if (presence.see(SPECTATOR).lastSeen !== null) return
  const now = clock.now()
  const hidden: PresenceRecord = {
    userId: SPECTATOR,
    session: 'none',
    status: 'offline',
    expiresAt: Date.parse(HIDDEN_UNTIL),
    lastSeen: now,
  }
  presence.restore([hidden], now)
  store.note(hidden)
}
