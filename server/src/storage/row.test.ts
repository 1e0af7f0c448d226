import { expect, test } from 'vitest'
import { BadRow, decodeRow, encodeRow } from './row.ts'
import type { UserRecord } from './store.ts'
import { everyKindOfRecord } from './testing/sample-records.ts'

const TIME = '"lastSeen":"1970-01-01T00:00:00.001Z"'
const ann = { userId: 'ann', lastSeen: 1 } as const

test.each<[what: string, record: UserRecord, row: string]>([
  ['online', { ...ann, session: 'live', status: 'online' }, `"status":"online",${TIME}`],
  ['busy', { ...ann, session: 'live', status: 'busy' }, `"status":"busy",${TIME}`],
  [
    'away by being idle',
    { ...ann, session: 'live', status: 'online', idle: true },
    `"status":"away",${TIME},"choice":"online","idle":true`,
  ],
  [
    'away by choice, and idle',
    { ...ann, session: 'held', status: 'away', idle: true },
    `"status":"away",${TIME},"idle":true,"held":true`,
  ],
  [
    'hidden until a time, with a name and a text that others do not see yet',
    { ...ann, session: 'live', status: 'offline', text: 'psst', expiresAt: 2, newUsername: 'Ann' },
    `"status":"offline",${TIME},"newUsername":"Ann","text":"psst","expiresAt":"1970-01-01T00:00:00.002Z","hidden":true`,
  ],
  [
    'with only a leased session',
    {
      ...ann,
      session: 'leased',
      status: 'online',
      leases: [{ sessionId: 'bot', openedAt: 1, endsAt: 3, device: 'r2' }],
    },
    `"status":"online",${TIME},"leased":true,"leases":[{"sessionId":"bot","openedAt":"1970-01-01T00:00:00.001Z","endsAt":"1970-01-01T00:00:00.003Z","device":"r2"}]`,
  ],
  ['offline', { ...ann, session: 'none', status: 'offline' }, `"status":"offline",${TIME}`],
  [
    'offline, and hidden again on return',
    { ...ann, session: 'none', status: 'offline', expiresAt: 2 },
    `"status":"offline",${TIME},"choice":"offline","expiresAt":"1970-01-01T00:00:00.002Z"`,
  ],
  [
    'busy for a while, in a hidden tab',
    { ...ann, session: 'live', status: 'busy', chosenAt: 2, inactive: true },
    `"status":"busy",${TIME},"chosenAt":"1970-01-01T00:00:00.002Z","inactive":true`,
  ],
  [
    'offline, and the choice to appear offline is kept',
    { ...ann, session: 'none', status: 'offline', keptHidden: true, chosenAt: 2 },
    `"status":"offline",${TIME},"chosenAt":"1970-01-01T00:00:00.002Z","keptHidden":true`,
  ],
  [
    'last seen by a clock that was ahead',
    { ...ann, session: 'none', status: 'offline', aheadMs: 3_600_000 },
    `"status":"offline",${TIME},"aheadMs":3600000`,
  ],
  [
    'hidden, and never seen by others',
    { ...ann, session: 'live', status: 'offline', unseen: true },
    `"status":"offline",${TIME},"hidden":true,"unseen":true`,
  ],
])('a row contains the presence, and other fields only if they differ from it: %s', (_, record, row) => {
  expect(encodeRow(record)).toBe(`{"userId":"ann",${row}}`)
  expect(decodeRow(JSON.parse(encodeRow(record)))).toEqual(record)
})

test('every record is decoded as it was encoded, and `status` is the presence', () => {
  for (const record of everyKindOfRecord()) {
    const row = JSON.parse(encodeRow(record))
    expect(decodeRow(row)).toEqual(record)
    const { session, status, idle } = record
    const seen = session === 'none' ? 'offline' : status === 'online' && idle ? 'away' : status
    expect(row.status).toBe(seen)
  }
})

test('rows of older versions and of other tools are decoded', () => {
  const read = (row: object) => decodeRow({ userId: 'ann', lastSeen: 1, ...row })
  expect(read({ status: 'offline', hidden: true, held: true, newUsername: 'Ann' })).toEqual({
    ...ann,
    session: 'held',
    status: 'offline',
    newUsername: 'Ann',
  })
  expect(read({ status: 'away', username: null, text: null, expiresAt: null })).toEqual({
    ...ann,
    session: 'live',
    status: 'away',
  })
  expect(read({ status: 'busy', text: '' })).toEqual({ ...ann, session: 'live', status: 'busy' })
  expect(() => read({ status: 'online', idle: true })).toThrow(BadRow)
})

test('a leased session that is not valid is refused, and the field is named', () => {
  const lease = { sessionId: 'bot', openedAt: 1, endsAt: 2 }
  const read = (row: object) => () =>
    decodeRow({ userId: 'ann', lastSeen: 1, status: 'online', leases: [lease], ...row })
  expect(read({})()).toMatchObject({ session: 'live', leases: [lease] })
  for (const [row, text] of [
    [{ status: 'offline' }, '"leases" is only valid for users who have a session'],
    [{ leases: undefined, leased: true }, '"leased" needs "leases"'],
    [{ leased: true, held: true }, '"leased" must not be combined with "held"'],
    [{ leases: [] }, '"leases" must be a list of sessions'],
    [{ leases: ['bot'] }, '"leases" must be a list of sessions'],
    [{ leases: [{ ...lease, sessionId: '' }] }, '"leases.sessionId" must be a string'],
    [{ leases: [{ ...lease, device: 'x'.repeat(33) }] }, '"leases.device" must be a string'],
    [{ leases: [{ ...lease, endsAt: null }] }, '"leases.endsAt" must be a time'],
  ] as const) {
    expect(read(row)).toThrow(text)
  }
})
