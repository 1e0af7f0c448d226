import { join } from 'node:path'
import { type Mutant, useMutatedCopies } from '@who-is-online/testing/mutated-copies'
import { seeded } from '@who-is-online/testing/random'
import { describe, expect, test } from 'vitest'
import { StoredFeed } from '../changes/stored-feed.ts'
import { newChange } from '../changes/testing/new-change.ts'
import { SimulatedDisk } from './disk.fake.ts'
import { createJsonFileStore } from './json-file.ts'
import type { Store, UserRecord } from './store.ts'
import { DATA, NOW } from './testing/open-store.ts'
import { ReadableLog } from './testing/readable-log.ts'

// State and log belong together. Whenever the power is cut, a change that was told to backends is in the state of the
// next process, and nothing is in the state that the log does not say. The version of a record is its `lastSeen`; the
// change of a version has it in its text.

const USERS = ['ann', 'bob', 'cid', 'dan'] as const

/** What a copy of the sources may have changed. */
interface Code {
  readonly createJsonFileStore: typeof createJsonFileStore
}

interface Told {
  readonly epoch: string
  /** The number up to which changes were told, and the newest version of each user among them. */
  seq: number
  readonly versions: Map<string, number>
}

interface Life {
  readonly store: Store
  readonly act: () => void
}

let starts = 0
let version = 0

/** Starts a process. It may change a user at once, as a start does if a choice has ended meanwhile. */
async function begin(disk: SimulatedDisk, code: Code, told: Told[], random: () => number): Promise<Life> {
  const store = code.createJsonFileStore({
    dataDir: DATA,
    log: new ReadableLog(),
    now: () => NOW,
    saveEveryMs: 3_600_000,
    journalEveryMs: 1,
    disk,
    host: { self: { pid: 1, started: String(starts++) }, isRunning: () => false },
  })
  const records = await store.load()
  let left = random() < 0.6 ? Math.floor(random() * 40) : Number.NaN
  const fails = random() < 0.5 ? /journal/ : /journal|lock|data$/
  disk.fault = ({ path }) => (fails.test(path) && left-- === 0 ? 'EIO' : undefined)
  const users = new Map(Array.from(records, record => [record.userId, record]))
  const { log } = records
  check(users, log, told)
  const feed = new StoredFeed({
    epoch: `e${starts}`,
    stored: log,
    recent: 10_000,
    report: error => expect.unreachable(String(error)),
    grown: () => store.logGrown(),
  })
  const mine: Told = { epoch: feed.epoch, seq: 0, versions: new Map() }
  told.push(mine)
  feed.listen({
    changed() {},
    synced() {
      for (const { userId, text } of feed.after(mine.seq, 10_000) ?? [])
        mine.versions.set(userId, Number(text))
      mine.seq = feed.syncedSeq
    },
  })
  const act = (): void => {
    const userId = USERS[Math.floor(random() * USERS.length)] as string
    const record: UserRecord = { userId, session: 'live', status: 'online', lastSeen: ++version }
    users.set(userId, record)
    // As the tracker does.
    store.put(record)
    feed.append([{ ...newChange(userId), text: String(version) }])
  }
  // Before the first segment: what differs from the log, see `changesOfRestart`.
  for (const [userId, logged] of versionsIn(log)) {
    const found = users.get(userId)?.lastSeen ?? 0
    if (found !== logged) feed.append([{ ...newChange(userId), text: String(found) }])
  }
  if (random() < 0.5) act()
  await store.start(() => users.values(), undefined, feed)
  return { store, act }
}

type Log = Awaited<ReturnType<Store['load']>>['log']

/** The newest version of each user in a log. */
function versionsIn(log: Log): Map<string, number> {
  return new Map(log?.changes.map(({ userId, text }) => [userId, Number(text)]))
}

/** Compares what a process finds with what the processes before have told. */
function check(users: ReadonlyMap<string, UserRecord>, log: Log, told: readonly Told[]): void {
  const found = (userId: string) => users.get(userId)?.lastSeen ?? 0
  const logged = versionsIn(log)
  for (const { epoch, seq, versions } of told) {
    for (const [userId, version] of versions) {
      expect(found(userId), `${userId} as told`).toBeGreaterThanOrEqual(version)
    }
    if (log?.epoch === epoch) expect(log.seq).toBeGreaterThanOrEqual(seq)
  }
  // Without a log, backends get the full state.
  if (!log || log.after > 0) return
  for (const userId of users.keys()) {
    expect(found(userId), `${userId} as logged`).toBeLessThanOrEqual(logged.get(userId) ?? 0)
  }
}

/** Plays some processes on one disk. Each ends with a power cut. */
async function play(seed: number, code: Code): Promise<void> {
  const random = seeded(seed)
  const told: Told[] = []
  let disk = new SimulatedDisk()
  for (let life = 0; life < 4; life++) {
    disk.cutAt = 10 + Math.floor(random() * 150)
    await Promise.race([live(disk, code, told, random), disk.powerCut])
    disk = disk.cutPower(random)
  }
  const last = await begin(disk, code, told, random)
  await last.store.close()
}

async function live(disk: SimulatedDisk, code: Code, told: Told[], random: () => number): Promise<void> {
  const { store, act } = await begin(disk, code, told, random)
  for (let turn = 0; turn < 60; turn++) {
    const kind = random()
    if (kind < 0.6) act()
    else if (kind < 0.75) void store.flush().catch(() => {})
    else if (kind < 0.85) void store.save().catch(() => {})
    // Some operations of the disk.
    else for (let left = Math.floor(random() * 40); left > 0; left--) await Promise.resolve()
  }
  await store.save().catch(() => {})
}

const SEEDS = Array.from({ length: 300 }, (_, seed) => seed + 1)

test('[E10 I8] state and log are durable together, whenever the power is cut', async () => {
  for (const seed of SEEDS) await play(seed, { createJsonFileStore })
})

describe('control: the test fails', () => {
  const copies = useMutatedCopies(join(import.meta.dirname, '..'), ['.', 'storage', 'changes', 'presence'])

  test.each<Mutant>([
    {
      name: 'a segment begins with changes without their records',
      file: 'storage/segment.ts',
      line: 'yield* batchLines(first)',
      becomes: 'yield* batchLines({ ...first, users: new Map() })',
    },
    {
      name: 'records come before their changes',
      file: 'storage/segment.ts',
      line: 'yield* changeLines(log)\n  yield* recordLines(users)',
      becomes: 'yield* recordLines(users)\n  yield* changeLines(log)',
    },
    {
      name: 'changes are told while their records are not durable',
      file: 'storage/log-writer.ts',
      line: 'this.#isHeld = true',
      becomes: '',
    },
    {
      name: 'records of a segment that was not created are lost',
      file: 'storage/journal-writer.ts',
      line: 'this.#pending = new Map([...users, ...this.#pending])',
      becomes: '',
    },
    {
      name: 'the rest of a segment that was not completed may come back',
      file: 'storage/journal-writer.ts',
      line: 'old && (await this.#isDiscarded(journal))',
      becomes: 'old',
    },
    {
      name: 'what comes before the first segment is lost',
      file: 'storage/journal-writer.ts',
      line: '#isAccepting = true\n  #next',
      becomes: '#isAccepting = false\n  #next',
    },
  ])('if $name', async mutant => {
    expect(copies.occurrences(mutant)).toBe(1)
    const load = await copies.make(mutant.name, mutant)
    const code = await load<Code>('storage/json-file.ts')
    const find = async () => {
      for (const seed of SEEDS) await play(seed, code)
    }
    await expect(find()).rejects.toThrow(/as told|as logged/)
  })
})
