import { crc32 } from 'node:zlib'
import { expect, test } from 'vitest'
import { StoreUnusable } from './store.ts'
import { diskWith, openStoreOn } from './testing/open-store.ts'
import { byId, loadFrom, offline } from './testing/sample-records.ts'

// Files of a later version. What may be added without another major number is left out; the rest is refused.

const line = (value: object): string => {
  const json = JSON.stringify(value)
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`
}

const row = (userId: string) => ({
  userId,
  status: 'offline',
  lastSeen: new Date(1_000).toISOString(),
  mood: 'new',
})

/** A journal alone, as the next version might write it. */
const journal = (format: string) => ({
  'user_state_journal.000001.log':
    line({ format, journal: 1, after: 'start', shards: 3 }) +
    line(row('ann')) +
    line({ room: 'lobby', users: ['ann'] }) +
    line({ room: 'hall', users: [] }) +
    line(row('bob')) +
    line({ closed: new Date(2_000).toISOString(), why: 'new' }),
})

const state = (format: string, more: object = {}) => ({
  'user_state.json': JSON.stringify({ format, ...more, users: [row('ann')] }),
})

test('[I8] lines of kinds that a newer minor format has added are left out, with one line in the log', async () => {
  const { store, log } = openStoreOn(diskWith(journal('who-is-online/1.1')))
  expect(await loadFrom(store)).toEqual(byId(offline('ann', 1_000), offline('bob', 1_000)))
  expect(log.errors).toEqual([])
  expect(log.infos.filter(text => text.includes('a newer version wrote'))).toHaveLength(1)
  expect(log.infos.join()).toMatch(/a newer version wrote.*2/)
  // Control: in a file of this version they are damage.
  const same = openStoreOn(diskWith(journal('who-is-online/1')))
  await loadFrom(same.store)
  expect(same.log.errors.join()).toContain('2 damaged lines')
})

test('[I8] damage in a journal of a newer minor format is still damage', async () => {
  const files = journal('who-is-online/1.1')
  const name = 'user_state_journal.000001.log'
  const { store, log } = openStoreOn(diskWith({ [name]: files[name].replace('"lobby"', '"lobbY"') }))
  await loadFrom(store)
  expect(log.errors.join()).toContain('1 damaged lines')
})

test('[I8] keys that a newer minor format has added to the state file are left out', async () => {
  const { store, log } = openStoreOn(diskWith(state('who-is-online/1.2', { shards: 3 })))
  expect(await loadFrom(store)).toEqual(byId(offline('ann', 1_000)))
  expect(log.errors).toEqual([])
  const same = openStoreOn(diskWith(state('who-is-online/1', { shards: 3 })))
  await expect(loadFrom(same.store)).rejects.toThrow('unknown key "shards"')
})

test.each([
  ['a journal', journal('who-is-online/2')],
  ['a state file', state('who-is-online/2.3')],
  ['a state file beside a journal', { ...journal('who-is-online/1'), ...state('who-is-online/3') }],
  [
    'a backup',
    { 'user_state.json': 'damaged', 'user_state_backup.json': state('who-is-online/2')['user_state.json'] },
  ],
])('[Z8] %s of a newer major format is refused, and nothing is changed', async (_, files) => {
  const disk = diskWith(files)
  const before = disk.files()
  const { store } = openStoreOn(disk)
  const load = store.load()
  await expect(load).rejects.toThrow(StoreUnusable)
  await expect(load).rejects.toThrow(/written by a newer version.*its format is who-is-online\/\d/)
  expect(disk.files()).toEqual(before)
})
