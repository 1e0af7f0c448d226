import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Operation, SimulatedDisk } from './disk.fake.ts'
import { openStoreOn, startStoreOn } from './testing/open-store.ts'
import { byId, loadFrom, offline, online } from './testing/sample-records.ts'

/** Completes all pending operations of the simulated disk, which need no timer. */
const settle = async () => {
  for (let turn = 0; turn < 300; turn += 1) await Promise.resolve()
}

describe('a disk that fails', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const begin = async () => {
    const disk = new SimulatedDisk()
    const { store, log, users, put } = await startStoreOn(disk)
    put(online('before'))
    await store.save()
    log.infos.length = 0
    return { disk, store, log, users, put }
  }

  const elapse = async (ms: number) => {
    for (let elapsed = 0; elapsed < ms; elapsed += 10) {
      vi.advanceTimersByTime(10)
      await settle()
    }
  }

  /** Kills the process and reads the files in another one. */
  const afterKill = async (disk: SimulatedDisk) => {
    disk.fault = () => undefined
    const { store, log } = openStoreOn(disk.kill())
    const users = await loadFrom(store)
    await store.close()
    return { users, errors: log.errors }
  }

  const writes: readonly Operation['name'][] = ['create', 'write', 'sync', 'rename', 'link', 'syncDirectory']
  const everything = (code: string) => (operation: Operation) =>
    writes.includes(operation.name) ? code : undefined

  test.for(['ENOSPC', 'EROFS', 'EIO', 'EMFILE'])(
    '[I8] %s: logged once, and the state is saved again within 5 s after the disk works again',
    async code => {
      const { disk, store, log, put } = await begin()
      disk.fault = everything(code)
      put(online('during'))
      await elapse(60)
      expect(store.health()).toMatchObject({ state: 'failing', error: expect.stringContaining(code) })
      await expect(store.flush()).rejects.toThrow(code)
      await expect(store.save()).rejects.toThrow(code)
      put(online('while failing'))
      await elapse(20_000)
      expect(log.errors).toHaveLength(1)
      expect([...disk.files().keys()].filter(name => name.endsWith('.tmp'))).toEqual([])

      disk.fault = () => undefined
      await elapse(5_000)
      expect(store.health()).toEqual({ state: 'ok' })
      expect(log.errors).toHaveLength(1)
      expect(log.infos).toHaveLength(1)
      await store.flush()
      const { users, errors } = await afterKill(disk)
      expect(users).toEqual(byId(online('before'), online('during'), online('while failing')))
      expect(errors).toEqual([])
    },
  )

  test('[I8] a full disk damages neither the main file nor the backup', async () => {
    const { disk, store, put } = await begin()
    await store.save()
    const before = disk.files()
    disk.free = 10
    put(online('during'))
    await elapse(10_000)
    const after = disk.files()
    for (const name of ['user_state.json', 'user_state_backup.json'])
      expect(after.get(name)).toEqual(before.get(name))
    const { users } = await afterKill(disk)
    expect(users).toEqual(byId(online('before')))
  })

  test('[I8] when a full disk has space again, the state is saved', async () => {
    const { disk, store, put } = await begin()
    disk.free = 150
    put(online('during'))
    put(online('more'))
    await elapse(60)
    expect(store.health().state).toBe('failing')
    disk.free = Number.POSITIVE_INFINITY
    await elapse(5_000)
    expect(store.health().state).toBe('ok')
    expect((await afterKill(disk)).users).toEqual(byId(online('before'), online('during'), online('more')))
  })

  test('never writes to or syncs a file descriptor after it failed', async () => {
    const { disk, store, put } = await begin()
    let failures = 0
    let usedAgain = 0
    const create = disk.create.bind(disk)
    disk.create = async path => {
      const file = await create(path)
      let failed = false
      const attempt = async (): Promise<void> => {
        if (failed) usedAgain += 1
        failed = true
        failures += 1
        throw Object.assign(new Error('EIO'), { code: 'EIO' })
      }
      return {
        ...file,
        write: bytes => (failed ? attempt() : file.write(bytes)),
        sync: attempt,
      }
    }
    await store.save().catch(() => {})
    put(online('a'))
    await elapse(60)
    put(online('b'))
    await elapse(10_000)
    expect(failures).toBeGreaterThan(3)
    expect(usedAgain).toBe(0)
  })

  test('if only snapshots fail, the journal continues and records are durable', async () => {
    const { disk, store, log, put } = await begin()
    disk.fault = ({ name, path }) =>
      name === 'create' && path.includes('user_state.json') ? 'ENOSPC' : undefined
    await expect(store.save()).rejects.toThrow('ENOSPC')
    expect(store.health().state).toBe('failing')
    put(online('during'))
    await store.flush()
    await elapse(10_000)
    put(offline('later'))
    await store.flush()
    expect(log.errors).toHaveLength(1)
    const { users, errors } = await afterKill(disk)
    expect(users).toEqual(byId(online('before'), online('during'), offline('later')))
    expect(errors).toEqual([])
  })

  test('a journal that fails while its snapshot is renamed makes the save fail', async () => {
    const { disk, store, put } = await begin()
    let flushed: Promise<void> | undefined
    disk.fault = ({ name, path }) => {
      if (name === 'rename' && path.endsWith('user_state.json.tmp')) {
        put(online('during'))
        flushed = store.flush()
        flushed.catch(() => {})
      }
      return name === 'sync' && path.includes('journal') && flushed ? 'EIO' : undefined
    }
    await expect(store.save()).rejects.toThrow('EIO')
    await expect(flushed).rejects.toThrow('EIO')
    await expect(store.flush()).rejects.toThrow('EIO')
    expect(store.health().state).toBe('failing')
    disk.fault = () => undefined
    await elapse(5_000)
    expect(store.health()).toEqual({ state: 'ok' })
    expect((await afterKill(disk)).users).toEqual(byId(online('before'), online('during')))
  })

  test('if the snapshot after a disk failure is lost, the next start reports the lost changes', async () => {
    const { disk, store, put } = await begin()
    await store.save()
    disk.fault = everything('EIO')
    put(online('lost'))
    await elapse(60)
    disk.fault = () => undefined
    await elapse(5_000)
    put(online('after'))
    await store.flush()
    const left = disk.kill()
    left.put('/data/user_state.json', 'damaged')
    const next = openStoreOn(left)
    const users = await loadFrom(next.store)
    expect(next.log.errors.join('\n')).toContain('the disk failed before journal segment')
    expect([...users.keys()].sort()).toEqual(['after', 'before'])
  })

  test('a start on a failing disk succeeds, and the state is saved when the disk works', async () => {
    const disk = new SimulatedDisk()
    const { store, log } = openStoreOn(disk)
    const users = await loadFrom(store)
    disk.fault = everything('EIO')
    await store.start(() => users.values())
    expect(store.health().state).toBe('failing')
    users.set('a', online('a'))
    store.put(online('a'))
    await expect(store.flush()).rejects.toThrow('EIO')
    disk.fault = () => undefined
    await elapse(5_000)
    expect(store.health().state).toBe('ok')
    expect(log.errors).toHaveLength(1)
    expect((await afterKill(disk)).users).toEqual(byId(online('a')))
  })

  test('a save recovers from a failure of any single operation', async () => {
    for (let failing = 1; ; failing += 1) {
      const { disk, store, users, put } = await begin()
      await store.save()
      put(offline('stored'))
      let operations = 0
      disk.fault = () => (++operations === failing ? 'EIO' : undefined)
      const saved = await store.save().then(
        () => true,
        () => false,
      )
      const struck = operations >= failing
      await elapse(5_000)
      expect(store.health()).toEqual({ state: 'ok' })
      await store.flush()
      const { users: left, errors } = await afterKill(disk)
      expect(left).toEqual(users)
      expect(errors).toEqual([])
      if (!struck) {
        expect(saved).toBe(true)
        expect(failing).toBeGreaterThan(15)
        return
      }
    }
  })
})
