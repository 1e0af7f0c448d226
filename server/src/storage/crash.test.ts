import { seeded } from '@who-is-online/testing/random'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SimulatedDisk } from './disk.fake.ts'
import type { Store, UserRecord } from './store.ts'
import { openStoreOn } from './testing/open-store.ts'
import { HOSTILE_NAMES, loadFrom, offline, online } from './testing/sample-records.ts'

/*
 * A model of what may be there after a power cut. For each user: what is durable, and everything noted since.
 * Whatever of that comes back is right; anything else, and nobody where somebody was durable, is wrong.
 */
class Oracle {
  /** What the process knows. */
  readonly users: Map<string, UserRecord>
  /** What each user may be, with the number of the change that made it so. */
  readonly #possible = new Map<string, { change: number; record: UserRecord | undefined }[]>()
  #change = 0
  /** Alive times that may count. */
  readonly #alive: number[] = []
  /** The newest that no snapshot can have made void, and the one of those that is durable. */
  #aliveSinceSaves = 0
  #aliveForSure = 0
  #saves = 0

  /** `may` is what can be there of a user that a process before has left. */
  constructor(left: Map<string, UserRecord>, may: (record: UserRecord) => UserRecord[]) {
    this.users = new Map(Array.from(left, ([userId, record]) => [userId, asHeld(record)]))
    for (const [userId, record] of left) {
      this.#possible.set(
        userId,
        may(record).map(record => ({ change: 0, record })),
      )
    }
  }

  note(record: UserRecord): void {
    this.users.set(record.userId, record)
    this.#add(record.userId, record)
  }

  forget(userId: string): void {
    this.users.delete(userId)
    this.#add(userId, undefined)
  }

  #add(userId: string, record: UserRecord | undefined): void {
    const before = this.#possible.get(userId) ?? [{ change: 0, record: undefined }]
    this.#change += 1
    this.#possible.set(userId, [...before, { change: this.#change, record }])
  }

  alive(now: number): void {
    this.#alive.push(now)
    if (this.#saves === 0) this.#aliveSinceSaves = Math.max(now, this.#aliveSinceSaves)
  }

  /** What is durable once a flush that begins now has resolved. */
  asOfNow(): { durable(): void } {
    const change = this.#change
    const alive = this.#aliveSinceSaves
    return {
      durable: () => {
        for (const [userId, records] of this.#possible) {
          const newest = records.findLast(record => record.change <= change)?.change ?? 0
          if (newest > 0)
            this.#possible.set(
              userId,
              records.filter(record => record.change >= newest),
            )
        }
        if (alive === this.#aliveSinceSaves) this.#aliveForSure = alive
      },
    }
  }

  /** A snapshot tells when users were seen: alive times before it don't count any more, or may not. */
  saveBegins(): void {
    this.#saves += 1
    this.#aliveSinceSaves = 0
    this.#aliveForSure = 0
  }

  saveEnds(): void {
    this.#saves -= 1
  }

  /** `failed` when the disk did not only lose power: who was live before that may be held after. */
  problems(loaded: Map<string, UserRecord>, failed: boolean): string[] {
    const problems: string[] = []
    for (const userId of new Set([...loaded.keys(), ...this.#possible.keys()])) {
      const record = loaded.get(userId)
      const possible = this.#possible.get(userId)?.map(({ record }) => record) ?? [undefined]
      if (!possible.some(candidate => this.#isSame(record, candidate, failed))) {
        problems.push(
          `${JSON.stringify(record)} is none of ${JSON.stringify(possible)}, alive ${this.#alive}, ${this.#aliveForSure}`,
        )
      }
    }
    return problems
  }

  #isSame(record: UserRecord | undefined, candidate: UserRecord | undefined, failed: boolean): boolean {
    if (!record || !candidate) return record === candidate
    const times = [candidate.lastSeen]
    if (candidate.session === 'live' && candidate.status === 'online') {
      times.push(...this.#alive.map(alive => Math.max(alive, candidate.lastSeen)))
      if (record.lastSeen < this.#aliveForSure) return false
    }
    return times.some(
      lastSeen =>
        same(record, { ...candidate, lastSeen }) ||
        (failed && same(record, asHeld({ ...candidate, lastSeen }))),
    )
  }
}

/** What a live user becomes when the next process has begun. */
function asHeld(record: UserRecord): UserRecord {
  return record.session === 'live' ? { ...record, session: 'held' } : record
}

function same(a: UserRecord, b: UserRecord): boolean {
  return (
    a.userId === b.userId &&
    a.session === b.session &&
    a.status === b.status &&
    a.lastSeen === b.lastSeen &&
    a.username === b.username
  )
}

/** The disk failed while the state was read, and the log says that some of it is missing. */
class LossSaid extends Error {}

/** A process: what it knows at its start is noted as held, as presence holds whoever was here before a restart. */
async function begin(
  disk: SimulatedDisk,
  duringWalk: (reached: number, oracle: Oracle, store: Store) => void = () => {},
) {
  const { store, log } = openStoreOn(disk)
  const loaded = await loadFrom(store)
  if (log.errors.length > 0) throw new LossSaid()
  let oracle = new Oracle(loaded, record => [record])
  let reached = 0
  await store.start(function* () {
    for (const record of oracle.users.values()) {
      yield record
      duringWalk(reached++, oracle, store)
    }
  })
  const hasBegun = store.health().state === 'ok'
  oracle = new Oracle(loaded, record => (hasBegun ? [asHeld(record)] : [record, asHeld(record)]))
  return { store, log, oracle, loaded }
}

const names = HOSTILE_NAMES.slice(0, 6)
const arbitraryRecord: fc.Arbitrary<UserRecord> = fc.record({
  userId: fc.constantFrom(...names),
  session: fc.constantFrom('live' as const, 'held' as const, 'none' as const),
  status: fc.constantFrom('online' as const, 'offline' as const),
  lastSeen: fc.integer({ min: 1_000, max: 9_999 }),
})
const arbitraryStep = fc.oneof(
  { weight: 8, arbitrary: fc.record({ do: fc.constant('note' as const), record: arbitraryRecord }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('forget' as const), userId: fc.constantFrom(...names) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('alive' as const), now: fc.integer({ min: 1_000, max: 9_999 }) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('flush' as const), wait: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('save' as const), wait: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const) }) },
)
const arbitraryLife = fc.record({
  steps: fc.array(arbitraryStep, { maxLength: 20 }),
  walkNotes: fc.array(arbitraryRecord, { maxLength: 3 }),
  /** The power goes before so many operations of the disk have been done; what survives follows the seed. */
  cutAfter: fc.integer({ min: 1, max: 180 }),
  seed: fc.integer(),
  /** An operation that fails, or 0. */
  failAt: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 150 }) },
  ),
})
type Life = typeof arbitraryLife extends fc.Arbitrary<infer T> ? T : never

