import { expect, test, vi } from 'vitest'
import { describeDisk } from './disk.suite.ts'
import { nodeDisk } from './disk.ts'
import { newDirectory, openStoreOn } from './testing/open-store.ts'
import { byId, loadFrom, offline } from './testing/sample-records.ts'

vi.mock('node:fs/promises', async original => ({
  ...(await original<typeof import('node:fs/promises')>()),
  link: async () => {
    throw Object.assign(new Error('EPERM: operation not permitted, link'), { code: 'EPERM' })
  },
}))

describeDisk('node, without hard links', async () => ({ disk: nodeDisk, directory: newDirectory() }))

test('a store works on a file system without hard links', async () => {
  const dataDir = newDirectory()
  for (let round = 0; round < 3; round += 1) {
    const { store, log } = openStoreOn(nodeDisk, { dataDir })
    const users = await loadFrom(store)
    expect(users.size).toBe(round)
    await store.start(() => users.values())
    const record = offline(`user ${round}`, round)
    users.set(record.userId, record)
    store.put(record)
    await store.save()
    await store.save()
    await store.close()
    expect(log.errors).toEqual([])
  }
  const { store } = openStoreOn(nodeDisk, { dataDir })
  expect(await loadFrom(store)).toEqual(
    byId(offline('user 0', 0), offline('user 1', 1), offline('user 2', 2)),
  )
  await store.close()
})
