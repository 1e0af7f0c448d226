/**
 * The user id with which each live page connects. The server treats its connections as observers: they read
 * everything, and their user is never present (server/src/observer.ts).
 */
export const OBSERVER_ID = 'who-is-online/live-page'
