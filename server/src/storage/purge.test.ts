import { seeded } from '@who-is-online/testing/random'
import { expect, test } from 'vitest'
import { StoredFeed } from '../changes/stored-feed.ts'
import { newChange } from '../changes/testing/new-change.ts'
import { SimulatedDisk } from './disk.fake.ts'
import type { UserRecord } from './store.ts'
import { openStoreOn } from './testing/open-store.ts'
import { online } from './testing/sample-records.ts'

// What is left of a user on the disk: in the state file, the backup, the journal and the log of changes.

const ERASED = 'erased-user'

/** A process that has stored some users, in the main file, the backup and the journal. */
async function begin(disk: SimulatedDisk) {
  const { store } = openStoreOn(disk, { journalEveryMs: 1 })
  const records = await store.load()
  const feed = new StoredFeed({
    epoch: 'e',
    stored: records.log,
    recent: 5_000,
    report: error => expect.unreachable(String(error)),
    grown: () => store.logGrown(),
  })
  const users = new Map<string, UserRecord>(Array.from(records, record => [record.userId, record]))
  await store.start(() => users.values(), undefined, feed)
  const put = (userId: string) => {
    users.set(userId, online(userId))
    store.put(online(userId))
    feed.append([newChange(userId)])
  }
  /** What the tracker does at the end of an erasure. */
  const erase = () => {
    users.delete(ERASED)
    store.delete(ERASED)
    feed.erase(ERASED)
    return store.purge()
  }
  return { store, users, feed, put, erase }
}

async function fill(disk: SimulatedDisk) {
  const process = await begin(disk)
  process.put(ERASED)
  // Too many to be repeated in the next segment, so the log needs the older ones.
  for (let user = 0; user < 1_500; user++) process.put(`user ${user % 50}`)
  await process.store.save()
  process.put(ERASED)
  await process.store.save()
  process.put('last')
  await process.store.flush()
  return process
}

const filesWith = (disk: SimulatedDisk) =>
  [...disk.files()].filter(([, content]) => String(content).includes(ERASED)).map(([name]) => name)

test('[E20] after a purge no file has the user, and all others are there', async () => {
  const disk = new SimulatedDisk()
  const { store, erase, users } = await fill(disk)
  expect(filesWith(disk).length).toBeGreaterThan(2)
  await erase()
  expect(filesWith(disk)).toEqual([])
  await store.close()
  const after = await begin(disk)
  expect([...after.users.keys()].toSorted()).toEqual([...users.keys()].toSorted())
  // What others saw before the erasure is not known any more, so nobody resumes from there.
  const { epoch, seq } = after.feed
  expect([seq - 1, seq].map(seq => after.feed.recalls({ epoch, seq }))).toEqual([false, true])
})

test('[E20] without a purge files have the user: the negative control', async () => {
  const disk = new SimulatedDisk()
  const { store, users } = await fill(disk)
  users.delete(ERASED)
  store.delete(ERASED)
  await store.save()
  expect(filesWith(disk).length).toBeGreaterThan(1)
})

test('[E20] many purges at once are done by few snapshots', async () => {
  const disk = new SimulatedDisk()
  const { store, erase } = await fill(disk)
  let snapshots = 0
  disk.fault = ({ name, path }) => {
    if (name === 'rename' && path.endsWith('user_state.json')) snapshots++
    return undefined
  }
  await Promise.all([erase(), ...Array.from({ length: 20 }, () => store.purge())])
  expect(filesWith(disk)).toEqual([])
  expect(snapshots).toBeLessThanOrEqual(4)
})

test('[E20] a purge that fails is done when the disk works again', async () => {
  const disk = new SimulatedDisk()
  const { store, erase } = await fill(disk)
  disk.fault = ({ name }) => (name === 'write' || name === 'sync' ? 'EIO' : undefined)
  await expect(erase()).rejects.toThrow()
  expect(filesWith(disk)).not.toEqual([])
  disk.fault = () => undefined
  await store.save()
  await expect.poll(() => filesWith(disk), { timeout: 5_000 }).toEqual([])
})

test('[E20 I8] a crash during a purge loses no other user, and a purge that was confirmed stays done', async () => {
  let confirmed = 0
  let known = 0
  for (let seed = 1; seed <= 80; seed++) {
    const random = seeded(seed)
    const disk = new SimulatedDisk()
    const { erase, users } = await fill(disk)
    // At first the disk still has the user: most of the power cuts come early.
    let left = Math.floor(random() ** 3 * 300)
    let isDone = false
    // The power fails in the middle: nothing more gets to the disk.
    disk.fault = () => (left-- > 0 ? undefined : 'EIO')
    await erase().then(
      () => (isDone = true),
      () => {},
    )
    const rest = disk.cutPower(random)
    const after = await begin(rest)
    const ids = new Set(after.users.keys())
    if (isDone) confirmed++
    if (ids.has(ERASED)) known++
    if (isDone) expect([ids.has(ERASED), filesWith(rest)]).toEqual([false, []])
    ids.delete(ERASED)
    expect([...ids].toSorted(), `seed ${seed}`).toEqual([...users.keys()].toSorted())
  }
  expect(confirmed).toBeGreaterThan(3)
  expect(known).toBeGreaterThan(5)
})
