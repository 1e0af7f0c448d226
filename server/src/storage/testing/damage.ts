import { SimulatedDisk } from '../disk.fake.ts'
import { type Store, StoreDamaged, type UserRecord } from '../store.ts'
import { diskWith, openStoreOn } from './open-store.ts'
import type { ReadableLog } from './readable-log.ts'
import { HOSTILE_NAMES, loadFrom, offline, online } from './sample-records.ts'

/** The files of a data directory by name, and the users that they contain. */
export interface StateOnDisk {
  readonly files: ReadonlyMap<string, Buffer>
  readonly users: ReadonlyMap<string, UserRecord>
}

type Places = 'main and backup' | 'main' | 'journal'

/**
 * Creates the files of a process that stopped cleanly: with main file and backup, with a first snapshot only,
 * or with a journal only. The process before it crashed.
 */
export async function createState(places: Places, userCount: number): Promise<StateOnDisk> {
  let disk = new SimulatedDisk()
  const users = new Map<string, UserRecord>()
  const put = (store: Store, ...records: UserRecord[]) => {
    for (const record of records) {
      users.set(record.userId, record)
      store.put(record)
    }
  }
  const everybody = Array.from({ length: userCount }, (_, index) =>
    (index % 3 === 0 ? online : offline)(`user ${index}`, 1_000 + index),
  )

  const first = await begin(disk)
  put(first, ...everybody.slice(0, userCount / 2), ...HOSTILE_NAMES.map(name => offline(name)))
  await first.flush()
  disk = disk.kill()

  const second = await begin(disk)
  put(second, ...everybody)
  if (places !== 'journal') await second.save()
  put(second, offline('user 0', 2_000), offline('between'))
  second.delete('user 1')
  users.delete('user 1')
  await second.flush()
  if (places === 'main and backup') await second.save()
  put(second, offline('user 3', 3_000), offline('after'))
  await second.close()
  return { files: disk.files(), users }

  async function begin(on: SimulatedDisk): Promise<Store> {
    const { store } = openStoreOn(on)
    await store.load()
    await store.start(() => users.values())
    return store
  }
}

/** The result of a start with damaged files. */
export type Outcome =
  | { readonly kind: 'complete' }
  | { readonly kind: 'loss reported'; readonly missing: number }
  | { readonly kind: 'refused' }
  | { readonly kind: 'violation'; readonly what: string }

/** Reads the files: as the store does, or in a wrong way that the tests must detect. */
export type Reader = (
  disk: SimulatedDisk,
) => Promise<{ users: ReadonlyMap<string, UserRecord>; log: Pick<ReadableLog, 'errors'> }>

/** Reads the files as the store does. */
export const storeReader: Reader = async disk => {
  const { store, log } = openStoreOn(disk)
  const users = await loadFrom(store)
  await store.close()
  return { users, log }
}

/**
 * Starts with damaged files. Allowed are: the complete state; a smaller state if the log reports the loss; or
 * a refusal that changes no file.
 */
export async function checkStart(
  state: StateOnDisk,
  damaged: ReadonlyMap<string, Buffer>,
  read: Reader = storeReader,
): Promise<Outcome> {
  const disk = diskWith(Object.fromEntries(damaged))
  let users: ReadonlyMap<string, UserRecord>
  let errors: readonly string[]
  try {
    const result = await read(disk)
    users = result.users
    errors = result.log.errors
  } catch (error) {
    if (!(error instanceof StoreDamaged)) return { kind: 'violation', what: `threw ${error}` }
    return isSame(disk.files(), damaged)
      ? { kind: 'refused' }
      : { kind: 'violation', what: 'refused and changed files' }
  }
  const missing = [...state.users].filter(([userId, record]) => !isEqual(users.get(userId), record)).length
  const invented = [...users.keys()].filter(userId => !state.users.has(userId) && userId !== 'user 1')
  if (invented.length > 0) return { kind: 'violation', what: `invented ${invented}` }
  if (missing === 0 && users.size === state.users.size) return { kind: 'complete' }
  if (errors.length === 0)
    return { kind: 'violation', what: `${missing} records are missing or older, and no error reports it` }
  if (users.size === 0) return { kind: 'violation', what: 'started with an empty state' }
  return { kind: 'loss reported', missing }
}

function isSame(a: ReadonlyMap<string, Buffer>, b: ReadonlyMap<string, Buffer>): boolean {
  return a.size === b.size && [...a].every(([name, content]) => b.get(name)?.equals(content))
}

function isEqual(a: UserRecord | undefined, b: UserRecord): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** The files with one of them truncated to this many bytes. */
export function truncated(state: StateOnDisk, name: string, bytes: number): Map<string, Buffer> {
  return new Map(state.files).set(name, contentOf(state, name).subarray(0, bytes))
}

/** The files with one bit flipped in one of them. */
export function flipped(state: StateOnDisk, name: string, bit: number): Map<string, Buffer> {
  const content = Buffer.from(contentOf(state, name))
  content[bit >> 3] = (content[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return new Map(state.files).set(name, content)
}

/** The content of one file. @throws Error if there is no such file */
export function contentOf(state: StateOnDisk, name: string): Buffer {
  const content = state.files.get(name)
  if (!content) throw new Error(`no ${name} among ${[...state.files.keys()]}`)
  return content
}

/** Counts outcomes, for the report and the expectations of a test. */
export class Tally {
  readonly counts = { complete: 0, 'loss reported': 0, refused: 0, violation: 0 }
  readonly violations: string[] = []

  add(outcome: Outcome, where: string): void {
    this.counts[outcome.kind] += 1
    if (outcome.kind === 'violation') this.violations.push(`${where}: ${outcome.what}`)
  }
}
