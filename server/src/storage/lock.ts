import { randomUUID } from 'node:crypto'
import { codeOf, type Disk, NotAFile, readIfThere, reasonOf, removeQuietly } from './disk.ts'
import { type Host, locksOfThisProcess, socketOf } from './host.ts'
import type { LivenessSocket } from './liveness-socket.ts'
import { decodeLock, type NewestSegment, TemporaryLock, writeFile } from './lock-file.ts'
import { putInPlace, removeLeftovers } from './lock-takeover.ts'
import { StoreLocked } from './store.ts'

/** The lock of an owner that crashed, that is, ended without removing its lock. */
export interface StaleLock {
  /**
   * The last segment of that owner; `undefined` if it had written none, or in a lock of an earlier version.
   */
  readonly newest: NewestSegment | undefined
  /** False if the content is damaged, so that it is not known what the owner had written. */
  readonly isReadable: boolean
}

/**
 * A file that names its owner, so that only one process at a time uses the directory. It works between the
 * containers of one host, not between hosts. See docs/decisions/0014.
 */
export class Lock {
  /** The stale lock that this lock replaced; `undefined` if there was none. */
  readonly stale: StaleLock | undefined
  /** Why other containers can't see this lock; `undefined` if they can. */
  readonly socketProblem: string | undefined
  readonly #disk: Disk
  readonly #path: string
  readonly #host: Host
  readonly #id: string
  readonly #replaced: Buffer | undefined
  readonly #socket: LivenessSocket | undefined
  #newest: NewestSegment | undefined

  private constructor(parts: {
    disk: Disk
    path: string
    host: Host
    id: string
    replaced: Buffer | undefined
    opened: OpenedSocket
    newest: NewestSegment | undefined
  }) {
    const { replaced, opened } = parts
    this.#disk = parts.disk
    this.#path = parts.path
    this.#host = parts.host
    this.#id = parts.id
    this.#replaced = replaced
    this.#socket = opened.socket
    this.socketProblem = opened.problem
    this.#newest = parts.newest
    const content = replaced && decodeLock(replaced)
    this.stale = replaced && { newest: content?.newest, isReadable: content !== undefined }
  }

  /**
   * Acquires the lock; `putInPlace` describes how. With `before`, a lock of this process that was removed or
   * replaced, the lock is acquired again with the same id.
   *
   * @throws StoreLocked when another running process holds the lock
   */
  static async acquire(disk: Disk, path: string, host: Host, before?: Lock): Promise<Lock> {
    const id = before ? before.#id : randomUUID()
    const own = new TemporaryLock(disk, path, { ...host.self, id }, before ? before.#newest : undefined)
    locksOfThisProcess.add(id)
    let opened: OpenedSocket = {}
    try {
      await own.write(undefined)
      // Before the lock is in place: a process that reads the lock must find its owner alive.
      opened = await openSocket(host, path, id)
      const replaced = await putInPlace(disk, path, own, host)
      if (host.openSocket) await removeLeftovers(disk, path, id)
      if (before) before.#socket?.close() // the new socket has replaced its file
      return new Lock({ disk, path, host, id, replaced, opened, newest: own.newest })
    } catch (error) {
      if (!before) locksOfThisProcess.delete(id)
      await closeSocket(disk, path, id, opened.socket)
      throw error
    } finally {
      await own.remove()
    }
  }

  /** Identifies the lock, and so the files that its owner writes. */
  get id(): string {
    return this.#id
  }

  /**
   * `undefined` if the lock is still in place; otherwise a sentence that says what happened to it. A lock
   * without its socket file is not in place, because other containers would conclude that this process has
   * ended.
   */
  async problem(): Promise<string | undefined> {
    const content = await this.#content()
    if (content === undefined) return `${this.#path} was removed while the server was using it`
    const owner = decodeLock(content)?.owner
    if (owner?.id !== this.#id) return `${this.#path} was replaced while the server was using it`
    if (this.#socket && !(await this.#disk.stat(socketOf(this.#path, this.#id))))
      return `${socketOf(this.#path, this.#id)} was removed while the server was using it`
    return undefined
  }

  async #content(): Promise<Buffer | undefined> {
    try {
      return await readIfThere(this.#disk, this.#path)
    } catch (error) {
      if (codeOf(error) === 'ENOTDIR') return undefined
      if (error instanceof NotAFile) return Buffer.alloc(0) // it replaced the lock
      throw error
    }
  }

  /**
   * Records in the lock which segment is the newest, so that a start after a crash notices if it is missing.
   * Call it when the segment is durable: the lock must not name a segment that a power cut can remove.
   *
   * @throws StoreLocked when another process holds the lock now
   */
  async recordNewest(newest: NewestSegment): Promise<void> {
    const own = new TemporaryLock(this.#disk, this.#path, { ...this.#host.self, id: this.#id }, newest)
    try {
      await own.write(undefined)
      if (!(await this.#isOurs())) throw new StoreLocked(`another process holds ${this.#path} now`)
      await this.#disk.rename(own.path, this.#path)
      this.#newest = newest
    } finally {
      await own.remove()
    }
  }

  /** Removes the lock, unless another process holds it now. */
  async release(): Promise<void> {
    try {
      if (await this.#isOurs()) await this.#disk.remove(this.#path)
    } finally {
      await this.abandon()
    }
  }

  /**
   * Leaves the lock file in place as a crash would: the next owner will know that this one did not stop
   * cleanly.
   */
  async abandon(): Promise<void> {
    locksOfThisProcess.delete(this.#id)
    await closeSocket(this.#disk, this.#path, this.#id, this.#socket)
  }

  /** Releases the lock, and puts the stale lock that it replaced back in place. */
  async undo(): Promise<void> {
    if (this.#replaced === undefined) return this.release()
    try {
      if (!(await this.#isOurs())) return
      const temporaryPath = `${this.#path}.${this.#id}`
      await writeFile(this.#disk, temporaryPath, this.#replaced)
      await this.#disk.rename(temporaryPath, this.#path)
    } finally {
      await this.abandon()
    }
  }

  async #isOurs(): Promise<boolean> {
    const content = await this.#content()
    return content !== undefined && decodeLock(content)?.owner.id === this.#id
  }
}

type OpenedSocket = { readonly socket?: LivenessSocket | undefined; readonly problem?: string }

async function openSocket(host: Host, path: string, id: string): Promise<OpenedSocket> {
  try {
    return { socket: await host.openSocket?.(path, id) }
  } catch (error) {
    return { problem: reasonOf(error) }
  }
}

async function closeSocket(
  disk: Disk,
  path: string,
  id: string,
  socket: LivenessSocket | undefined,
): Promise<void> {
  if (!socket) return
  await removeQuietly(disk, socketOf(path, id))
  socket.close()
}
