/** What the examples of the WebSocket protocol and of the HTTP API are about. */

export const TIME = '2023-04-25T10:30:00.000Z'
export const SINCE = '2023-04-25T10:18:00.000Z'
export const LATER = '2035-04-25T12:00:00.000Z'
export const ANN = {
  userId: 'ann',
  status: 'busy',
  lastSeen: TIME,
  username: 'Ann',
  text: 'in a call',
  expiresAt: LATER,
  since: SINCE,
} as const
export const BOB = { userId: 'bob', status: 'offline', lastSeen: null } as const
