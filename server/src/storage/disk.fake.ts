import { basename, dirname } from 'node:path'
import type { Disk } from './disk.ts'

/** What a test may let fail, crash or count. */
export interface Operation {
  readonly name: keyof Disk | 'read' | 'write' | 'sync' | 'id' | 'close' | 'modifiedAt'
  readonly path: string
}

interface Inode {
  readonly id: string
  /** What a process reads. */
  content: Buffer
  /** What a power cut leaves for sure: always the beginning of `content`, since files are only appended to. */
  durable: Buffer
}

/**
 * A file system in memory that keeps after a power cut only what was synced: of a file the bytes before its
 * last sync and any beginning of those after; of a directory the names as of its last sync, and of each name
 * that changed since, either the old or the new meaning.
 */
export class SimulatedDisk implements Disk {
  /** Lets an operation fail with a code such as `EIO`. */
  fault: (operation: Operation) => string | undefined = () => undefined
  /** How many bytes may still be written before `ENOSPC`. */
  free = Number.POSITIVE_INFINITY
  /** A control: a disk that says it synced what it did not. */
  lies: 'sync' | 'syncDirectory' | undefined
  /** The power goes before this operation, counted from 1. */
  cutAt = Number.POSITIVE_INFINITY
  readonly operations: Operation[] = []
  /** Resolves when the power is gone: nothing that waits for the disk goes on after that. */
  readonly powerCut: Promise<void>
  readonly #directories = new Set<string>(['/'])
  readonly #names = new Map<string, Inode>()
  readonly #durableNames = new Map<string, Inode>()
  #cut = false
  #onCut: () => void = () => {}

  constructor() {
    this.powerCut = new Promise(resolve => {
      this.#onCut = resolve
    })
  }

