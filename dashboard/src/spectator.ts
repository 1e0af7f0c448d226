/** The user that every live page watches as: the server lets this one look, and nobody ever sees it (server/src/spectator.ts). */
export const SPECTATOR = 'who-is-online/live-page'
