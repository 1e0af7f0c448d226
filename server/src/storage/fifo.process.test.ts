import { execFileSync, spawnSync } from 'node:child_process'
import { readdir, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { nodeDisk } from './disk.ts'
import { StoreUnusable } from './store.ts'
import { newDirectory, openStoreOn, startStoreOn } from './testing/open-store.ts'
import { byId, offline } from './testing/sample-records.ts'

// A FIFO in the place of a file. Opening one waits until another process opens its other end, so it must not
// be opened in the normal way: no start could end.

const canMakeFifos = spawnSync('mkfifo', ['--version']).error === undefined

/** A data directory in which a store has saved twice and stopped cleanly, and what it stored. */
async function someDirectory() {
  const dataDir = newDirectory()
  const { store, put, users } = await startStoreOn(nodeDisk, { dataDir })
  put(offline('a'))
  await store.save()
  await store.save()
  put(offline('b'))
  await store.close()
  return { dataDir, users }
}

async function replaceWithFifo(path: string): Promise<void> {
  await rm(path, { force: true })
  execFileSync('mkfifo', [path])
}

describe.skipIf(!canMakeFifos)('a FIFO does not stop a start', () => {
  test('[Z8] in the place of the lock: refused, and the lock is named', async () => {
    const { dataDir } = await someDirectory()
    await replaceWithFifo(join(dataDir, 'lock'))
    const names = await readdir(dataDir)
    const loading = openStoreOn(nodeDisk, { dataDir }).store.load()
    await expect(loading).rejects.toThrow(StoreUnusable)
    await expect(loading).rejects.toThrow(
      `${dataDir}/lock is a FIFO (named pipe), not a file; lock belongs to uid`,
    )
    await expect(loading).rejects.toThrow(`move ${dataDir}/lock away`)
    expect(await readdir(dataDir)).toEqual(names)
  })

  test.for([
    ['user_state.json', 'user_state.json is damaged: it is a FIFO (named pipe), not a file'],
    ['user_state_backup.json', undefined], // it is not read if the main file is valid
    ['user_state_journal.000002.log', undefined], // only the backup needs it
    ['user_state.json.tmp', undefined],
    ['user_state_journal.000004.log.tmp', undefined],
  ] as const)('[I8] in the place of %s: nothing is lost', async ([name, error]) => {
    const { dataDir, users } = await someDirectory()
    await replaceWithFifo(join(dataDir, name))
    const { store, log, users: loaded } = await startStoreOn(nodeDisk, { dataDir })
    expect(loaded).toEqual(users)
    const expected = error === undefined ? [] : [expect.stringContaining(error)]
    expect(log.errors).toEqual(expected)
    await store.save()
    await store.close()
    expect((await startAgain(dataDir)).users).toEqual(users)
  })

  test('[I8] in the place of the newest segment: reported', async () => {
    const { dataDir } = await someDirectory()
    await replaceWithFifo(join(dataDir, 'user_state_journal.000003.log'))
    const { log, users } = await startAgain(dataDir)
    expect(users).toEqual(byId(offline('a')))
    expect(log.errors).toEqual([expect.stringContaining('segment 3: its head is damaged')])
  })

  test('[Z1] in the place of the first temporary file: the state is kept in memory, and the error names it', async () => {
    const dataDir = newDirectory()
    const path = join(dataDir, 'user_state_journal.000001.log.tmp')
    execFileSync('mkfifo', [path])
    const { store, log } = await startStoreOn(nodeDisk, { dataDir })
    onTestFinished(() => store.close())
    await vi.waitFor(() =>
      expect(store.health()).toMatchObject({
        state: 'failing',
        error: `${path} is a FIFO (named pipe), not a file`,
      }),
    )
    expect(log.errors).toHaveLength(1)
  })
})

test.skipIf(process.platform === 'win32')(
  '[Z8] a socket in the place of the lock is refused, and the lock is named',
  async () => {
    const dataDir = newDirectory()
    const listener = createServer()
    onTestFinished(() => void listener.close())
    await new Promise<void>(resolve => listener.listen(join(dataDir, 'lock'), resolve))
    const loading = openStoreOn(nodeDisk, { dataDir }).store.load()
    await expect(loading).rejects.toThrow(StoreUnusable)
    await expect(loading).rejects.toThrow(`${dataDir}/lock is a socket, not a file`)
  },
)

test.skipIf(!canMakeFifos)(
  '[Z2] a lock that a FIFO replaces while the server runs is noticed, and the lock is taken again when it is gone',
  async () => {
    const { dataDir } = await someDirectory()
    const { store, put, log } = await startStoreOn(nodeDisk, { dataDir })
    onTestFinished(() => store.close())
    await replaceWithFifo(join(dataDir, 'lock'))
    put(offline('c'))
    await vi.waitFor(
      () =>
        expect(store.health()).toMatchObject({ state: 'failing', error: expect.stringContaining('lock') }),
      { timeout: 5_000 },
    )
    expect(log.errors[0]).toContain(`${dataDir}/lock was replaced while the server was using it`)
    await rm(join(dataDir, 'lock'))
    await vi.waitFor(() => expect(store.health()).toEqual({ state: 'ok' }), { timeout: 6_000, interval: 100 })
  },
)

async function startAgain(dataDir: string) {
  const started = await startStoreOn(nodeDisk, { dataDir })
  await started.store.close()
  return started
}
