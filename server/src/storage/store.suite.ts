import { beforeEach, describe, expect, test } from 'vitest'
import { StoredFeed } from '../changes/stored-feed.ts'
import { newChange } from '../changes/testing/new-change.ts'
import { type Store, StoreLocked, type UserRecord } from './store.ts'
import {
  byId,
  everyKindOfRecord,
  HOSTILE_NAMES,
  loadFrom,
  offline,
  online,
} from './testing/sample-records.ts'

/** One location and the processes that use it. */
export interface StoreHarness {
  /** Opens the store as a new process, at the same location. */
  open(): Store
  /** Kills the process of a store. */
  kill(store: Store): Promise<void>
}

/** The contract suite of `Store`; the guarantees are on the port. */
export function describeStore(name: string, makeHarness: () => Promise<StoreHarness>): void {
  describe(`a store: ${name}`, () => {
    let harness: StoreHarness

    beforeEach(async () => {
      harness = await makeHarness()
    })

    /** Reads the users as the next process does. */
    const reload = async (): Promise<Map<string, UserRecord>> => {
      const store = harness.open()
      const users = await loadFrom(store)
      await store.close()
      return users
    }

    /** Starts a store, and keeps the users of its process. */
    const begin = async () => {
      const store = harness.open()
      const users = await loadFrom(store)
      await store.start(() => users.values())
      const put = (...records: UserRecord[]) => {
        for (const record of records) {
          users.set(record.userId, record)
          store.put(record)
        }
      }
      const remove = (userId: string) => {
        users.delete(userId)
        store.delete(userId)
      }
      return { store, users, put, remove }
    }

    test('is empty if nothing was ever written', async () => {
      expect(await reload()).toEqual(new Map())
    })

    test('[I8] records stored before a flush survive a crash', async () => {
      const { store, put } = await begin()
      put(online('a'), offline('b'))
      await store.flush()
      await harness.kill(store)
      expect(await reload()).toEqual(byId(online('a'), offline('b')))
    })

    test('[I8] records stored 150 ms ago survive a crash', async () => {
      const { store, put } = await begin()
      put(online('a'))
      await new Promise(resolve => setTimeout(resolve, 150))
      await harness.kill(store)
      expect(await reload()).toEqual(byId(online('a')))
    })

    test('[E10] the log of changes survives with the records of the same moment, in the same epoch', async () => {
      const beginLog = async () => {
        const store = harness.open()
        const { log } = await store.load()
        const synced: number[] = []
        const feed = new StoredFeed({
          epoch: log ? 'other' : 'e',
          stored: log,
          recent: 3,
          report: error => expect.unreachable(String(error)),
          grown: () => store.logGrown(),
        })
        await store.start(() => [], undefined, feed)
        feed.listen({ changed() {}, synced: () => synced.push(feed.syncedSeq) })
        return { store, feed, synced }
      }
      const { store, feed, synced } = await beginLog()
      feed.append(['a', 'b', 'c', 'd'].map(newChange))
      store.put(online('d'))
      await store.flush()
      expect(synced.at(-1)).toBe(4)
      await harness.kill(store)
      const next = await beginLog()
      expect([next.feed.epoch, next.feed.after(1, 9)]).toEqual(['e', feed.after(1, 9)])
      expect(next.feed.seq).toBeGreaterThanOrEqual(4)
      expect([0, 1, 4].map(seq => next.feed.recalls({ epoch: 'e', seq }))).toEqual([false, true, true])
      next.feed.append([newChange('e')])
      await next.store.save()
      await next.store.close()
      const last = await beginLog()
      expect(last.feed.seq).toBe(next.feed.seq)
      expect(last.feed.after(4, 9)).toMatchObject([{ userId: 'e' }])
      await last.store.close()
    })

    test('stores every combination of session, status, activity and name', async () => {
      const { store, users, put } = await begin()
      put(...everyKindOfRecord())
      await store.flush()
      const journalled = new Map(users)
      await harness.kill(store)
      expect(await reload()).toEqual(journalled)

      const next = await begin()
      next.put(...journalled.values())
      await next.store.save()
      await next.store.close()
      expect(await reload()).toEqual(journalled)
    })

    test('stores names of every kind, as user id and as username', async () => {
      const { store, put } = await begin()
      const records = HOSTILE_NAMES.map(hostile => online(hostile, 1_000, hostile))
      put(...records)
      await store.flush()
      await harness.kill(store)
      expect(await reload()).toEqual(byId(...records))

      const next = await begin()
      next.put(...records)
      await next.store.save()
      await next.store.close()
      expect(await reload()).toEqual(byId(...records))
    })

    test('keeps the newest record of a user, and removes deleted users until they are stored again', async () => {
      const { store, put, remove } = await begin()
      put(online('a', 1), online('b', 1), online('c', 1))
      await store.flush()
      put(offline('a', 2))
      put(online('a', 3))
      remove('b')
      remove('c')
      put(offline('c', 4))
      remove('nobody')
      await store.flush()
      await harness.kill(store)
      expect(await reload()).toEqual(byId(online('a', 3), offline('c', 4)))
    })

    test('a snapshot contains all users, and later records apply as well', async () => {
      const { store, put, remove } = await begin()
      put(online('a'), online('b'), online('c'))
      await store.save()
      put(offline('b', 2_000), online('d'))
      remove('c')
      await store.flush()
      await harness.kill(store)
      expect(await reload()).toEqual(byId(online('a'), offline('b', 2_000), online('d')))
    })

    test('users can be added, changed and removed during a snapshot', async () => {
      const store = harness.open()
      const users = await loadFrom(store)
      const change = (record: UserRecord) => {
        users.set(record.userId, record)
        store.put(record)
      }
      await store.start(function* () {
        let reached = 0
        for (const record of users.values()) {
          yield record
          reached += 1
          if (reached === 1) change(offline('a', 2_000))
          if (reached === 2) change(online('e', 2_000))
          if (reached === 3) {
            users.delete('b')
            store.delete('b')
          }
        }
      })
      for (const userId of ['a', 'b', 'c', 'd']) change(online(userId))
      await store.save()
      await harness.kill(store)
      expect(await reload()).toEqual(byId(offline('a', 2_000), online('c'), online('d'), online('e', 2_000)))
    })

    test('after a crash, lastSeen of visible live users is the last alive time', async () => {
      const { store, put } = await begin()
      const held: UserRecord = { ...online('held'), session: 'held' }
      const hidden: UserRecord = { ...online('hidden'), status: 'offline' }
      put(online('a'), held, hidden, offline('gone'))
      store.recordAlive(5_000)
      store.recordAlive(6_000)
      put(online('later', 7_000))
      await store.flush()
      await harness.kill(store)
      expect(await reload()).toEqual(
        byId(online('a', 6_000), held, hidden, offline('gone'), online('later', 7_000)),
      )
    })

    test('[R11] after a crash, an alive time from before the clock was set back does not count', async () => {
      const { store, put } = await begin()
      put(online('a', 1_000))
      store.recordAlive(9_000_000)
      await store.flush()
      put(online('a', 2_000))
      store.recordAlive(3_000)
      await store.flush()
      await harness.kill(store)
      expect(await reload()).toEqual(byId(online('a', 3_000)))
    })

    test('[R11] latestTime is what the clock showed last, not the highest time', async () => {
      const { store, put } = await begin()
      put(online('a', 1_000), { ...offline('b', 9_500_000), aheadMs: 9_000_000 })
      store.recordAlive(9_000_000)
      await store.flush()
      store.recordAlive(2_000)
      await store.flush()
      put(online('a', 3_000))
      await store.flush()
      await harness.kill(store)
      const next = harness.open()
      expect((await next.load()).latestTime).toBe(3_000)
      await next.close()
    })

    test('all fields of a record survive a crash and a save', async () => {
      const { store, put } = await begin()
      const text = 'in a “call” \u2028 \\ "'
      const records: UserRecord[] = [
        { ...online('busy'), status: 'busy', text, expiresAt: 9_000_000 },
        { ...online('away'), status: 'away' },
        { ...online('idle'), idle: true },
        { ...online('idle with a text'), idle: true, text, session: 'held' },
        { ...online('idle and busy'), status: 'busy', idle: true },
        { ...online('away and idle'), status: 'away', idle: true },
        { ...online('hidden'), status: 'offline', text, expiresAt: 9_000_000 },
        { ...online('hidden and idle'), status: 'offline', idle: true, session: 'held' },
        { ...offline('back until then'), status: 'busy', text, expiresAt: 9_000_000 },
        { ...offline('hidden until then'), status: 'offline', expiresAt: 9_000_000 },
        { ...offline('online until then'), status: 'online', expiresAt: 9_000_000 },
        { ...offline('with a new name'), newUsername: 'new', username: 'old' },
        { ...online('never seen'), status: 'offline', unseen: true },
        { ...offline('by a clock that was ahead', 9_000_000), aheadMs: 5_000_000 },
        { ...offline('never seen, and gone'), keptHidden: true, unseen: true },
      ]
      put(...records)
      await store.flush()
      await harness.kill(store)
      expect(await reload()).toEqual(byId(...records))
      const again = await begin()
      again.put(...records)
      await again.store.save()
      await again.store.close()
      expect(await reload()).toEqual(byId(...records))
    })

    test('after a clean stop, lastSeen is exactly as stored', async () => {
      const { store, put } = await begin()
      put(online('a'), offline('b', 2_000))
      store.recordAlive(5_000)
      await store.save()
      await store.close()
      expect(await reload()).toEqual(byId(online('a'), offline('b', 2_000)))
    })

    test('alive times of a process do not apply to users of an earlier process', async () => {
      const first = await begin()
      first.put(online('a'), online('b'))
      first.store.recordAlive(5_000)
      await first.store.flush()
      await harness.kill(first.store)

      const second = await begin()
      second.put(online('b', 8_000))
      second.store.recordAlive(9_000)
      await second.store.flush()
      await harness.kill(second.store)
      expect(await reload()).toEqual(byId({ ...online('a', 5_000), session: 'held' }, online('b', 9_000)))
    })

    test('stores times before the epoch unchanged', async () => {
      const { store, put } = await begin()
      put(offline('early', -62_000_000_000_000), offline('zero', 0))
      await store.flush()
      await harness.kill(store)
      expect(await reload()).toEqual(byId(offline('early', -62_000_000_000_000), offline('zero', 0)))
    })

    test('[Z6] knownTime is the highest one that was stored, after a crash, a save and a clean stop', async () => {
      const knownTime = async () => {
        const store = harness.open()
        const time = (await store.load()).knownTime
        await store.close()
        return time
      }
      expect(await knownTime()).toBeUndefined()
      const first = await begin()
      first.put(online('a', 7_000), offline('b', 9_000))
      await first.store.flush()
      await harness.kill(first.store)
      expect(await knownTime()).toBe(9_000) // without a stored one, it is the latest of all times

      const second = await begin()
      second.store.recordAlive(20_000, 5_000)
      second.store.recordAlive(19_000, 6_000)
      second.store.recordAlive(18_000, 4_000)
      await second.store.flush()
      await harness.kill(second.store)
      expect(await knownTime()).toBe(9_000)

      const third = harness.open()
      await third.load()
      await third.start(
        () => [],
        () => 12_000,
      )
      await third.save()
      await harness.kill(third)
      expect(await knownTime()).toBe(12_000)

      const fourth = harness.open()
      let time = 13_000
      await fourth.load()
      await fourth.start(
        () => [],
        () => time,
      )
      fourth.put(offline('c', 90_000))
      await fourth.save()
      time = 14_000
      await fourth.close()
      expect(await knownTime()).toBe(14_000)
    })

    test('[Z6] times of a clock that was ahead or behind stay unchanged', async () => {
      const { store, put } = await begin()
      put(online('ahead', Date.UTC(2090, 0, 1)), offline('behind', 3))
      await store.flush()
      await harness.kill(store)
      expect(await reload()).toEqual(byId(online('ahead', Date.UTC(2090, 0, 1)), offline('behind', 3)))
    })

    test('a thousand rounds of concurrent puts, flushes and saves', async () => {
      const { store, users, put } = await begin()
      for (let round = 0; round < 1_000; round += 1) {
        put(online(`user ${round % 100}`, round), offline(`user ${(round * 7) % 300}`, round))
        if (round % 200 === 0) await Promise.all([store.flush(), store.save(), store.flush()])
      }
      await Promise.all([store.save(), store.save(), store.flush()])
      await store.close()
      expect(await reload()).toEqual(users)
    })

    test('has one owner at a time', async () => {
      const { store } = await begin()
      await expect(harness.open().load()).rejects.toThrow(StoreLocked)
      await store.close()
      expect(await reload()).toEqual(new Map())
    })

    test('a killed process does not block the next one', async () => {
      for (let round = 0; round < 5; round += 1) {
        const { store, put } = await begin()
        put(offline(`user ${round}`, round))
        await store.flush()
        await harness.kill(store)
      }
      expect([...(await reload()).keys()]).toHaveLength(5)
    })

    test('is ok, and rejects flush and save after close', async () => {
      const { store, put } = await begin()
      expect(store.health()).toEqual({ state: 'ok' })
      await store.close()
      put(online('late'))
      store.delete('late')
      store.recordAlive(1)
      await expect(store.flush()).rejects.toThrow('closed')
      await expect(store.save()).rejects.toThrow('closed')
      await store.close()
      expect(await reload()).toEqual(new Map())
    })
  })
}
