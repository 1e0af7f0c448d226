import { chmod, mkdir, readdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { SimulatedDisk } from './disk.fake.ts'
import { nodeDisk } from './disk.ts'
import { StoreUnusable } from './store.ts'
import { newDirectory, openStoreOn } from './testing/open-store.ts'

const load = (dataDir: string) => openStoreOn(nodeDisk, { dataDir }).store.load()

async function messageOf(loading: Promise<unknown>): Promise<string> {
  const error = await loading.then(
    () => new Error('it worked'),
    error => error,
  )
  expect(error).toBeInstanceOf(StoreUnusable)
  expect(error.message).not.toContain('\n')
  return error.message
}

const whoAmI = `runs as uid ${process.geteuid?.()}`

describe('an error about an unusable data directory', () => {
  test('[Z8] for a file in its place', async () => {
    const dataDir = join(newDirectory(), 'data')
    await writeFile(dataDir, 'x', { mode: 0o640 })
    const message = await messageOf(load(dataDir))
    for (const part of [dataDir, 'is a file, not a directory', 'mode 0640', whoAmI, 'set DATA_DIR'])
      expect(message).toContain(part)
  })

  test('[Z8] for a file in the place of its parent', async () => {
    const parent = join(newDirectory(), 'parent')
    await writeFile(parent, 'x')
    const message = await messageOf(load(join(parent, 'data')))
    expect(message).toContain(`${join(parent, 'data')} can't be used`)
    expect(message).toContain(`the nearest existing directory is ${parent}`)
  })

  test('[Z8] for a broken symbolic link', async () => {
    const dataDir = join(newDirectory(), 'data')
    await symlink('/nowhere/at/all', dataDir)
    expect(await messageOf(load(dataDir))).toContain(dataDir)
  })

  test('[Z8] for a directory in the place of the lock', async () => {
    const dataDir = newDirectory()
    await mkdir(join(dataDir, 'lock'), { mode: 0o750 })
    const message = await messageOf(load(dataDir))
    for (const part of [
      `${dataDir} can't be used: ${dataDir}/lock is a directory, not a file; lock belongs to uid`,
      'mode 0750',
      whoAmI,
      `: move ${dataDir}/lock away, or set DATA_DIR`,
    ])
      expect(message).toContain(part)
    expect(await readdir(dataDir)).toEqual(['lock'])
  })

  test('[Z8] for a lock that is a symbolic link to itself', async () => {
    const dataDir = newDirectory()
    await symlink('lock', join(dataDir, 'lock'))
    expect(await messageOf(load(dataDir))).toContain(`move ${dataDir}/lock away`)
  })

  test.skipIf(process.getuid?.() === 0)('[Z8] for a read-only directory', async () => {
    const dataDir = join(newDirectory(), 'data')
    await mkdir(dataDir, { mode: 0o500 })
    const message = await messageOf(load(dataDir))
    for (const part of [dataDir, 'EACCES', 'mode 0500', whoAmI, 'chown -R']) expect(message).toContain(part)
    await chmod(dataDir, 0o700)
  })

  test.for([
    ['EACCES', 'chown -R'],
    ['EPERM', 'immutable'],
    ['EROFS', 'mount the file system writable'],
    ['ENOSPC', 'free some space'],
    ['EDQUOT', 'free some space'],
    ['EMFILE', 'ulimit -n'],
    ['EIO', 'set DATA_DIR'],
  ] as const)(
    '[Z8] for %s in any operation is one sentence, and no file has changed',
    async ([code, advice]) => {
      for (let failing = 1; ; failing += 1) {
        const disk = new SimulatedDisk()
        disk.put('/data/user_state.json', '{"a":{"status":"offline","lastSeen":1}}')
        let operations = 0
        disk.fault = ({ name }) =>
          name !== 'remove' && name !== 'close' && ++operations === failing ? code : undefined
        const loading = openStoreOn(disk).store.load()
        const outcome = await loading.then(
          () => 'loaded',
          error => error,
        )
        if (outcome === 'loaded') {
          if (operations < failing) break
          continue // a failure of no weight
        }
        if (outcome instanceof StoreUnusable) {
          for (const part of ['/data', code, advice, whoAmI]) expect(outcome.message).toContain(part)
        } else {
          expect(outcome.name).toBe('StoreDamaged') // EIO while the state is read
        }
        expect([...disk.files()]).toEqual([
          ['user_state.json', Buffer.from('{"a":{"status":"offline","lastSeen":1}}')],
        ])
      }
    },
  )

  test('control: a usable directory is used, and a missing one is created', async () => {
    const dataDir = join(newDirectory(), 'one', 'two')
    const { store } = openStoreOn(nodeDisk, { dataDir })
    await store.load()
    expect(await readdir(dataDir)).toContain('lock')
    await store.close()
  })
})
