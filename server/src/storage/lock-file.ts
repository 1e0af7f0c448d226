import { type Disk, removeQuietly } from './disk.ts'
import type { Owner } from './host.ts'

/**
 * The newest journal segment. The lock names it, so that a start after a crash notices if the segment is
 * missing.
 */
export interface NewestSegment {
  readonly stateId: string
  readonly segment: number
}

/** The content of a lock file. */
export interface LockContent {
  readonly owner: Owner
  readonly newest: NewestSegment | undefined
}

/** Encodes the content of a lock file as one line of JSON. */
export function encodeLock(owner: Owner, newest: NewestSegment | undefined): Buffer {
  return Buffer.from(`${JSON.stringify({ ...owner, ...newest })}\n`)
}

/**
 * Decodes a lock file. `undefined` if it names no owner: a power cut damaged it, so its owner no longer runs.
 */
export function decodeLock(content: Buffer): LockContent | undefined {
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
  const hasNewest =
    typeof stateId === 'string' && typeof segment === 'number' && Number.isSafeInteger(segment)
  return { owner, newest: hasNewest ? { stateId, segment } : undefined }
}

/** The lock file of a process under a temporary name, before it is linked or renamed into place. */
export class TemporaryLock {
  readonly path: string
  readonly id: string
  readonly #disk: Disk
  readonly #owner: Owner
  readonly #newest: NewestSegment | undefined
  #inherited: NewestSegment | undefined

  /** `lock` is the final path. `newest` is the segment to name; if `undefined`, an inherited one is named. */
  constructor(disk: Disk, lock: string, owner: Owner & { id: string }, newest: NewestSegment | undefined) {
    this.path = `${lock}.${owner.id}`
    this.id = owner.id
    this.#disk = disk
    this.#owner = owner
    this.#newest = newest
  }

  /** The segment that the file names. */
  get newest(): NewestSegment | undefined {
    return this.#newest ?? this.#inherited
  }

  /**
   * Writes the file durably. When a stale lock is taken over, `inherited` is the segment that it named: it
   * must not be lost if this process ends before it has written anything.
   */
  async write(inherited: NewestSegment | undefined): Promise<void> {
    // The file may have a second name, under which it must not change.
    await removeQuietly(this.#disk, this.path)
    this.#inherited = inherited
    await writeFile(this.#disk, this.path, encodeLock(this.#owner, this.newest))
  }

  /** Writes the file again if the inherited segment is a different one. */
  async inherit(newest: NewestSegment | undefined): Promise<void> {
    const isSame =
      newest?.segment === this.#inherited?.segment && newest?.stateId === this.#inherited?.stateId
    if (!isSame) await this.write(newest)
  }

  /** Removes the temporary name. */
  async remove(): Promise<void> {
    await removeQuietly(this.#disk, this.path)
  }
}

/** Writes a small file durably. */
export async function writeFile(disk: Disk, path: string, content: Buffer): Promise<void> {
  const file = await disk.create(path)
  try {
    await file.write(content)
    await file.sync()
  } finally {
    await file.close()
  }
}
