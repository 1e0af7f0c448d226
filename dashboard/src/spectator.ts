// The server has no word for somebody who only looks: whoever connects is a user. So all live pages watch as one and
// the same user, who is hidden. The server hides it before the first page connects (server/src/spectator.ts), so that
// nobody ever sees it come or go.

/** The user that every live page watches as. */
export const SPECTATOR = 'who-is-online/live-page'

/** A choice that has an end is in force again when its user comes back; this one should be so for good. */
export const HIDDEN_UNTIL = '9999-12-31T00:00:00.000Z'
