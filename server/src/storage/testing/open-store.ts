import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll } from 'vitest'
import { SimulatedDisk } from '../disk.fake.ts'
import type { Disk } from '../disk.ts'
import { createJsonFileStore, type JsonFileOptions } from '../json-file.ts'
import type { Store } from '../store.ts'
import { ReadableLog } from './readable-log.ts'

/** Later than any time a test notes. */
export const NOW = Date.UTC(2030, 0, 1)
export const DATA = '/data'

let starts = 0

/** A store on a simulated disk, in a process of its own; all others are dead. */
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

/** A disk with one directory on it, which holds these files. */
export function diskWith(files: Readonly<Record<string, string | Buffer>>): SimulatedDisk {
  const disk = new SimulatedDisk()
  for (const [name, content] of Object.entries(files)) disk.put(`${DATA}/${name}`, content)
  return disk
}

const directories: string[] = []
afterAll(() => {
  for (const path of directories) rmSync(path, { recursive: true, force: true })
})

/** An empty directory on the real disk, gone when the tests of a file are. */
export function newDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'presence-storage-'))
  directories.push(path)
  return path
}
