import { randomUUID } from 'node:crypto'
import { basename, dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { codeOf, type Disk, readIfThere, reasonOf, removeQuietly } from './disk.ts'
import { type Host, locksOfThisProcess, type Owner, socketOf } from './host.ts'
import { isListening, type LivenessSocket } from './liveness-socket.ts'
import { StoreLocked } from './store.ts'

/** The newest journal segment, named outside the journal so that its loss is noticed. */
export interface Newest {
  readonly stateId: string
  readonly segment: number
}

/** The lock of an owner that crashed. */
export interface StaleLock {
  /** What it was writing last; `undefined` when it had written nothing, or in a lock of an earlier version. */
  readonly newest: Newest | undefined
  /** False when its content is damaged, so that it can't be known what it was writing. */
  readonly isReadable: boolean
}

/**
 * A file that names its owner, so that only one process at a time has the directory. It works between the
 * containers of one host, not between hosts. See docs/decisions/0014.
 */
export class Lock {
  /** The lock of the last owner if that crashed, that is, did not remove it. */
  readonly dead: StaleLock | undefined
  /** Why this lock can't be seen from other containers; `undefined` when it can. */
  readonly socketProblem: string | undefined
  readonly #disk: Disk
  readonly #path: string
  readonly #host: Host
  readonly #id: string
  readonly #found: Buffer | undefined
  readonly #socket: LivenessSocket | undefined
  #newest: Newest | undefined

  private constructor(parts: {
    disk: Disk
    path: string
    host: Host
    id: string
    found: Buffer | undefined
    socket: OpenedSocket
    newest: Newest | undefined
  }) {
    const { found, socket } = parts
    this.#disk = parts.disk
    this.#path = parts.path
    this.#host = parts.host
    this.#id = parts.id
    this.#found = found
    this.#socket = socket.socket
    this.socketProblem = socket.problem
    this.#newest = parts.newest
    const left = found && decode(found)
    this.dead = found && { newest: left?.newest, isReadable: left !== undefined }
  }

  /**
   * Takes the lock. With `before`, a lock that this process took and that was removed or replaced since, it is
   * taken again under the same id.
   *
   * It is written under a name of its own and linked into place whole, which only one process can do. To take over
   * from a dead owner, a process first links its lock to a name made from the dead lock's content (each lock's
   * content is unique), which again only one can, then looks whether that dead lock is still in place, and if so
   * renames its own over it. A process that comes late finds the name taken, or another lock in place. When the heir
   * dies halfway, its claim is a dead lock like the first, and the next heir claims that one.
   *
   * @throws StoreLocked when another process that runs holds it
   */
  static async acquire(disk: Disk, path: string, host: Host, before?: Lock): Promise<Lock> {
    const id = before ? before.#id : randomUUID()
    const own = new OwnFile(disk, path, { ...host.self, id }, before ? before.#newest : undefined)
    locksOfThisProcess.add(id)
    let socket: OpenedSocket = {}
    try {
      await own.write(undefined)
      socket = await light(host, path, id) // before the lock is in place, so that a reader of the lock finds the owner alive
      const found = await take(disk, path, own, host)
      if (host.light) await removeLeftovers(disk, path, id)
      if (before) before.#socket?.close() // the new socket has taken its name
      return new Lock({ disk, path, host, id, found, socket, newest: own.newest })
    } catch (error) {
      if (!before) locksOfThisProcess.delete(id)
      await closeSocket(disk, path, id, socket.socket)
      throw error
    } finally {
      await own.remove()
    }
  }

  /** Tells the locks of one process, and so its files, from those of others. */
  get id(): string {
    return this.#id
  }

  /**
   * Whether the lock is still in place; otherwise a sentence that says what is there. A lock whose socket was removed
   * is not: other containers would take this process for dead.
   */
  async problem(): Promise<string | undefined> {
    const content = await this.#content()
    if (content === undefined) return `${this.#path} was removed while the server was using it`
    const owner = decode(content)?.owner
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
      throw error
    }
  }

  /**
   * Writes down which segment is the newest, so that a start after a crash can tell when it was removed. Call it when
   * the segment is durable: a lock must not name a segment that a power cut takes away.
   *
   * @throws StoreLocked when the lock is another process's by now
   */
  async name(newest: Newest): Promise<void> {
    const own = new OwnFile(this.#disk, this.#path, { ...this.#host.self, id: this.#id }, newest)
    try {
      await own.write(undefined)
      if (!(await this.#isOurs())) throw new StoreLocked(`${this.#path} is not this process's any more`)
      await this.#disk.rename(own.path, this.#path)
      this.#newest = newest
    } finally {
      await own.remove()
    }
  }

  /** Removes the lock, unless another process has it by now. */
  async release(): Promise<void> {
    try {
      if (await this.#isOurs()) await this.#disk.remove(this.#path)
    } finally {
      await this.abandon()
    }
  }

  /** Leaves the lock as a crash would: the next owner will know that this one did not end in good order. */
  async abandon(): Promise<void> {
    locksOfThisProcess.delete(this.#id)
    await closeSocket(this.#disk, this.#path, this.#id, this.#socket)
  }

  /** Gives the lock back and leaves everything as it was found, a dead owner's lock too. */
  async undo(): Promise<void> {
    if (this.#found === undefined) return this.release()
    try {
      if (!(await this.#isOurs())) return
      const own = `${this.#path}.${this.#id}`
      await writeFile(this.#disk, own, this.#found)
      await this.#disk.rename(own, this.#path)
    } finally {
      await this.abandon()
    }
  }

  async #isOurs(): Promise<boolean> {
    const content = await this.#content()
    return content !== undefined && decode(content)?.owner.id === this.#id
  }
}

type OpenedSocket = { readonly socket?: LivenessSocket | undefined; readonly problem?: string }

async function light(host: Host, path: string, id: string): Promise<OpenedSocket> {
  try {
    return { socket: await host.light?.(path, id) }
  } catch (error) {
    return { problem: reasonOf(error) }
  }
}

/** The lock of a process under a name of its own, before it is put in place. */
class OwnFile {
  readonly path: string
  readonly id: string
  readonly #disk: Disk
  readonly #owner: Owner
  readonly #before: Newest | undefined
  #inherited: Newest | undefined

  constructor(disk: Disk, lock: string, owner: Owner & { id: string }, newest: Newest | undefined) {
    this.path = `${lock}.${owner.id}`
    this.id = owner.id
    this.#disk = disk
    this.#owner = owner
    this.#before = newest
  }

  get newest(): Newest | undefined {
    return this.#before ?? this.#inherited
  }

  /**
   * Writes the file. An heir takes along what the dead lock named, so that it is not lost when the heir dies before
   * it has written anything.
   */
  async write(inherited: Newest | undefined): Promise<void> {
    await removeQuietly(this.#disk, this.path) // it may have a second name, which must keep its content
    this.#inherited = inherited
    await writeFile(this.#disk, this.path, encode(this.#owner, this.newest))
  }

  /** Writes the file again if it would say something else. */
  async inherit(newest: Newest | undefined): Promise<void> {
    const isSame =
      newest?.segment === this.#inherited?.segment && newest?.stateId === this.#inherited?.stateId
    if (!isSame) await this.write(newest)
  }

  async remove(): Promise<void> {
    await removeQuietly(this.#disk, this.path)
  }
}

/** More often than any number of processes that start at once can get in each other's way. */
const MAX_ATTEMPTS = 1_000

/** Puts the own lock in place, and returns the dead one that was there. */
async function take(disk: Disk, path: string, own: OwnFile, host: Host): Promise<Buffer | undefined> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    await own.inherit(undefined)
    if (await linkIfFree(disk, own.path, path)) return undefined
    const found = await readIfThere(disk, path)
    if (found === undefined) continue // it was just removed
    const left = decode(found)
    if (left?.owner.id === own.id) return undefined
    await refuseIfRunning(left?.owner, host, path)
    await own.inherit(left?.newest)
    if (await inherit(disk, path, own, found, host)) return found
  }
  throw new StoreLocked(`the lock ${path} can be neither created nor read`)
}

/** Takes over from the dead owner whose lock was found. False: another process changed something, look again. */
async function inherit(disk: Disk, path: string, own: OwnFile, found: Buffer, host: Host): Promise<boolean> {
  const claims: string[] = []
  for (let dead = found; ; ) {
    const claim = claimName(path, dead, claims.length)
    claims.push(claim)
    if (await linkIfFree(disk, own.path, claim)) break
    const claimed = await readIfThere(disk, claim)
    if (claimed === undefined) return false
    if (!(await isInPlace(disk, path, found))) return false
    await refuseIfRunning(decode(claimed)?.owner, host, path)
    dead = claimed
  }
  const ours = claims.pop()
  if (ours === undefined) return false
  if (!(await isInPlace(disk, path, found))) {
    await removeQuietly(disk, ours)
    return false
  }
  await disk.rename(ours, path)
  for (const claim of claims) await removeQuietly(disk, claim)
  return true
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

/** Removes what dead owners and starters left beside the lock. A socket has its name only once it listens. */
async function removeLeftovers(disk: Disk, path: string, ownId: string): Promise<void> {
  const names = await disk.list(dirname(path)).catch(() => [])
  for (const name of names) {
    const id = name.startsWith(`${basename(path)}.`) ? SOCKET.exec(name)?.[1] : undefined
    if (id === undefined || id === ownId || (await isListening(socketOf(path, id)).catch(() => true)))
      continue
    await removeQuietly(disk, socketOf(path, id))
    await removeQuietly(disk, `${path}.${id}`)
  }
}

const SOCKET = /\.([0-9a-f-]{36})\.sock$/

async function writeFile(disk: Disk, path: string, content: Buffer): Promise<void> {
  const file = await disk.create(path)
  try {
    await file.write(content)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** With its place in the row of heirs, since locks that a power cut emptied are all alike. */
export function claimName(path: string, dead: Buffer, generation: number): string {
  return `${path}.${crc32(dead).toString(16).padStart(8, '0')}.${generation}`
}

async function isInPlace(disk: Disk, path: string, content: Buffer): Promise<boolean> {
  return (await readIfThere(disk, path))?.equals(content) === true
}

async function linkIfFree(disk: Disk, from: string, to: string): Promise<boolean> {
  try {
    await disk.link(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

async function refuseIfRunning(owner: Owner | undefined, host: Host, path: string): Promise<void> {
  if (!owner || !(await host.isRunning(owner, path))) return
  const isElsewhere = owner.namespace !== undefined && owner.namespace !== host.self.namespace
  throw new StoreLocked(
    `process ${owner.pid} ${isElsewhere ? 'of another container ' : ''}is using this data directory (it holds ${path})`,
  )
}

function encode(owner: Owner, newest: Newest | undefined): Buffer {
  return Buffer.from(`${JSON.stringify({ ...owner, ...newest })}\n`)
}

/** `undefined` for a lock without a readable owner: a power cut tore it, so its owner is dead. */
function decode(content: Buffer): { owner: Owner; newest: Newest | undefined } | undefined {
  let lock: unknown
  try {
    lock = JSON.parse(content.toString())
  } catch {
    return undefined
  }
  if (typeof lock !== 'object' || lock === null) return undefined
  const { pid, started, boot, namespace, id, stateId, segment }: Record<string, unknown> = { ...lock }
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid < 1) return undefined
  const owner = {
    pid,
    ...(typeof started === 'string' && { started }),
    ...(typeof boot === 'string' && { boot }),
    ...(typeof namespace === 'string' && { namespace }),
    ...(typeof id === 'string' && { id }),
  }
  const isNamed = typeof stateId === 'string' && typeof segment === 'number' && Number.isSafeInteger(segment)
  return { owner, newest: isNamed ? { stateId, segment } : undefined }
}
