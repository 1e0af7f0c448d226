import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type Operation, SimulatedDisk } from './disk.fake.ts'
import type { Disk } from './disk.ts'
import { LatencyMonitor } from './latency-monitor.ts'
import { NOW, openStoreOn } from './testing/open-store.ts'
import { loadFrom, online } from './testing/sample-records.ts'

let steady = 0

beforeEach(() => {
  steady = 0
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
})
afterEach(() => {
  vi.useRealTimers()
})

const elapse = async (ms: number) => {
  for (let past = 0; past < ms; past += 10) {
    steady += 10
    vi.advanceTimersByTime(10)
    for (let turn = 0; turn < 200; turn += 1) await Promise.resolve()
  }
}

describe('lateness', () => {
  const watch = () => {
    const told: string[] = []
    const late = new LatencyMonitor({
      steady: () => steady,
      began: waitedMs => told.push(`late after ${waitedMs}`),
      ended: lastedMs => told.push(`in time after ${lastedMs}`),
    })
    return { late, told }
  }

  test('is told while something waits, and when nothing has been late for a while', async () => {
    const { late, told } = watch()
    const done = late.begin()
    await elapse(990)
    expect(told).toEqual([])
    await elapse(500)
    expect(told).toEqual(['late after 1000'])
    await elapse(60_000)
    expect(told).toHaveLength(1)
    done()
    done()
    await elapse(4_900)
    expect(told).toHaveLength(1)
    await elapse(1_000)
    expect(told[1]).toMatch(/^in time after 6\d{4}$/)
    await elapse(60_000)
    expect(told).toHaveLength(2)
  })

  test('control: what is done within a second is not late, however much of it there is', async () => {
    const { late, told } = watch()
    for (let round = 0; round < 100; round += 1) {
      const done = late.begin()
      await elapse(900)
      const next = late.begin()
      done()
      next()
    }
    expect(told).toEqual([])
  })

  test('a disk that is late again and again is told once', async () => {
    const { late, told } = watch()
    for (let round = 0; round < 20; round += 1) {
      const done = late.begin()
      await elapse(2_000)
      done()
      await elapse(2_000)
    }
    await elapse(10_000)
    expect(told).toEqual(['late after 1000', expect.stringMatching(/^in time/)])
  })

  test('time in which the process itself stood still is not counted', async () => {
    const { late, told } = watch()
    late.begin()()
    await elapse(500)
    const done = late.begin()
    steady += 15_000
    await elapse(800) // the look is due here, and sees what a suspended process sees when it continues
    done()
    await elapse(20_000)
    expect(told).toEqual([])
  })

  test('leaves no timer when nothing waits', async () => {
    const { late } = watch()
    late.begin()()
    await elapse(1_500)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a disk that hangs', () => {
  /** A disk whose operations, where a test says so, answer only when they are released. */
  const begin = async () => {
    const disk = new SimulatedDisk()
    let hangs: (operation: Pick<Operation, 'name' | 'path'>) => boolean = () => false
    const held: (() => void)[] = []
    const gate = async (name: Operation['name'], path: string) => {
      if (hangs({ name, path })) await new Promise<void>(resolve => held.push(resolve))
    }
    const hanging: Disk = {
      makeDirectory: (path, parents) => disk.makeDirectory(path, parents),
      stat: path => disk.stat(path),
      list: path => disk.list(path),
      open: path => disk.open(path),
      remove: path => disk.remove(path),
      link: (from, to) => disk.link(from, to),
      syncDirectory: path => disk.syncDirectory(path),
      rename: async (from, to) => {
        await gate('rename', to)
        return disk.rename(from, to)
      },
      create: async path => {
        const file = await disk.create(path)
        return {
          ...file,
          sync: async () => {
            await gate('sync', path)
            return file.sync()
          },
        }
      },
    }
    const { store, log } = openStoreOn(hanging, { steady: () => steady })
    const users = await loadFrom(store)
    await store.start(() => users.values())
    const release = () => {
      hangs = () => false
      for (const resolve of held.splice(0)) resolve()
    }
    return { store, log, users, release, hang: (which: typeof hangs) => (hangs = which) }
  }

  test.for([
    ['the sync of a batch', ({ name, path }) => name === 'sync' && path.includes('journal')],
    ['the sync of a snapshot', ({ name, path }) => name === 'sync' && path.includes('state.json')],
    ['the rename of a snapshot', ({ name, path }) => name === 'rename' && path.endsWith('state.json')],
    ['the rename of the lock', ({ name, path }) => name === 'rename' && path.endsWith('lock')],
  ] as const satisfies readonly (readonly [string, (operation: Operation) => boolean])[])(
    '[Z1] %s makes the storage late while it hangs, and is said once; then it is well again',
    async ([, which]) => {
      const { store, log, hang, release } = await begin()
      hang(which)
      const noted = online('a')
      store.note(noted)
      const saved = store.save()
      await elapse(900)
      expect(store.health()).toEqual({ state: 'ok' })
      await elapse(1_000)
      expect(store.health()).toEqual({ state: 'late', since: NOW - 1_000 })
      await elapse(20_000)
      expect(store.health().state).toBe('late')
      expect(log.errors).toEqual([expect.stringContaining('the disk is slow')])
      release()
      await elapse(100)
      await saved
      await elapse(6_000)
      expect(store.health()).toEqual({ state: 'ok' })
      expect(log.errors).toHaveLength(1)
      expect(log.infos.filter(text => text.includes('in time again'))).toHaveLength(1)
    },
  )

  test('[Z1] what a disk refuses while it is late is said as failing', async () => {
    const { store, hang, release } = await begin()
    hang(({ name, path }) => name === 'sync' && path.includes('journal'))
    store.note(online('a'))
    await elapse(2_000)
    expect(store.health().state).toBe('late')
    release()
    await elapse(100)
    await store.flush()
  })
})
