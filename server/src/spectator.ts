/**
 * The user that all live pages watch as (dashboard/src/spectator.ts). Whoever connects as this one only looks: the tracker
 * lets them ask and follow, and they are never anybody whom others see.
 */
export const SPECTATOR = 'who-is-online/live-page'
