import { randomUUID } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { crc32 } from 'node:zlib'
import { codeOf, type Disk, readIfThere, removeQuietly } from './disk.ts'
import { StoreLocked } from './store.ts'

/**
 * Who holds a lock. A number alone names nobody for long: pids are used again, and in a container every
 * process is pid 1. With its start time and the boot of the machine it names one process for good.
 */
export interface Owner {
  readonly pid: number
  /** Clock ticks from the boot to its start; unknown where there is no /proc. */
  readonly started?: string
  readonly boot?: string
  /** Made up for each lock, so that a process knows those it holds itself. */
  readonly id?: string
}

/** The processes of this machine, as a lock sees them. */
export interface Host {
  readonly self: Owner
  /** Whether that process, and not another one under its pid, is running. */
  isRunning(owner: Owner): boolean
}

const heldHere = new Set<string>()

export const thisHost: Host = {
  get self() {
    return { pid: process.pid, ...known('started', startOf(process.pid)), ...known('boot', bootId()) }
  },

  isRunning({ pid, started, boot, id }) {
    if (pid === process.pid) return id !== undefined && heldHere.has(id)
    if (boot !== undefined && boot !== bootId()) return false
    return started === undefined ? answers(pid) : startOf(pid) === started
  },
}

function known<K extends string>(key: K, value: string | undefined): { [key in K]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [key in K]?: string })
}

function bootId(): string | undefined {
  return readProc('/proc/sys/kernel/random/boot_id')?.trim()
}

/** Field 22 of proc(5) stat. Field 2 is the program's name in parentheses and may hold anything, `) ` too. */
function startOf(pid: number): string | undefined {
  const stat = readProc(`/proc/${pid}/stat`)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  // A zombie (state Z) or a dead one (X) has let go of everything and only waits to be counted.
  return fields?.[0] === 'Z' || fields?.[0] === 'X' ? undefined : fields?.[19]
}

function readProc(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return undefined
  }
}

function answers(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return codeOf(error) === 'EPERM' // it is there, and somebody else's
  }
}

/**
 * Holds a file that names its owner, so that one process at a time has the directory. It is for one host:
 * processes on two machines, or in two containers with pids of their own, don't see each other run.
 */
export class Lock {
  /** Whether the last owner went without letting go: it crashed. */
  readonly ownerCrashed: boolean
  readonly #disk: Disk
  readonly #path: string
  readonly #id: string
  readonly #found: Buffer | undefined

  private constructor(disk: Disk, path: string, id: string, found: Buffer | undefined) {
    this.#disk = disk
    this.#path = path
    this.#id = id
    this.#found = found
    this.ownerCrashed = found !== undefined
  }

  /**
   * Takes the lock.
   *
   * It is written aside and linked into place whole, which only one process can do. To take over from a dead
   * owner, a process first links its lock to a name made from the dead lock's content (each lock's content is
   * unique), which again only one can, then looks whether that dead lock is still in place, and if so puts its
   * own over it. Who comes late finds the name taken, or another lock in place. Should the heir die halfway,
   * its claim is a dead lock like the first, and the next heir claims that one.
   *
   * @throws StoreLocked
   */
  static async acquire(disk: Disk, path: string, host: Host): Promise<Lock> {
    const id = randomUUID()
    const own = `${path}.${id}`
    heldHere.add(id)
    try {
      await writeFile(disk, own, Buffer.from(`${JSON.stringify({ ...host.self, id })}\n`))
      return new Lock(disk, path, id, await take(disk, path, own, host))
    } catch (error) {
      heldHere.delete(id)
      throw error
    } finally {
      await removeQuietly(disk, own)
    }
  }

  /** Lets go, unless somebody else has it by now. */
  async release(): Promise<void> {
    heldHere.delete(this.#id)
    if (await this.#isOurs()) await this.#disk.remove(this.#path)
  }

  /** Lets go as a crash would: the next owner will know that this one did not come to a good end. */
  abandon(): void {
    heldHere.delete(this.#id)
  }

  /** Lets go and leaves everything as it was found, a dead owner's lock too. */
  async undo(): Promise<void> {
    if (this.#found === undefined) return this.release()
    heldHere.delete(this.#id)
    if (!(await this.#isOurs())) return
    const own = `${this.#path}.${this.#id}`
    await writeFile(this.#disk, own, this.#found)
    await this.#disk.rename(own, this.#path)
  }

  async #isOurs(): Promise<boolean> {
    const content = await readIfThere(this.#disk, this.#path)
    return content !== undefined && decodeOwner(content)?.id === this.#id
  }
}

/** More often than any number of processes that start at once can get in each other's way. */
const MAX_ATTEMPTS = 1_000

/** Puts the own lock in place, and returns the dead one that was there. */
async function take(disk: Disk, path: string, own: string, host: Host): Promise<Buffer | undefined> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    if (await linked(disk, own, path)) return undefined
    const found = await readIfThere(disk, path)
    if (found === undefined) continue // just let go of
    refuseIfRunning(found, host, path)
    if (await inherit(disk, path, own, found, host)) return found
  }
  throw new StoreLocked(`the lock ${path} can be neither created nor read`)
}

/** Takes over from the dead owner whose lock was found. False: somebody else changed something, look again. */
async function inherit(disk: Disk, path: string, own: string, found: Buffer, host: Host): Promise<boolean> {
  const claims: string[] = []
  for (let dead = found; ; ) {
    const claim = claimName(path, dead, claims.length)
    claims.push(claim)
    if (await linked(disk, own, claim)) break
    const claimed = await readIfThere(disk, claim)
    if (claimed === undefined) return false
    if (!(await isInPlace(disk, path, found))) return false
    refuseIfRunning(claimed, host, path)
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

async function linked(disk: Disk, from: string, to: string): Promise<boolean> {
  try {
    await disk.link(from, to)
    return true
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false
    throw error
  }
}

function refuseIfRunning(content: Buffer, host: Host, path: string): void {
  const owner = decodeOwner(content)
  if (!owner || !host.isRunning(owner)) return
  throw new StoreLocked(`process ${owner.pid} is using this data directory (it holds ${path})`)
}

/** A lock without a readable owner was torn by a power cut: its owner is dead. */
function decodeOwner(content: Buffer): Owner | undefined {
  let owner: unknown
  try {
    owner = JSON.parse(content.toString())
  } catch {
    return undefined
  }
  if (typeof owner !== 'object' || owner === null) return undefined
  if (!('pid' in owner) || typeof owner.pid !== 'number' || !Number.isSafeInteger(owner.pid) || owner.pid < 1)
    return undefined
  return {
    pid: owner.pid,
    ...('started' in owner && typeof owner.started === 'string' && { started: owner.started }),
    ...('boot' in owner && typeof owner.boot === 'string' && { boot: owner.boot }),
    ...('id' in owner && typeof owner.id === 'string' && { id: owner.id }),
  }
}
