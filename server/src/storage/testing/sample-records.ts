import { STATUSES } from '@who-is-online/protocol/words'
import type { Store, UserRecord } from '../store.ts'

/** Names that break careless handling of keys, lines, quotes or bytes. */
export const HOSTILE_NAMES: readonly string[] = [
  '__proto__',
  'constructor',
  'toString',
  '0',
  '-1',
  'format',
  'users',
  'checksum',
  '"',
  '\\',
  '\\n',
  '\\u0000',
  ' ',
  '\u2028',
  '\u2029',
  '\ufeff',
  '\ufffd',
  '😀',
  '👩‍👩‍👧',
  'e\u0301',
  '\u00e9',
  '{"userId":"123"}',
  '"checksum": "crc32:00000000"',
  'x'.repeat(128),
  '\u{1F600}'.repeat(32),
]

/** The record of a connected user. */
export const online = (userId: string, lastSeen = 1_000, username?: string): UserRecord => ({
  userId,
  session: 'live',
  status: 'online',
  lastSeen,
  ...(username !== undefined && { username }),
})

/** The record of an offline user. */
export const offline = (userId: string, lastSeen = 1_000): UserRecord => ({
  userId,
  session: 'none',
  status: 'offline',
  lastSeen,
})

/** Records with every combination of session, status, activity and optional fields. */
export function everyKindOfRecord(): UserRecord[] {
  const records: UserRecord[] = []
  for (const session of ['live', 'held', 'leased', 'none'] as const) {
    for (const status of STATUSES) {
      for (const idle of session === 'none' ? [{}] : [{}, { idle: true } as const]) {
        // An offline user keeps a choice only if it has an end.
        const ends =
          session === 'none' && status !== 'offline' ? [9_999] : [undefined, 9_999, 300_000_000_000_000]
        for (const expiresAt of ends) {
          for (const more of EXTRAS) {
            if (session === 'none' && expiresAt === undefined && 'text' in more) continue
            records.push({
              userId: `user ${records.length}`,
              session,
              status,
              ...(expiresAt !== undefined && { expiresAt }),
              ...idle,
              lastSeen: 1_234,
              ...more,
              // Every second record has the rarer fields, so that they occur in many combinations.
              ...(records.length % 2 === 1 && { chosenAt: 1_111 }),
              ...(records.length % 2 === 1 && session !== 'none' && { inactive: true as const }),
              ...(session === 'none' && status === 'offline' && 'username' in more && KEPT_HIDDEN),
              ...(session === 'leased' && { leases: LEASES }),
              ...(session === 'live' && 'text' in more && { leases: LEASES }),
            })
          }
        }
      }
    }
  }
  return records
}

const LEASES = [
  { sessionId: '"agent\\', openedAt: 1_000, endsAt: 99_999 },
  { sessionId: 'bot', openedAt: 2_000, endsAt: 300_000_000_000_000, device: 'r2-d2 😀', idle: true },
] as const

const KEPT_HIDDEN = { keptHidden: true } as const

const EXTRAS = [
  {},
  { username: 'ann' },
  { newUsername: 'Ann' },
  { text: '"\\ \u2028 😀', username: 'ann', newUsername: 'Ann' },
] as const

/** Records in a map by user id. */
export function byId(...records: UserRecord[]): Map<string, UserRecord> {
  return new Map(records.map(record => [record.userId, record]))
}

/** Loads a store into a map that the test can change. */
export async function loadFrom(store: Store): Promise<Map<string, UserRecord>> {
  return byId(...(await store.load()))
}
