import { seeded } from '@who-is-online/testing/random'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { SimulatedDisk } from './disk.fake.ts'
import type { Store, UserRecord } from './store.ts'
import { openStoreOn } from './testing/open-store.ts'
import { HOSTILE_NAMES, loadFrom, offline, online } from './testing/sample-records.ts'

/*
 * A model of the states that are allowed after a power cut. For each user: the durable record, and every
 * record stored since. Any of them may come back. Any other record is an error, and so is a missing user who
 * was durable.
 */
class Oracle {
  /** The users as the process knows them. */
  readonly users: Map<string, UserRecord>
  /** The allowed records of each user, with the number of the change that created them. */
  readonly #possible = new Map<string, { change: number; record: UserRecord | undefined }[]>()
  #change = 0
  /** Alive times that may apply. */
  readonly #alive: number[] = []
  /** The newest alive time that no snapshot can have superseded, and the durable one of these. */
  #aliveSinceSaves = 0
  #aliveForSure = 0
  #saves = 0

  /** `allowed` returns the records that may exist for a user of an earlier process. */
  constructor(loaded: Map<string, UserRecord>, allowed: (record: UserRecord) => UserRecord[]) {
    this.users = new Map(Array.from(loaded, ([userId, record]) => [userId, asHeld(record)]))
    for (const [userId, record] of loaded) {
      this.#possible.set(
        userId,
        allowed(record).map(record => ({ change: 0, record })),
      )
    }
  }

  put(record: UserRecord): void {
    this.users.set(record.userId, record)
    this.#add(record.userId, record)
  }

  delete(userId: string): void {
    this.users.delete(userId)
    this.#add(userId, undefined)
  }

  #add(userId: string, record: UserRecord | undefined): void {
    const before = this.#possible.get(userId) ?? [{ change: 0, record: undefined }]
    this.#change += 1
    this.#possible.set(userId, [...before, { change: this.#change, record }])
  }

  recordAlive(now: number): void {
    this.#alive.push(now)
    if (this.#saves === 0) this.#aliveSinceSaves = Math.max(now, this.#aliveSinceSaves)
  }

  /** Call `durable` of the result when a flush that begins now has resolved. */
  snapshotOfNow(): { durable(): void } {
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

  /** A snapshot has exact times: alive times before it do not apply any more, or may not. */
  saveBegins(): void {
    this.#saves += 1
    this.#aliveSinceSaves = 0
    this.#aliveForSure = 0
  }

  saveEnds(): void {
    this.#saves -= 1
  }

  /** `failed`: an operation of the disk failed, so users who were live before may be held afterwards. */
  problems(loaded: Map<string, UserRecord>, failed: boolean): string[] {
    const problems: string[] = []
    for (const userId of new Set([...loaded.keys(), ...this.#possible.keys()])) {
      const record = loaded.get(userId)
      const possible = this.#possible.get(userId)?.map(({ record }) => record) ?? [undefined]
      if (!possible.some(candidate => this.#isSame(record, candidate, failed))) {
        problems.push(
          `${JSON.stringify(record)} is not one of ${JSON.stringify(possible)}, alive ${this.#alive}, ${this.#aliveForSure}`,
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

/** The record of a live user after the next process has started. */
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

/** The disk failed while the state was read, and the log reported that some of it is missing. */
class LossReported extends Error {}

/** Starts a process. It stores the loaded users as held, as the core does after a restart. */
async function begin(
  disk: SimulatedDisk,
  duringSnapshot: (reached: number, oracle: Oracle, store: Store) => void = () => {},
) {
  const { store, log } = openStoreOn(disk)
  const loaded = await loadFrom(store)
  if (log.errors.length > 0) throw new LossReported()
  let oracle = new Oracle(loaded, record => [record])
  let reached = 0
  await store.start(function* () {
    for (const record of oracle.users.values()) {
      yield record
      duringSnapshot(reached++, oracle, store)
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
  { weight: 8, arbitrary: fc.record({ do: fc.constant('put' as const), record: arbitraryRecord }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('delete' as const), userId: fc.constantFrom(...names) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      do: fc.constant('recordAlive' as const),
      now: fc.integer({ min: 1_000, max: 9_999 }),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('flush' as const), wait: fc.boolean() }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('save' as const), wait: fc.boolean() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('stop' as const) }) },
)
const arbitraryRun = fc.record({
  steps: fc.array(arbitraryStep, { maxLength: 20 }),
  notesDuringSnapshot: fc.array(arbitraryRecord, { maxLength: 3 }),
  /** The power fails before this operation of the disk; the seed decides what survives. */
  cutAfter: fc.integer({ min: 1, max: 180 }),
  seed: fc.integer(),
  /** The number of an operation that fails; 0 for none. */
  failAt: fc.oneof(
    { weight: 3, arbitrary: fc.constant(0) },
    { weight: 1, arbitrary: fc.integer({ min: 1, max: 150 }) },
  ),
})
type Run = typeof arbitraryRun extends fc.Arbitrary<infer T> ? T : never

/**
 * Runs one process until the power fails or all steps are done. Returns the states that are allowed
 * afterwards.
 */
async function runProcess(disk: SimulatedDisk, run: Run, failed: boolean): Promise<Oracle | undefined> {
  let oracle: Oracle | undefined
  disk.fault = () => (disk.operations.length === run.failAt ? 'EIO' : undefined)
  const work = async () => {
    const process = await begin(disk, (reached, oracle, store) => {
      const record = run.notesDuringSnapshot[reached]
      if (!record) return
      oracle.put(record)
      store.put(record)
    })
    oracle = process.oracle
    await runSteps(process.store, process.oracle, run.steps)
    if (!failed) expect(process.log.errors).toEqual([])
  }
  const ignoreExpected = (error: unknown) => {
    if (!failed || error instanceof LossReported) throw error
  }
  await Promise.race([work().catch(ignoreExpected), disk.powerCut])
  return oracle
}

async function runSteps(store: Store, oracle: Oracle, steps: Run['steps']): Promise<void> {
  const unfinished: Promise<void>[] = []
  const makeDurable = async (what: 'flush' | 'save', wait: boolean) => {
    const now = oracle.snapshotOfNow()
    const work = store[what]()
    if (what === 'save') oracle.saveBegins()
    const done = work.then(
      () => {
        now.durable()
        if (what === 'save') oracle.saveEnds()
      },
      // After a failed save, the new file may be in place or not.
      error => expect(error.message).toContain('EIO'),
    )
    if (wait) await done
    else unfinished.push(done)
  }
  for (const step of steps) {
    if (step.do === 'put') {
      oracle.put(step.record)
      store.put(step.record)
    } else if (step.do === 'delete') {
      oracle.delete(step.userId)
      store.delete(step.userId)
    } else if (step.do === 'recordAlive') {
      oracle.recordAlive(step.now)
      store.recordAlive(step.now)
    } else if (step.do === 'stop') {
      break
    } else {
      await makeDurable(step.do, step.wait)
    }
  }
  await Promise.all(unfinished)
  if (steps.at(-1)?.do === 'stop') {
    await makeDurable('save', true)
    await store.close()
  }
}

/**
 * Runs several processes on one disk, with a power cut after each, and compares the state with the allowed
 * ones.
 */
const survivesPowerCuts = (skips: SimulatedDisk['skips'], onCut: () => void) =>
  fc.asyncProperty(fc.array(arbitraryRun, { minLength: 1, maxLength: 4 }), async runs => {
    let disk = new SimulatedDisk()
    disk.skips = skips
    let oracle: Oracle | undefined
    let failed = false
    for (const run of runs) {
      failed ||= run.failAt > 0
      disk.cutAt = run.cutAfter
      try {
        oracle = (await runProcess(disk, run, failed)) ?? oracle
      } catch (error) {
        // Nothing is guaranteed about what is missing after this.
        if (error instanceof LossReported && failed) return
        throw error
      }
      if (disk.operations.length >= run.cutAfter) onCut()
      disk = disk.cutPower(seeded(run.seed))
      const { store, log } = openStoreOn(disk)
      const loaded = await loadFrom(store)
      await store.close()
      if (!failed) expect(log.errors).toEqual([])
      expect(oracle?.problems(loaded, failed) ?? []).toEqual([])
      // The next process may have started, or not.
      if (oracle) oracle = new Oracle(loaded, record => [record, asHeld(record)])
    }
  })

describe('power cuts', () => {
  test('[I8] durable records survive a power cut at any time, whatever the process does', async () => {
    let cuts = 0
    await fc.assert(
      survivesPowerCuts(undefined, () => cuts++),
      { numRuns: 1_000 },
    )
    expect(cuts).toBeGreaterThan(300)
  })

  test.for(['sync', 'syncDirectory'] as const)(
    'control: on a disk that skips %s, records are lost',
    async skips => {
      const { failed } = await fc.check(
        survivesPowerCuts(skips, () => {}),
        { numRuns: 600, endOnFailure: true },
      )
      expect(failed).toBe(true)
    },
  )

  test('[I8] durable records survive a power cut before each operation of a start, a flush, a save and a stop', async () => {
    const steps: Run['steps'] = [
      { do: 'put', record: online('a') },
      { do: 'put', record: offline('b') },
      { do: 'flush', wait: true },
      { do: 'put', record: offline('a', 2_000) },
      { do: 'recordAlive', now: 5_000 },
      { do: 'save', wait: true },
      { do: 'put', record: online('c') },
      { do: 'delete', userId: 'b' },
      { do: 'save', wait: true },
      { do: 'put', record: online('a', 3_000) },
      { do: 'flush', wait: true },
      { do: 'save', wait: true },
      { do: 'stop' },
    ]
    let operations = 0
    for (let cutAfter = 1; ; cutAfter += 1) {
      for (let seed = 0; seed < 4; seed += 1) {
        const disk = new SimulatedDisk()
        disk.cutAt = cutAfter
        const oracle = await runProcess(
          disk,
          { steps, notesDuringSnapshot: [], cutAfter, seed, failAt: 0 },
          false,
        )
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
