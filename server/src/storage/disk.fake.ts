import { basename, dirname } from 'node:path'
import { type Disk, NotAFile } from './disk.ts'

/** An operation of the disk, which a test can count or let fail. */
export interface Operation {
  readonly name: keyof Disk | 'read' | 'write' | 'sync' | 'id' | 'close' | 'modifiedAt'
  readonly path: string
}

interface Inode {
  readonly id: string
  /** The content that a process reads. */
  content: Buffer
  /**
   * The bytes that survive a power cut. They are the start of `content`, because files are only appended to.
   */
  durable: Buffer
}

/**
 * A file system in memory that loses what was not synced when the power is cut. Of a file, the synced bytes
 * survive, and a random part of those after them. Of a directory, the synced names survive; each name that
 * changed since has either its old or its new file.
 */
export class SimulatedDisk implements Disk {
  /** Returns an error code such as `EIO` for operations that must fail. */
  fault: (operation: Operation) => string | undefined = () => undefined
  /** How many bytes may still be written before `ENOSPC`. */
  free = Number.POSITIVE_INFINITY
  /** For controls: a kind of sync that the disk only pretends to do. */
  skips: 'sync' | 'syncDirectory' | undefined
  /** The power is cut before this operation, counted from 1. */
  cutAt = Number.POSITIVE_INFINITY
  readonly operations: Operation[] = []
  /** Resolves when the power is cut. Pending operations never complete after that. */
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

  /** Cuts the power and returns the disk afterwards. `random` returns numbers from 0 to 1. */
  cutPower(random: () => number): SimulatedDisk {
    this.#stop()
    const after = new SimulatedDisk()
    after.skips = this.skips
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

  /** Kills the process but not the machine: everything that was written stays. */
  kill(): SimulatedDisk {
    return this.cutPower(() => KEEP_ALL)
  }

  #stop(): void {
    this.#cut = true
    this.#onCut()
  }

  /** The content of all files, by name. */
  files(): Map<string, Buffer> {
    return new Map(Array.from(this.#names, ([path, { content }]) => [basename(path), content]))
  }

  /** Creates a durable file. */
  put(path: string, content: string | Buffer): void {
    const inode = { id: newId(), content: Buffer.from(content), durable: Buffer.from(content) }
    this.#directories.add(dirname(path))
    this.#names.set(path, inode)
    this.#durableNames.set(path, inode)
  }

  /** Removes a directory like `rm -r`: open files continue without a name. */
  removeTree(path: string): void {
    for (const name of [...this.#names.keys()].filter(name => name.startsWith(`${path}/`))) {
      this.#names.delete(name)
      this.#durableNames.delete(name)
    }
    this.#directories.delete(path)
  }

  /** Renames a directory like `mv`; the new name must be free. */
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
    await Promise.resolve() // as with a real disk, nothing has happened when the call returns
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
    if (this.#directories.has(path)) throw new NotAFile(path, 'a directory')
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
    if (this.#directories.has(path)) throw new NotAFile(path, 'a directory')
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
        if (this.skips !== 'sync') inode.durable = inode.content
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
    if (this.skips === 'syncDirectory') return
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
