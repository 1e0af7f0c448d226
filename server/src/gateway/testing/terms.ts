import type { Terms } from '../connection.ts'

/** The terms of a welcome, for tests that do not read them. */
export const TERMS: Terms = {
  heartbeatMs: 1,
  graceMs: 1,
  limits: {
    maxMessageBytes: 1,
    maxUserIds: 1,
    maxWatchedUsers: 1,
    messagesPerSecond: 1,
    messagesBurst: 1,
  },
}
