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

describe('a latency monitor', () => {
  const start = () => {
    const reports: string[] = []
    const late = new LatencyMonitor({
      steady: () => steady,
      onLate: waitedMs => reports.push(`late after ${waitedMs}`),
      onInTime: lastedMs => reports.push(`in time after ${lastedMs}`),
    })
    return { late, reports }
  }

  test('reports once while a call is late, and once when no call was late for 5 s', async () => {
    const { late, reports } = start()
    const done = late.begin()
    await elapse(990)
    expect(reports).toEqual([])
    await elapse(500)
    expect(reports).toEqual(['late after 1000'])
    await elapse(60_000)
    expect(reports).toHaveLength(1)
    done()
    done()
    await elapse(4_900)
    expect(reports).toHaveLength(1)
    await elapse(1_000)
    expect(reports[1]).toMatch(/^in time after 6\d{4}$/)
    await elapse(60_000)
    expect(reports).toHaveLength(2)
  })

  test('control: calls that take less than a second are not late', async () => {
    const { late, reports } = start()
    for (let round = 0; round < 100; round += 1) {
      const done = late.begin()
      await elapse(900)
      const next = late.begin()
      done()
      next()
    }
    expect(reports).toEqual([])
  })

  test('reports a disk that is late repeatedly only once', async () => {
    const { late, reports } = start()
    for (let round = 0; round < 20; round += 1) {
      const done = late.begin()
      await elapse(2_000)
      done()
      await elapse(2_000)
    }
    await elapse(10_000)
    expect(reports).toEqual(['late after 1000', expect.stringMatching(/^in time/)])
  })

  test('does not count time in which the process was suspended', async () => {
    const { late, reports } = start()
    late.begin()()
    await elapse(500)
    const done = late.begin()
    steady += 15_000
    await elapse(800) // the next check runs here, and sees the clock as after a suspension
    done()
    await elapse(20_000)
    expect(reports).toEqual([])
  })

  test('has no timer when nothing waits', async () => {
    const { late } = start()
    late.begin()()
    await elapse(1_500)
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe('a disk that hangs', () => {
  /** A disk on which selected operations hang until the test releases them. */
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
    '[Z1] %s: a call that hangs makes the storage late, with one log line; afterwards it is ok again',
    async ([, which]) => {
      const { store, log, hang, release } = await begin()
      hang(which)
      const record = online('a')
      store.put(record)
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

  test('[Z1] a call that succeeds late does not fail', async () => {
    const { store, hang, release } = await begin()
    hang(({ name, path }) => name === 'sync' && path.includes('journal'))
    store.put(online('a'))
    await elapse(2_000)
    expect(store.health().state).toBe('late')
    release()
    await elapse(100)
    await store.flush()
  })

  test('[T10] a batch and a snapshot are measured until they are durable', async () => {
    const { store, hang, release } = await begin()
    hang(({ name, path }) => name === 'sync' && path.includes('journal'))
    store.put(online('a'))
    await elapse(400)
    expect(store.times?.journal.count).toBe(0)
    release()
    await elapse(100)
    expect(store.times?.journal.count).toBe(1)
    expect(store.times?.journal.sum).toBeGreaterThan(0.3)
    expect(store.times?.journal.sum).toBeLessThan(0.5)

    hang(({ name, path }) => name === 'sync' && path.includes('state.json'))
    const saved = store.save()
    await elapse(700)
    release()
    await elapse(100)
    await saved
    expect(store.times?.save.count).toBe(1)
    expect(store.times?.save.sum).toBeGreaterThan(0.6)
    expect(store.times?.save.sum).toBeLessThan(0.8)
  })
})
