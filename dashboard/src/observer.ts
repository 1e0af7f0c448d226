/**
 * The user id with which each live page connects. The server treats its connections as observers: they read
 * everything and are never present (server/src/spectator.ts).
 */
export const OBSERVER_ID = 'who-is-online/live-page'