/** Lives one process until the power goes or its steps are done, and returns what may be left. */
async function live(disk: SimulatedDisk, life: Life, failed: boolean): Promise<Oracle | undefined> {
  let oracle: Oracle | undefined
  disk.fault = () => (disk.operations.length === life.failAt ? 'EIO' : undefined)
  const work = async () => {
    const process = await begin(disk, (reached, oracle, store) => {
      const record = life.walkNotes[reached]
      if (!record) return
      oracle.note(record)
      store.note(record)
    })
    oracle = process.oracle
    await walk(process.store, process.oracle, life.steps)
    if (!failed) expect(process.log.errors).toEqual([])
  }
  const given = (error: unknown) => {
    if (!failed || error instanceof LossSaid) throw error
  }
  await Promise.race([work().catch(given), disk.powerCut])
  return oracle
}

async function walk(store: Store, oracle: Oracle, steps: Life['steps']): Promise<void> {
  const unfinished: Promise<void>[] = []
  const keep = async (what: 'flush' | 'save', wait: boolean) => {
    const now = oracle.asOfNow()
    const work = store[what]()
    if (what === 'save') oracle.saveBegins()
    const done = work.then(
      () => {
        now.durable()
        if (what === 'save') oracle.saveEnds()
      },
      error => expect(error.message).toContain('EIO'), // a save that failed never ends: it may be in place or not
    )
    if (wait) await done
    else unfinished.push(done)
  }
  for (const step of steps) {
    if (step.do === 'note') {
      oracle.note(step.record)
      store.note(step.record)
    } else if (step.do === 'forget') {
      oracle.forget(step.userId)
      store.forget(step.userId)
    } else if (step.do === 'alive') {
      oracle.alive(step.now)
      store.alive(step.now)
    } else if (step.do === 'stop') {
      break
    } else {
      await keep(step.do, step.wait)
    }
  }
  await Promise.all(unfinished)
  if (steps.at(-1)?.do === 'stop') {
    await keep('save', true)
    await store.close()
  }
}

