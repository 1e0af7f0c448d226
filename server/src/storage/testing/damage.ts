import { SimulatedDisk } from '../disk.fake.ts'
import { type Store, StoreDamaged, type UserRecord } from '../store.ts'
import { diskWith, openStoreOn } from './open-store.ts'
import type { ReadableLog } from './readable-log.ts'
import { HOSTILE_NAMES, loadFrom, offline, online } from './sample-records.ts'

/** The files of a data directory by name, and the state that is in them. */
export interface Left {
  readonly files: ReadonlyMap<string, Buffer>
  readonly users: ReadonlyMap<string, UserRecord>
}

type Places = 'main and backup' | 'main' | 'journal'

/**
 * What processes leave behind that stopped in good order: with main and backup, with a first snapshot only,
 * or with a journal only. One process before the last crashed, so that the journal has seen a crash too.
 */
export async function leave(places: Places, userCount: number): Promise<Left> {
  let disk = new SimulatedDisk()
  const users = new Map<string, UserRecord>()
  const note = (store: Store, ...records: UserRecord[]) => {
    for (const record of records) {
      users.set(record.userId, record)
      store.note(record)
    }
  }
  const everybody = Array.from({ length: userCount }, (_, index) =>
    (index % 3 === 0 ? online : offline)(`user ${index}`, 1_000 + index),
  )

  const first = await begin(disk)
  note(first, ...everybody.slice(0, userCount / 2), ...HOSTILE_NAMES.map(name => offline(name)))
  await first.flush()
  disk = disk.kill()

  const second = await begin(disk)
  note(second, ...everybody)
  if (places !== 'journal') await second.save()
  note(second, offline('user 0', 2_000), offline('between'))
  second.forget('user 1')
  users.delete('user 1')
  await second.flush()
  if (places === 'main and backup') await second.save()
  note(second, offline('user 3', 3_000), offline('after'))
  await second.close()
  return { files: disk.files(), users }

  async function begin(on: SimulatedDisk): Promise<Store> {
    const { store } = openStoreOn(on)
    await store.load()
    await store.start(() => users.values())
    return store
  }
}

/** How a start went that met damage. */
export type Outcome =
  | { readonly kind: 'whole' }
  | { readonly kind: 'loss said'; readonly missing: number }
  | { readonly kind: 'refused' }
  | { readonly kind: 'violation'; readonly what: string }

/** How files are read: as the store does, or as a control that must be caught. */
export type Reader = (
  disk: SimulatedDisk,
) => Promise<{ users: ReadonlyMap<string, UserRecord>; log: Pick<ReadableLog, 'errors'> }>

export const asTheStoreReads: Reader = async disk => {
  const { store, log } = openStoreOn(disk)
  const users = await loadFrom(store)
  await store.close()
  return { users, log }
}

/**
 * Starts on damaged files. Right is: the whole state; or less, and the loss is said in the log; or a refusal
 * that leaves every file as it was.
 */
export async function judge(
  left: Left,
  damaged: ReadonlyMap<string, Buffer>,
  read: Reader = asTheStoreReads,
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
  const missing = [...left.users].filter(([userId, record]) => !isEqual(users.get(userId), record)).length
  const invented = [...users.keys()].filter(userId => !left.users.has(userId) && userId !== 'user 1')
  if (invented.length > 0) return { kind: 'violation', what: `made up ${invented}` }
  if (missing === 0 && users.size === left.users.size) return { kind: 'whole' }
  if (errors.length === 0)
    return { kind: 'violation', what: `${missing} records are missing or older, and no error says so` }
  if (users.size === 0) return { kind: 'violation', what: 'started empty' }
  return { kind: 'loss said', missing }
}

function isSame(a: ReadonlyMap<string, Buffer>, b: ReadonlyMap<string, Buffer>): boolean {
  return a.size === b.size && [...a].every(([name, content]) => b.get(name)?.equals(content))
}

function isEqual(a: UserRecord | undefined, b: UserRecord): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

export function cutOff(left: Left, name: string, bytes: number): Map<string, Buffer> {
  return new Map(left.files).set(name, contentOf(left, name).subarray(0, bytes))
}

export function flipped(left: Left, name: string, bit: number): Map<string, Buffer> {
  const content = Buffer.from(contentOf(left, name))
  content[bit >> 3] = (content[bit >> 3] ?? 0) ^ (1 << (bit & 7))
  return new Map(left.files).set(name, content)
}

export function contentOf(left: Left, name: string): Buffer {
  const content = left.files.get(name)
  if (!content) throw new Error(`no ${name} among ${[...left.files.keys()]}`)
  return content
}

/** Counts outcomes, so that a test can print them and expect none of a kind. */
export class Tally {
  readonly counts = { whole: 0, 'loss said': 0, refused: 0, violation: 0 }
  readonly violations: string[] = []

  add(outcome: Outcome, where: string): void {
    this.counts[outcome.kind] += 1
    if (outcome.kind === 'violation') this.violations.push(`${where}: ${outcome.what}`)
  }
}