  /** Cuts the power and returns what is there when it is back. `random` yields numbers from 0 to 1. */
  cutPower(random: () => number): SimulatedDisk {
    this.#stop()
    const after = new SimulatedDisk()
    after.lies = this.lies
    const survivors = new Map<Inode, Inode>()
    for (const directory of this.#directories) after.#directories.add(directory)
    for (const name of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      const inode = (random() < 0.5 ? this.#names : this.#durableNames).get(name)
      if (!inode) continue
      const survivor = survivors.get(inode) ?? torn(inode, random)
      survivors.set(inode, survivor)
      after.#names.set(name, survivor)
      after.#durableNames.set(name, survivor)
    }
    return after
  }

  /** The process dies, the machine does not: everything stays as it was written. */
  kill(): SimulatedDisk {
    return this.cutPower(() => KEEP_ALL)
  }

  #stop(): void {
    this.#cut = true
    this.#onCut()
  }

  /** All files with their content, by name. */
  files(): Map<string, Buffer> {
    return new Map(Array.from(this.#names, ([path, { content }]) => [basename(path), content]))
  }

  /** Puts a file there, durably. */
  put(path: string, content: string | Buffer): void {
    const inode = { id: newId(), content: Buffer.from(content), durable: Buffer.from(content) }
    this.#directories.add(dirname(path))
    this.#names.set(path, inode)
    this.#durableNames.set(path, inode)
  }

  /** What `rm -r` does: open files go on, without a name. */
  removeTree(path: string): void {
    for (const name of [...this.#names.keys()].filter(name => name.startsWith(`${path}/`))) {
      this.#names.delete(name)
      this.#durableNames.delete(name)
    }
    this.#directories.delete(path)
  }

  /** What `mv` does with a directory, over nothing. */
  moveTree(from: string, to: string): void {
    for (const names of [this.#names, this.#durableNames]) {
      for (const [name, inode] of [...names]) {
        if (!name.startsWith(`${from}/`)) continue
        names.delete(name)
        names.set(to + name.slice(from.length), inode)
      }
    }
    this.#directories.delete(from)
    this.#directories.add(to)
  }

  async #begin(name: Operation['name'], path: string): Promise<void> {
    await Promise.resolve() // as with a real one, nothing has happened when the call returns
    if (!this.#cut) this.operations.push({ name, path })
    if (this.operations.length >= this.cutAt) this.#stop()
    if (this.#cut) return new Promise(() => {})
    const code = this.fault({ name, path })
    if (code !== undefined) throw failure(code, name, path)
  }

  async makeDirectory(path: string, parents: 'with parents' | 'in its parent'): Promise<void> {
    await this.#begin('makeDirectory', path)
    if (parents === 'in its parent' && !this.#directories.has(dirname(path)))
      throw failure('ENOENT', 'mkdir', path)
    this.#directories.add(path)
  }

  async stat(path: string) {
    await this.#begin('stat', path)
    const inode = this.#names.get(path)
    const isDirectory = this.#directories.has(path)
    if (!inode && !isDirectory) return undefined
    const bytes = inode?.content.length ?? 0
    return { id: inode?.id ?? path, isDirectory, bytes, modifiedAt: bytes, uid: 1, gid: 1, mode: 0o700 }
  }

  async list(directory: string): Promise<string[]> {
    await this.#begin('list', directory)
    if (!this.#directories.has(directory)) throw failure('ENOENT', 'list', directory)
    return [...this.#names.keys()].filter(path => dirname(path) === directory).map(path => basename(path))
  }

  async open(path: string) {
    await this.#begin('open', path)
    const inode = this.#find('open', path)
    let position = 0
    return {
      read: async (into: Buffer) => {
        await this.#begin('read', path)
        const count = inode.content.copy(into, 0, position)
        position += count
        return count
      },
      modifiedAt: async () => {
        await this.#begin('modifiedAt', path)
        return 0
      },
      close: () => this.#begin('close', path),
    }
  }

  async create(path: string) {
    await this.#begin('create', path)
    if (!this.#directories.has(dirname(path))) throw failure('ENOENT', 'create', path)
    const inode: Inode = { id: newId(), content: Buffer.alloc(0), durable: Buffer.alloc(0) }
    this.#names.set(path, inode)
    return {
      write: async (bytes: Uint8Array) => {
        await this.#begin('write', path)
        const room = Math.min(bytes.length, this.free)
        this.free -= room
        inode.content = Buffer.concat([inode.content, bytes.subarray(0, room)])
        if (room < bytes.length) throw failure('ENOSPC', 'write', path)
      },
      sync: async () => {
        await this.#begin('sync', path)
        if (this.lies !== 'sync') inode.durable = inode.content
      },
      id: async () => {
        await this.#begin('id', path)
        return inode.id
      },
      close: () => this.#begin('close', path),
    }
  }

  async rename(from: string, to: string): Promise<void> {
    await this.#begin('rename', from)
    this.#names.set(to, this.#find('rename', from))
    this.#names.delete(from)
  }

  async link(from: string, to: string): Promise<void> {
    await this.#begin('link', to)
    const inode = this.#find('link', from)
    if (this.#names.has(to)) throw failure('EEXIST', 'link', to)
    this.#names.set(to, inode)
  }

  async remove(path: string): Promise<void> {
    await this.#begin('remove', path)
    this.#find('remove', path)
    this.#names.delete(path)
  }

  async syncDirectory(directory: string): Promise<void> {
    await this.#begin('syncDirectory', directory)
    if (this.lies === 'syncDirectory') return
    for (const name of new Set([...this.#names.keys(), ...this.#durableNames.keys()])) {
      if (dirname(name) !== directory) continue
      const inode = this.#names.get(name)
      if (inode) this.#durableNames.set(name, inode)
      else this.#durableNames.delete(name)
    }
  }

  #find(name: string, path: string): Inode {
    const inode = this.#names.get(path)
    if (!inode) throw failure('ENOENT', name, path)
    return inode
  }
}

const KEEP_ALL = 0.499999

function torn({ content, durable }: Inode, random: () => number): Inode {
  const share = random()
  const unsynced = content.length - durable.length
  const kept = share === KEEP_ALL ? unsynced : Math.floor(share * (unsynced + 1))
  const left = content.subarray(0, durable.length + kept)
  return { id: newId(), content: left, durable: left }
}

let ids = 0
const newId = () => `1:${++ids}`

function failure(code: string, name: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${name} '${path}'`), { code })
}