/** Lives several processes on one disk, with a power cut after each, and compares what is there with what may be. */
const livesEndWell = (lies: SimulatedDisk['lies'], onCut: () => void) =>
  fc.asyncProperty(fc.array(arbitraryLife, { minLength: 1, maxLength: 4 }), async lives => {
    let disk = new SimulatedDisk()
    disk.lies = lies
    let oracle: Oracle | undefined
    let failed = false
    for (const life of lives) {
      failed ||= life.failAt > 0
      disk.cutAt = life.cutAfter
      try {
        oracle = (await live(disk, life, failed)) ?? oracle
      } catch (error) {
        if (error instanceof LossSaid && failed) return // from here on nothing more is promised of what is missing
        throw error
      }
      if (disk.operations.length >= life.cutAfter) onCut()
      disk = disk.cutPower(seeded(life.seed))
      const { store, log } = openStoreOn(disk)
      const loaded = await loadFrom(store)
      await store.close()
      if (!failed) expect(log.errors).toEqual([])
      expect(oracle?.problems(loaded, failed) ?? []).toEqual([])
      if (oracle) oracle = new Oracle(loaded, record => [record, asHeld(record)]) // the next one may have begun, or not
    }
  })

describe('power cuts', () => {
  test('[I8] whatever is done, and whenever the power goes, what was durable is there', async () => {
    let cuts = 0
    await fc.assert(
      livesEndWell(undefined, () => cuts++),
      { numRuns: 1_000 },
    )
    expect(cuts).toBeGreaterThan(300)
  })

  test.for(['sync', 'syncDirectory'] as const)(
    'control: on a disk that lies about %s that is not so',
    async lies => {
      const { failed } = await fc.check(
        livesEndWell(lies, () => {}),
        { numRuns: 600, endOnFailure: true },
      )
      expect(failed).toBe(true)
    },
  )

  test('[I8] the power goes before any operation of a start, a flush, a save and a stop', async () => {
    const steps: Life['steps'] = [
      { do: 'note', record: online('a') },
      { do: 'note', record: offline('b') },
      { do: 'flush', wait: true },
      { do: 'note', record: offline('a', 2_000) },
      { do: 'alive', now: 5_000 },
      { do: 'save', wait: true },
      { do: 'note', record: online('c') },
      { do: 'forget', userId: 'b' },
      { do: 'save', wait: true },
      { do: 'note', record: online('a', 3_000) },
      { do: 'flush', wait: true },
      { do: 'save', wait: true },
      { do: 'stop' },
    ]
    let operations = 0
    for (let cutAfter = 1; ; cutAfter += 1) {
      for (let seed = 0; seed < 4; seed += 1) {
        const disk = new SimulatedDisk()
        disk.cutAt = cutAfter
        const oracle = await live(disk, { steps, walkNotes: [], cutAfter, seed, failAt: 0 }, false)
        operations = disk.operations.length
        const { store, log } = openStoreOn(disk.cutPower(seeded(seed * 1_000 + cutAfter)))
        const loaded = await loadFrom(store)
        await store.close()
        expect(log.errors).toEqual([])
        expect(oracle?.problems(loaded, false) ?? []).toEqual([])
      }
      if (operations < cutAfter) break
    }
    expect(operations).toBeGreaterThan(60)
  })
})
