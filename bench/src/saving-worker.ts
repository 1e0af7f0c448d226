// The jobs of saving.ts, which run in child processes: they use the storage of the server.
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { StoredFeed } from '../../server/src/changes/stored-feed.ts'
import type { Change } from '../../server/src/presence/change.ts'
import { type Disk, nodeDisk } from '../../server/src/storage/disk.ts'
import { createJsonFileStore } from '../../server/src/storage/json-file.ts'
import { createMemoryStore } from '../../server/src/storage/memory.ts'
import type { Store, UserRecord } from '../../server/src/storage/store.ts'
import { idOf } from './known-users.ts'
import { type Job, type Load, type Round, round1 } from './saving-job.ts'

/** The default of the setting with this name. */
const RECENT_CHANGES = 100_000

/** Runs a job and returns its result. */
export function runJob(job: Job): Promise<Round | Load> {
  return job.do === 'load' ? load(job) : measure(job)
}

async function measure({ kind, dataDir, options }: Job & { do: 'round' }): Promise<Round> {
  const users = new Map<string, UserRecord>()
  const began = Date.now()
  for (let index = 0; index < options.users; index += 1) {
    const userId = idOf(index)
    users.set(userId, {
      userId,
      session: index % 4 === 0 ? 'live' : 'none',
      status: index % 4 === 0 ? 'online' : 'offline',
      lastSeen: began - index,
    })
  }
  const durable = new DurableProbe()
  const store = kind === 'control' ? createMemoryStore() : fileStore(dataDir, durable.disk)
  await store.load()
  globalThis.gc?.() // do not measure the garbage of creating a million users
  await sleep(500)

  const feed = logOf(store)
  await store.start(() => users.values(), undefined, feed)
  const saves = kind === 'on demand' ? new SavesOnDemand(store) : undefined
  const loop = new LoopProbe()
  const ends = performance.now() + options.seconds * 1000
  let notes = 0
  let lastAlive = 0
  while (performance.now() < ends) {
    const due = Math.floor(
      (options.notesPerSecond * (performance.now() - (ends - options.seconds * 1000))) / 1000,
    )
    for (; notes < due; notes += 1) {
      const userId = idOf((notes * 7_919) % options.users)
      const record: UserRecord = { userId, session: 'live', status: 'online', lastSeen: Date.now() }
      users.set(userId, record)
      store.put(record)
      feed.append([changeOf(record)])
      if (notes % 100 === 0) durable.expect(userId)
    }
    if (performance.now() - lastAlive > 1000) {
      lastAlive = performance.now()
      store.recordAlive(Date.now())
    }
    await sleep(5)
  }
  const stalls = loop.stop()
  await saves?.stop()
  const { count, longestMs } = durable.snapshots
  // Does not close the store, like a crash, so that the following load must read a journal.
  return {
    kind,
    ...stalls,
    notes,
    snapshots: count,
    snapshotMs: Math.round(longestMs),
    durableMs: durable.result(),
  }
}

/** The log of changes, which the store writes with the users, as in a server. */
function logOf(store: Store): StoredFeed {
  return new StoredFeed({
    epoch: 'bench',
    stored: undefined,
    recent: RECENT_CHANGES,
    grown: () => store.logGrown(),
    report: error => console.error(error),
  })
}

function changeOf({ userId, lastSeen }: UserRecord): Change {
  return {
    userId,
    status: 'online',
    previousStatus: 'offline',
    previousSince: 0,
    at: lastSeen,
    lastSeen,
    cause: 'opened',
    username: undefined,
    text: undefined,
  }
}

function fileStore(dataDir: string, disk: Disk): Store {
  const log = { info: () => {}, error: (text: string, fields?: object) => console.error(text, fields) }
  return createJsonFileStore({ dataDir, log, now: Date.now, saveEveryMs: 1, disk })
}

/** Saves again and again. */
class SavesOnDemand {
  #stopped = false
  readonly #done: Promise<void>

