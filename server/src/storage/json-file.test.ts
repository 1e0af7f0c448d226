import { mkdir, readdir, stat, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { SimulatedDisk } from './disk.fake.ts'
import { describeDisk } from './disk.suite.ts'
import { type Disk, nodeDisk, type WritableFile } from './disk.ts'
import { SimulatedHost } from './host.fake.ts'
import { createJsonFileStore, type JsonFileOptions } from './json-file.ts'
import { describeStore } from './store.suite.ts'
import { type Store, StoreUnusable } from './store.ts'
import { diskWith, NOW, newDirectory, openStoreOn, startStoreOn } from './testing/open-store.ts'
import { ReadableLog } from './testing/readable-log.ts'
import { byId, loadFrom, offline } from './testing/sample-records.ts'

describeDisk('simulated', async () => ({ disk: new SimulatedDisk(), directory: '/data' }))
describeDisk('node', async () => ({ disk: nodeDisk, directory: join(newDirectory(), 'new', 'data') }))

describeStore('json-file', async () => {
  const dataDir = newDirectory()
  const host = new SimulatedHost()
  const killers = new Map<Store, () => Promise<void>>()
  return {
    open: () => {
      const { disk, kill } = killable(nodeDisk)
      const process = host.process()
      const store = createJsonFileStore({
        dataDir,
        log: new ReadableLog(),
        now: () => NOW,
        saveEveryMs: 3_600_000,
        disk,
        host: process,
      })
      killers.set(store, async () => {
        process.kill()
        await kill()
      })
      return store
    },
    kill: async store => killers.get(store)?.(),
  }
})

/** A disk of a process that can be killed: later calls never complete, and its files are closed. */
function killable(disk: Disk): { disk: Disk; kill(): Promise<void> } {
  const opened: WritableFile[] = []
  let isKilled = false
  const create: Disk['create'] = async path => {
    const file = await disk.create(path)
    opened.push(file)
    return file
  }
  return {
    disk: new Proxy(disk, {
      get: (target, name: keyof Disk) => {
        if (isKilled) return () => new Promise(() => {})
        return name === 'create' ? create : target[name]
      },
    }),
    kill: async () => {
      isKilled = true
      await Promise.allSettled(opened.map(file => file.close()))
    },
  }
}

describe('files on a real disk', () => {
  const begin = (dataDir: string, options: Partial<JsonFileOptions> = {}) =>
    startStoreOn(nodeDisk, { dataDir, ...options })

  test('have mode 0700 and 0600', async () => {
    const dataDir = join(newDirectory(), 'data')
    const { store, put } = await begin(dataDir)
    put(offline('a'))
    await store.save()
    await store.save()
    const modeOf = async (path: string) => ((await stat(path)).mode & 0o777).toString(8)
    expect(await modeOf(dataDir)).toBe('700')
    const names = await readdir(dataDir)
    expect(names.sort()).toEqual([
      'lock',
      'user_state.json',
      'user_state_backup.json',
      'user_state_journal.000002.log',
      'user_state_journal.000003.log',
    ])
    for (const name of names) expect(await modeOf(join(dataDir, name))).toBe('600')
    await store.close()
  })

  test('[I8] a directory in the place of the main file: the backup is used', async () => {
    const dataDir = newDirectory()
    const first = await begin(dataDir)
    first.put(offline('a'))
    await first.store.save()
    await first.store.save()
    await first.store.close()
    await nodeDisk.remove(join(dataDir, 'user_state.json'))
    await mkdir(join(dataDir, 'user_state.json'))

    const second = await begin(dataDir)
    expect(second.users).toEqual(byId(offline('a')))
    expect(second.log.errors).toEqual([
      expect.stringContaining('user_state.json is damaged: it is a directory, not a file'),
    ])
    await second.store.save()
    await second.store.close()
    const third = await begin(dataDir)
    expect(third.log.errors).toEqual([])
    await third.store.close()
  })

  test('[Z8] a lock that is a symbolic link to a missing file is an error that says so', async () => {
    const dataDir = newDirectory()
    await symlink('nowhere', join(dataDir, 'lock'))
    await expect(openStoreOn(nodeDisk, { dataDir }).store.load()).rejects.toThrow(
      new StoreUnusable(
        `the lock ${join(dataDir, 'lock')} can be neither created nor read: if it is a symbolic link to a missing file, remove it, then start again`,
      ),
    )
  })

  test('a large batch and a large snapshot do not block the event loop', async () => {
    const { store, users, put } = await begin(newDirectory())
    for (let index = 0; index < 60_000; index += 1) put(offline(`user ${index}`, index))
    // CPU time of this thread, not elapsed time: other processes must not make the test fail.
    const cpuMs = () => {
      const { user, system } = process.threadCpuUsage()
      return (user + system) / 1_000
    }
    let longest = 0
    let last = cpuMs()
    const probe = setInterval(() => {
      longest = Math.max(longest, cpuMs() - last)
      last = cpuMs()
    }, 1)
    await store.flush()
    await store.save()
    clearInterval(probe)
    expect(users.size).toBe(60_000)
    expect(longest).toBeLessThan(25) // without slices they take at least 60 ms
    await store.close()
  })
})

describe('automatic saves', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  const elapse = async (ms: number) => {
    for (let past = 0; past < ms; past += 50) {
      vi.advanceTimersByTime(50)
      for (let turn = 0; turn < 100; turn += 1) await Promise.resolve()
    }
  }

  test('happen when something changed, and not before they are due', async () => {
    const disk = new SimulatedDisk()
    const { store } = openStoreOn(disk, { saveEveryMs: 30_000 })
    const users = byId(offline('a'))
    await store.load()
    await store.start(() => users.values())
    const saves = () =>
      disk.operations.filter(({ name, path }) => name === 'rename' && path.endsWith('.json.tmp')).length

    await elapse(60_000)
    expect(saves()).toBe(0)
    store.put(offline('a'))
    await elapse(200)
    expect(saves()).toBe(1) // long due
    store.recordAlive(1)
    store.put(offline('a'))
    await elapse(25_000)
    expect(saves()).toBe(1)
    await elapse(6_000)
    expect(saves()).toBe(2 + 1) // a main file, and the one before as the backup
    store.recordAlive(2)
    await elapse(120_000)
    expect(saves()).toBe(3)
    await store.close()
  })

  test('happen at once if a file was lost', async () => {
    const disk = diskWith({ 'user_state_backup.json': '{"a":{"status":"offline","lastSeen":1000}}' })
    const { store, log } = openStoreOn(disk)
    const users = await loadFrom(store)
    await store.start(() => users.values())
    expect(log.errors).toHaveLength(1)
    await elapse(200)
    expect([...disk.files().keys()].sort()).toEqual([
      'lock',
      'user_state.json',
      'user_state_backup.json',
      'user_state_journal.000001.log',
      'user_state_journal.000002.log',
    ])
    await store.close()
  })
})

test('what was loaded does not stay in memory', async () => {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const disk = new SimulatedDisk()
  const first = await startStoreOn(disk)
  first.put(offline('ann'))
  await first.store.close()
  const { store } = openStoreOn(disk)
  const load = async () => new WeakRef(await store.load())
  const records = await load()
  await store.start(() => [])
  // The objects of the last turn of the event loop are still referenced.
  await new Promise(resolve => setImmediate(resolve))
  collect()
  expect(records.deref()).toBeUndefined()
  await store.close()
})
