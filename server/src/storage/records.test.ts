import { expect, test } from 'vitest'
import { Records } from './records.ts'
import { byId, everyKindOfRecord, HOSTILE_NAMES, offline, online } from './testing/sample-records.ts'

const read = (records: Records) => byId(...records)

test('records come back unchanged, one by one and all together', () => {
  const all = [
    ...everyKindOfRecord(),
    ...HOSTILE_NAMES.map(name => offline(name)),
    offline('long ago', -62e12 + 0.5),
  ]
  const records = new Records()
  for (const record of all) records.set(record)
  expect(records.size).toBe(all.length)
  expect([...records]).toEqual(all)
  for (const record of all) {
    expect(JSON.stringify(records.get(record.userId))).toBe(JSON.stringify(record))
  }
})

test('unusual fields of an offline user, from an edited file, are kept', () => {
  const odd = { ...offline('odd'), text: 'left' }
  const busy = { ...offline('busy'), status: 'busy' } as const
  const records = new Records()
  records.set(odd)
  records.set(busy)
  expect(read(records)).toEqual(byId(odd, busy))
})

test.each([
  { chosenAt: 5 },
  { keptHidden: true as const },
  { unseen: true as const },
  { aheadMs: 5 },
  { inactive: true as const },
])('no field of an offline user is lost: %o', field => {
  const record = { ...offline('ann'), ...field }
  const records = new Records()
  records.set(record)
  expect(read(records)).toEqual(byId(record))
})

test('the newest record of a user replaces the earlier one, whatever their kinds', () => {
  const records = new Records()
  const kinds = [
    online('a', 1, 'Ann'),
    offline('a', 2),
    offline('a', 3),
    { ...offline('a', 4), username: 'Anna' },
    { ...offline('a', 5), newUsername: 'A' },
    offline('a', 6),
    online('a', 7),
  ]
  for (const record of kinds) {
    records.set(record)
    expect(records.get('a')).toEqual(record)
    expect(read(records)).toEqual(byId(record))
  }
  records.delete('a')
  records.delete('a')
  expect([records.size, records.get('a'), [...records]]).toEqual([0, undefined, []])
})

test('records may be replaced during an iteration', () => {
  const records = new Records()
  for (const record of [online('a'), offline('b'), online('c')]) records.set(record)
  for (const record of records) records.set({ ...record, session: 'none', status: 'offline', lastSeen: 9 })
  expect(read(records)).toEqual(byId(offline('a', 9), offline('b', 9), offline('c', 9)))
})