  constructor(store: Store) {
    this.#done = this.#run(store)
  }

  async #run(store: Store): Promise<void> {
    while (!this.#stopped) await store.save()
  }

  async stop(): Promise<void> {
    this.#stopped = true
    await this.#done
  }
}

/** Measures continuously how long the event loop needs for a turn. */
class LoopProbe {
  readonly #gaps = new Float64Array(1 << 16)
  #count = 0
  #longest = 0
  readonly #began = performance.now()
  #last = this.#began
  #stopped = false

  constructor() {
    setImmediate(this.#look)
  }

  readonly #look = (): void => {
    const now = performance.now()
    const gap = now - this.#last
    this.#last = now
    if (gap > this.#longest) this.#longest = gap
    if (gap > 0.5 && this.#count < this.#gaps.length) this.#gaps[this.#count++] = gap
    if (!this.#stopped) setImmediate(this.#look)
  }

  stop(): { longestStallMs: number; p99StallMs: number } {
    this.#stopped = true
    const gaps = this.#gaps.slice(0, this.#count).sort().reverse()
    let time = 0
    let p99 = 0
    for (const gap of gaps) {
      time += gap
      p99 = gap
      if (time >= (this.#last - this.#began) / 100) break
    }
    return { longestStallMs: round1(this.#longest), p99StallMs: round1(p99) }
  }
}

/** Measures on the disk when a record is durable, and how long snapshots take. */
class DurableProbe {
  readonly #noted = new Map<string, number>()
  readonly #took: number[] = []
  readonly snapshots = { count: 0, longestMs: 0 }
  readonly disk: Disk = {
    ...nodeDisk,
    create: path => this.#create(path),
    rename: (from, to) => this.#rename(from, to),
  }
  #snapshotBegan = 0

  expect(userId: string): void {
    if (!this.#noted.has(userId)) this.#noted.set(userId, performance.now())
  }

  async #create(path: string) {
    const file = await nodeDisk.create(path)
    if (!path.includes('journal')) this.#snapshotBegan = performance.now()
    if (!path.includes('journal')) return file
    let written: string[] = []
    return {
      ...file,
      write: async (bytes: Uint8Array) => {
        await file.write(bytes)
        const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
        for (const userId of this.#noted.keys()) if (text.includes(`"${userId}"`)) written.push(userId)
      },
      sync: async () => {
        await file.sync()
        const now = performance.now()
        for (const userId of written) {
          this.#took.push(now - (this.#noted.get(userId) ?? now))
          this.#noted.delete(userId)
        }
        written = []
      },
    }
  }

  async #rename(from: string, to: string): Promise<void> {
    await nodeDisk.rename(from, to)
    if (!to.endsWith('user_state.json')) return
    this.snapshots.count += 1
    this.snapshots.longestMs = Math.max(this.snapshots.longestMs, performance.now() - this.#snapshotBegan)
  }

  result(): Round['durableMs'] {
    const took = this.#took.sort((a, b) => a - b)
    if (took.length === 0) return undefined
    const at = (share: number) =>
      round1(took[Math.min(took.length - 1, Math.floor(share * took.length))] ?? 0)
    return { p50: at(0.5), p99: at(0.99), max: at(1) }
  }
}

async function load({ dataDir }: Job & { do: 'load' }): Promise<Load> {
  const store = createJsonFileStore({
    dataDir,
    log: { info: () => {}, error: text => console.error(text) },
    now: Date.now,
  })
  const began = performance.now()
  const users = await store.load()
  const loadMs = Math.round(performance.now() - began)
  const { size } = await stat(join(dataDir, 'user_state.json')).catch(() => ({ size: 0 }))
  await store.close()
  return { users: users.size, loadMs, bytes: size }
}

function sleep(ms: number): Promise<void> {
  return new Promise(resolve => setTimeout(resolve, ms))
}
