import { basename, dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { codeOf, type Disk, readIfThere, removeQuietly } from './disk.ts'
import { type Host, type Owner, socketOf } from './host.ts'
import { isListening } from './liveness-socket.ts'
import { decodeLock, type TemporaryLock } from './lock-file.ts'
import { StoreLocked, StoreUnusable } from './store.ts'

/** Far more than processes that start at the same time can need. */
const MAX_ATTEMPTS = 1_000

/**
 * Puts the own lock in place, and returns the content of the stale lock that was there, if any.
 *
 * The lock is linked into place complete, which only one process can do. To take over from a stale lock, a
 * process first links its own lock to a claim: a name derived from the content of the stale lock, which is
 * unique. Again only one process can do that. The process then checks that the stale lock is still in place,
 * and renames its claim over it. A process that comes later finds the claim, or another lock in place. If a
 * process ends before the rename, its claim is a stale lock like the first, and the next process claims that
 * one.
 *
 * @throws StoreLocked when another running process holds the lock; NotAFile when something else is in its
 * place; StoreUnusable when it can't be created
 */
export async function putInPlace(
  disk: Disk,
  path: string,
  own: TemporaryLock,
  host: Host,
): Promise<Buffer | undefined> {
  for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
    await own.inherit(undefined)
    if (await linkIfFree(disk, own.path, path)) return undefined
    const found = await readIfThere(disk, path)
    if (found === undefined) continue // it was just removed
    const content = decodeLock(found)
    if (content?.owner.id === own.id) return undefined
    await refuseIfRunning(content?.owner, host, path)
    await own.inherit(content?.newest)
    if (await takeOver(disk, path, own, found, host)) return found
  }
  throw new StoreUnusable(
    `the lock ${path} can be neither created nor read: if it is a symbolic link to a missing file, remove it, then start again`,
  )
}

/** Replaces a stale lock. Returns false if another process changed something: then read the lock again. */
async function takeOver(
  disk: Disk,
  path: string,
  own: TemporaryLock,
  stale: Buffer,
  host: Host,
): Promise<boolean> {
  const claims: string[] = []
  for (let claimed = stale; ; ) {
    const claim = claimName(path, claimed, claims.length)
    claims.push(claim)
    if (await linkIfFree(disk, own.path, claim)) break
    const other = await readIfThere(disk, claim)
    if (other === undefined) return false
    if (!(await isInPlace(disk, path, stale))) return false
    await refuseIfRunning(decodeLock(other)?.owner, host, path)
    claimed = other
  }
  const ownClaim = claims.pop()
  if (ownClaim === undefined) return false
  if (!(await isInPlace(disk, path, stale))) {
    await removeQuietly(disk, ownClaim)
    return false
  }
  await disk.rename(ownClaim, path)
  for (const claim of claims) await removeQuietly(disk, claim)
  return true
}

/**
 * The name of a claim on a stale lock. It contains the number of claims before it, because locks that a power
 * cut emptied all have the same content.
 */
export function claimName(path: string, stale: Buffer, generation: number): string {
  return `${path}.${crc32(stale).toString(16).padStart(8, '0')}.${generation}`
}

/**
 * Removes the sockets and temporary files of processes that ended. A socket has its name only while it
 * listens.
 */
export async function removeLeftovers(disk: Disk, path: string, ownId: string): Promise<void> {
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
    `process ${owner.pid} ${isElsewhere ? 'of another container ' : ''}is using this data directory (it holds ${path}): stop it, or set DATA_DIR to another directory`,
  )
}
