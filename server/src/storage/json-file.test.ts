import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describeDisk, SimulatedDisk } from './disk.contract.ts'
import { type Disk, nodeDisk } from './disk.ts'
import { NOW, ReadableLog, SimulatedHost } from './harness.contract.ts'
import { createJsonFileStore } from './json-file.ts'
import { describeStore } from './store.contract.ts'
import type { Store } from './store.ts'

const newDirectory = () => mkdtemp(join(tmpdir(), 'who-is-online-'))

describeDisk('simulated', async () => ({ disk: new SimulatedDisk(), directory: '/data' }))
describeDisk('node', async () => ({ disk: nodeDisk, directory: join(await newDirectory(), 'new', 'data') }))

describeStore('json-file', async () => {
  const dataDir = await newDirectory()
  const host = new SimulatedHost()
  const killers = new Map<Store, () => void>()
  return {
    open: () => {
      const { disk, kill } = mortal(nodeDisk)
      const process = host.process()
      const store = createJsonFileStore({
        dataDir,
        log: new ReadableLog(),
        now: () => NOW,
        saveEveryMs: 3_600_000,
        disk,
        host: process,
      })
      killers.set(store, () => {
        kill()
        process.kill()
      })
      return store
    },
    kill: async store => killers.get(store)?.(),
  }
})

/** A disk whose process can die: nothing it asks for after that happens. */
function mortal(disk: Disk): { disk: Disk; kill(): void } {
  let dead = false
  const proxy = new Proxy(disk, {
    get: (target, name: keyof Disk) => (dead ? () => new Promise(() => {}) : target[name]),
  })
  return {
    disk: proxy,
    kill: () => {
      dead = true
    },
  }
}
