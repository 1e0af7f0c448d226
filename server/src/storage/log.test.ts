import { expect, test } from 'vitest'
import { StoredFeed } from '../changes/stored-feed.ts'
import { newChange } from '../changes/testing/new-change.ts'
import type { SimulatedDisk } from './disk.fake.ts'
import type { Store } from './store.ts'
import { DATA, diskWith, openStoreOn } from './testing/open-store.ts'

// The log of changes in the journal: which segments have it, and what is left of it when they are damaged.

const RECENT = 5_000

interface Logging {
  readonly store: Store
  readonly feed: StoredFeed
  /** Appends changes, and saves. */
  readonly write: (changes: number) => Promise<void>
}

async function begin(disk: SimulatedDisk): Promise<Logging> {
  const { store } = openStoreOn(disk)
  const { log } = await store.load()
  const feed = new StoredFeed({
    epoch: log ? 'other' : 'first',
    stored: log,
    recent: RECENT,
    report: error => expect.unreachable(String(error)),
    grown: () => store.logGrown(),
  })
  await store.start(() => [], undefined, feed)
  const write = async (changes: number): Promise<void> => {
    for (let left = changes; left > 0; left--) {
      const { seq } = feed
      feed.append([{ ...newChange(`user ${seq + 1}`), username: 'Ann "\u2028', text: 'hi' }])
    }
    await store.save()
  }
  return { store, feed, write }
}

const segments = (disk: SimulatedDisk) =>
  disk.list(DATA).then(names => names.filter(name => /journal/.test(name)).toSorted())

/** The numbers of the first and the last change, if the log has all between. */
async function reload(disk: SimulatedDisk): Promise<string> {
  const { store, feed } = await begin(disk)
  const { after, changes } = feed.endAfter(0)
  expect(changes.map(({ seq }) => seq)).toEqual(changes.map((_, index) => after + 1 + index))
  expect(changes.map(({ userId }) => userId)).toEqual(changes.map(({ seq }) => `user ${seq}`))
  await store.close()
  return `${feed.epoch} ${after}-${feed.seq}`
}

test('all changes that are kept survive, in segments that are removed when they have none of them', async () => {
  const disk = diskWith({})
  const { store, write } = await begin(disk)
  for (let save = 0; save < 8; save++) await write(1_500)
  expect((await segments(disk)).length).toBeLessThan(7)
  await store.close()
  expect(await reload(disk)).toBe('first 7000-12000')
  const again = await begin(disk)
  await again.write(1)
  await again.store.close()
  expect(await reload(disk)).toBe('first 7001-12001')
})

test('a few changes are repeated in the next segment, so that old ones need not be kept', async () => {
  const disk = diskWith({})
  const { store, feed, write } = await begin(disk)
  for (let save = 0; save < 20; save++) await write(3)
  // That of the backup, and that of the main file.
  expect(await segments(disk)).toHaveLength(2)
  expect(feed.after(0, 1)).toMatchObject([{ seq: 1, username: 'Ann "\u2028', text: 'hi' }])
  await store.close()
  expect(await reload(disk)).toBe('first 0-60')
})

test('of a log whose old segments are damaged or missing, what follows is left', async () => {
  for (const spoil of ['damage', 'remove'] as const) {
    const disk = diskWith({})
    const { store, write } = await begin(disk)
    for (let save = 0; save < 4; save++) await write(1_500)
    await store.close()
    const [, second = ''] = await segments(disk)
    const path = `${DATA}/${second}`
    if (spoil === 'remove') await disk.remove(path)
    else disk.put(path, String(disk.files().get(second)).replace('"user 2000"', '"user 2001"'))
    expect(await reload(disk)).toBe(spoil === 'remove' ? 'first 3000-6000' : 'first 2000-6000')
  }
})

test('a log does not fit to users that are older: another epoch begins', async () => {
  const disk = diskWith({})
  const { store, write } = await begin(disk)
  await write(5)
  await write(5)
  await store.close()
  await disk.remove(`${DATA}/user_state.json`)
  const again = openStoreOn(disk)
  expect((await again.store.load()).log).toBeUndefined()
})
