/*
 * What saving costs: a million users, 10,000 changes a second, and how long the event loop stands still; beside
 * it the same without saving. Each round is a process of its own, and the kinds take turns, since a machine
 * has better and worse minutes.
 *
 *     node --conditions=@who-is-online/source bench/src/saving.ts [users] [seconds] [rounds]
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type Disk, nodeDisk } from '../../server/src/storage/disk.ts'
import { createJsonFileStore } from '../../server/src/storage/json-file.ts'
import { createMemoryStore } from '../../server/src/storage/memory.ts'
import type { Store, UserRecord } from '../../server/src/storage/store.ts'
import { idOf } from './scenarios/known.ts'

export interface SavingOptions {
  /** Known users. Default 1,000,000. */
  readonly users?: number
  /** How long each round measures, in seconds. Default 8: a gentle save of a million users takes about 5. */
  readonly seconds?: number
  /** Rounds of each kind. Default 3. */
  readonly rounds?: number
  /** Changes a second. Default 10,000. */
  readonly notesPerSecond?: number
}

/**
 * `control` never saves. `periodic` is a server as it runs, measured while it saves. `on demand` saves
 * without a pause.
 */
type Kind = 'control' | 'periodic' | 'on demand'
const KINDS: readonly Kind[] = ['control', 'periodic', 'on demand']

interface Round {
  readonly kind: Kind
  readonly longestStallMs: number
  /** The pause an event meets that comes at any moment; 99 of 100 meet a shorter one. */
  readonly p99StallMs: number
  readonly notes: number
  readonly snapshots: number
  readonly snapshotMs: number
  /** From a note to the end of the sync that made it durable. */
  readonly durableMs: { readonly p50: number; readonly p99: number; readonly max: number } | undefined
}

interface Load {
  readonly users: number
  readonly loadMs: number
  readonly bytes: number
}

export interface SavingResult {
  readonly options: Required<SavingOptions>
  readonly rounds: readonly Round[]
  readonly loads: readonly Load[]
  /** The median over the rounds of the longest stall with periodic saving, less that of the control. */
  readonly addedStallMs: number
}

type Job =
  | {
      readonly do: 'round'
      readonly kind: Kind
      readonly dataDir: string
      readonly options: Required<SavingOptions>
    }
  | { readonly do: 'load'; readonly dataDir: string }

/** This file: the program that a job runs in. The same file of another build measures that build's storage. */
export const WORKER = import.meta.filename

/** Measures in child processes and prints a table. */
export async function saving(options: SavingOptions = {}): Promise<SavingResult> {
  const [result] = await savingOf([WORKER], options)
  if (!result) throw new Error('nothing was measured')
  print(result)
  return result
}

/**
 * Measures several builds in turn, each by its own worker. Every second round goes through them backwards.
 *
 * @param workers for each build the path of its `bench/src/saving.ts`
 * @returns a result for each worker, in the same order
 */
export async function savingOf(
  workers: readonly string[],
  options: SavingOptions = {},
): Promise<SavingResult[]> {
  const full = { users: 1_000_000, seconds: 8, rounds: 3, notesPerSecond: 10_000, ...options }
  const measured = workers.map(worker => ({ worker, rounds: [] as Round[], loads: [] as Load[] }))
  for (let round = 0; round < full.rounds; round += 1) {
    for (const kind of KINDS) {
      for (const { worker, rounds, loads } of round % 2 === 0 ? measured : measured.toReversed()) {
        const dataDir = await mkdtemp(join(tmpdir(), 'who-is-online-bench-'))
        try {
          rounds.push(await inChild<Round>({ do: 'round', kind, dataDir, options: full }, worker))
          if (kind !== 'control') loads.push(await inChild<Load>({ do: 'load', dataDir }, worker))
        } finally {
          await rm(dataDir, { recursive: true, force: true })
        }
      }
    }
  }
  return measured.map(({ rounds, loads }) => {
    const longest = (kind: Kind) =>
      median(rounds.filter(round => round.kind === kind).map(round => round.longestStallMs))
    const addedStallMs = round1(longest('periodic') - longest('control'))
    return { options: full, rounds, loads, addedStallMs }
  })
}

async function inChild<T>(job: Job, worker: string): Promise<T> {
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--expose-gc', '--conditions=@who-is-online/source', worker, '--job', JSON.stringify(job)],
    { maxBuffer: 1 << 24 },
  )
  return JSON.parse(stdout)
}

function print({ options, rounds, loads, addedStallMs }: SavingResult): void {
  console.log(
    `${options.users.toLocaleString('en')} users, ${options.notesPerSecond.toLocaleString('en')} notes/s, ${options.seconds} s a round`,
  )
  console.table(
    rounds.map(round => ({
      kind: round.kind,
      'longest stall ms': round.longestStallMs,
      'p99 stall ms': round.p99StallMs,
      'notes/s': Math.round(round.notes / options.seconds),
      snapshots: round.snapshots,
      'snapshot ms': round.snapshotMs,
      'durable p50': round.durableMs?.p50,
      'durable p99': round.durableMs?.p99,
      'durable max': round.durableMs?.max,
    })),
  )
  console.table(
    loads.map(load => ({ users: load.users, 'load ms': load.loadMs, 'main MB': round1(load.bytes / 1e6) })),
  )
  console.log(`longest stall with periodic saving − without (medians): ${addedStallMs} ms`)
}

// In the child

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
  globalThis.gc?.() // the garbage of making a million users is not what is measured
  await sleep(500)

  await store.start(() => users.values())
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
      store.note(record)
      if (notes % 100 === 0) durable.expect(userId)
    }
    if (performance.now() - lastAlive > 1000) {
      lastAlive = performance.now()
      store.alive(Date.now())
    }
    await sleep(5)
  }
  const stalls = loop.stop()
  await saves?.stop()
  const { count, longestMs } = durable.snapshots
  // Goes without a word, as a crash does: the load after it has a journal to read.
  return {
    kind,
    ...stalls,
    notes,
    snapshots: count,
    snapshotMs: Math.round(longestMs),
    durableMs: durable.result(),
  }
}

function fileStore(dataDir: string, disk: Disk): Store {
  const log = { info: () => {}, error: (text: string, fields?: object) => console.error(text, fields) }
  return createJsonFileStore({ dataDir, log, now: Date.now, saveEveryMs: 1, disk })
}

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

/** Sees how long the event loop takes to come round, all the time. */
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

/** Sees on the disk when a note got there, and how long snapshots take. */
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

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
}

function round1(value: number): number {
  return Math.round(value * 10) / 10
}

if (import.meta.filename === process.argv[1]) {
  const [first, ...rest] = process.argv.slice(2)
  if (first === '--job') {
    const job: Job = JSON.parse(rest[0] ?? '')
    const result = job.do === 'load' ? await load(job) : await measure(job)
    process.stdout.write(JSON.stringify(result), () => process.exit(0))
  } else {
    const [users, seconds, rounds] = [first, ...rest].map(argument =>
      argument === undefined ? undefined : Number(argument),
    )
    await saving({ ...(users && { users }), ...(seconds && { seconds }), ...(rounds && { rounds }) })
  }
}
