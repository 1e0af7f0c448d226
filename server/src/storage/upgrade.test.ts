import { expect, test } from 'vitest'
import type { UserRecord } from './store.ts'
import { diskWith, openStoreOn } from './testing/open-store.ts'
import { byId, loadFrom, offline } from './testing/sample-records.ts'

/*
 * The files of version 0.1.0 after a kill: without ids and known time, and with a lock that names no segment.
 */

const ANN = Date.UTC(2026, 10, 28, 7, 51, 52, 321)
const BOB = Date.UTC(2026, 10, 28, 7, 51, 49, 813)
const SAVED = Date.UTC(2026, 10, 28, 7, 51, 52, 382)

const LEFT = {
  lock: '{"pid":30836,"started":"220824","boot":"4efef517-61f8-428f-9f73-19d04b2f09a7","id":"b540bfcc-c7bb-437b-8b27-999f175ca64a"}\n',
  'user_state.json': `{
"format": "who-is-online/1",
"savedAt": "2026-11-28T07:51:52.382Z",
"journal": 3,
"users": [
{"userId":"ann","status":"offline","lastSeen":"2026-11-28T07:51:52.321Z","hidden":true},
{"userId":"bob","status":"offline","lastSeen":"2026-11-28T07:51:49.813Z"}
],
"checksum": "crc32:832558a5"
}
`,
  'user_state_backup.json': `{
"format": "who-is-online/1",
"savedAt": "2026-11-28T07:51:49.861Z",
"journal": 2,
"users": [
{"userId":"ann","status":"online","lastSeen":"2026-11-28T07:51:49.795Z"},
{"userId":"bob","status":"offline","lastSeen":"2026-11-28T07:51:49.813Z"}
],
"checksum": "crc32:7e6042e0"
}
`,
  'user_state_journal.000002.log': `3441dec2 {"format":"who-is-online/1","journal":2,"after":"snapshot","previous":{"journal":1,"bytes":277}}
eaf431c8 {"userId":"ann","status":"offline","lastSeen":"2026-11-28T07:51:52.321Z","hidden":true}
`,
  'user_state_journal.000003.log': `f5252b4d {"format":"who-is-online/1","journal":3,"after":"snapshot","previous":{"journal":2,"bytes":203}}
35bc0e5e {"userId":"ann","status":"offline","lastSeen":"2026-11-28T07:51:52.321Z","hidden":true,"held":true}
`,
}

const ann: UserRecord = { userId: 'ann', session: 'held', status: 'offline', lastSeen: ANN }
const bob = offline('bob', BOB)

test('[Z6] files of the previous version are read, and the highest time in them is the known time', async () => {
  const { store, log } = openStoreOn(diskWith(LEFT))
  const records = await store.load()
  expect(byId(...records)).toEqual(byId(ann, bob))
  expect(records.knownTime).toBe(SAVED)
  expect(log.errors).toEqual([])
})

test('[I8] their backup and journal can replace the main file, also after the first saves of this version', async () => {
  const disk = diskWith(LEFT)
  const first = openStoreOn(disk)
  const users = await loadFrom(first.store)
  await first.store.start(() => users.values())
  users.set('eve', offline('eve', 7))
  first.store.put(offline('eve', 7))
  await first.store.flush()
  for (const saves of [0, 1, 2]) {
    if (saves > 0) await first.store.save()
    const left = diskWith(Object.fromEntries(disk.files()))
    left.put('/data/user_state.json', 'damaged')
    const next = openStoreOn(left)
    expect(await loadFrom(next.store)).toEqual(users)
    expect(next.log.errors).toEqual([expect.stringContaining('user_state.json is damaged')])
  }
  expect(first.log.errors).toEqual([])
})
