/**
 * The user id with which each live page connects. The dashboard has a copy (dashboard/src/observer.ts). A
 * connection with this id is an observer: it can read and subscribe, and its user is never present.
 */
export const OBSERVER_ID = 'who-is-online/live-page'
