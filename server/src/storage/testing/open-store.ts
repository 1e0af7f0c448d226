import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { SimulatedDisk } from '../disk.fake.ts'
import type { Disk } from '../disk.ts'
import { createJsonFileStore, type JsonFileOptions } from '../json-file.ts'
import type { Store, UserRecord } from '../store.ts'
import { ReadableLog } from './readable-log.ts'
import { loadFrom } from './sample-records.ts'

/** The wall clock of all tests; later than the times of all test records. */
export const NOW = Date.UTC(2030, 0, 1)
/** The data directory on a simulated disk. */
export const DATA = '/data'

/** A store that runs, and the users that it stores. */
export interface StartedStore {
  readonly store: Store
  readonly log: ReadableLog
  readonly users: Map<string, UserRecord>
  readonly put: (record: UserRecord) => void
}

let starts = 0

/** Opens a store on a disk, as a new process. All other processes count as ended. */
export function openStoreOn(
  disk: Disk,
  options: Partial<JsonFileOptions> = {},
): { store: Store; log: ReadableLog } {
  const log = new ReadableLog()
  const store = createJsonFileStore({
    dataDir: DATA,
    log,
    now: () => NOW,
    saveEveryMs: 3_600_000,
    disk,
    host: { self: { pid: 1, started: String(starts++) }, isRunning: () => false },
    ...options,
  })
  return { store, log }
}

/** Opens, loads and starts a store. `put` stores a record in it and in `users`, which the store saves. */
export async function startStoreOn(
  disk: Disk,
  options: Partial<JsonFileOptions> = {},
): Promise<StartedStore> {
  const { store, log } = openStoreOn(disk, options)
  const users = await loadFrom(store)
  await store.start(() => users.values())
  const put = (record: UserRecord) => {
    users.set(record.userId, record)
    store.put(record)
  }
  return { store, log, users, put }
}

/** A simulated disk with one directory that contains these files. */
export function diskWith(files: Readonly<Record<string, string | Buffer>>): SimulatedDisk {
  const disk = new SimulatedDisk()
  for (const [name, content] of Object.entries(files)) disk.put(`${DATA}/${name}`, content)
  return disk
}

const directories: string[] = []
afterAll(() => {
  for (const path of directories) rmSync(path, { recursive: true, force: true })
})

/** Creates an empty directory on the real disk. It is removed after the tests of the file. */
export function newDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'presence-storage-'))
  directories.push(path)
  return path
}
