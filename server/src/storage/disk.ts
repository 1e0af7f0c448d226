import { constants, type Stats } from 'node:fs'
import { copyFile, link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What the storage asks of a file system. Every call may fail as those of `node:fs` do: an Error with a `code`. */
export interface Disk {
  /** Makes a directory that only its owner can enter, durably, and its parents if asked to. One that exists stays as it is. */
  makeDirectory(path: string, parents: 'with parents' | 'in its parent'): Promise<void>
  /** What is under a name, a symbolic link followed; `undefined` where there is nothing. */
  stat(path: string): Promise<FileFacts | undefined>
  list(directory: string): Promise<string[]>
  open(path: string): Promise<ReadableFile>
  /** Creates an empty file only its owner can read; one that is there is emptied. */
  create(path: string): Promise<WritableFile>
  /** Moves a name, over another one if need be. */
  rename(from: string, to: string): Promise<void>
  /** Gives a file a second name; fails with `EEXIST` where there is one already. */
  link(from: string, to: string): Promise<void>
  remove(path: string): Promise<void>
  /** Makes what was created, renamed and removed in a directory survive a power cut. */
  syncDirectory(path: string): Promise<void>
}

/** What a file system says about a file or directory. */
export interface FileFacts {
  /** Tells files apart: the device and the number on it. */
  readonly id: string
  readonly isDirectory: boolean
  readonly bytes: number
  /** When it was last written, in ms since the epoch. */
  readonly modifiedAt: number
  /** The owner's numbers, and the permissions. */
  readonly uid: number
  readonly gid: number
  readonly mode: number
}

export interface ReadableFile {
  /** Reads on from where the last read ended, up to the size of the buffer; 0 at the end. */
  read(into: Buffer): Promise<number>
  /** When the file was last written, in milliseconds since the epoch. */
  modifiedAt(): Promise<number>
  close(): Promise<void>
}

export interface WritableFile {
  /** Appends all the bytes; after a failure any part of them may be there. */
  write(bytes: Uint8Array): Promise<void>
  /** Makes the content survive a power cut. After a failure nothing is known, and a second try proves nothing. */
  sync(): Promise<void>
  /** See `FileFacts.id`. Stays the same when the file is renamed or removed. */
  id(): Promise<string>
  close(): Promise<void>
}

export const nodeDisk: Disk = {
  async makeDirectory(path, parents) {
    if (parents === 'in its parent') {
      if (await nodeDisk.stat(path)) return
      await mkdir(path, { mode: 0o700 })
      return nodeDisk.syncDirectory(dirname(path))
    }
    const first = await mkdir(path, { recursive: true, mode: 0o700 })
    if (first === undefined) return
    for (let made = path; made.length >= first.length; made = dirname(made)) {
      await nodeDisk.syncDirectory(dirname(made))
    }
  },

  async stat(path) {
    try {
      return factsOf(await stat(path))
    } catch (error) {
      if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return undefined
      throw error
    }
  },

  list: readdir,

  async open(path) {
    const file = await open(path, 'r')
    return {
      read: async into => (await file.read(into, 0, into.length, null)).bytesRead,
      modifiedAt: async () => Math.floor((await file.stat()).mtimeMs),
      close: () => file.close(),
    }
  },

  async create(path) {
    const file = await open(path, 'w', 0o600)
    return {
      async write(bytes) {
        for (let done = 0; done < bytes.length; ) {
          done += (await file.write(bytes, done, bytes.length - done, null)).bytesWritten
        }
      },
      // Data and size are all a reader needs: fdatasync spares the write of the modification time.
      sync: () => file.datasync(),
      id: async () => factsOf(await file.stat()).id,
      close: () => file.close(),
    }
  },

  rename,

  async link(from, to) {
    try {
      await link(from, to)
    } catch (error) {
      if (!NO_LINKS.has(codeOf(error))) throw error
      await copyFile(from, to, constants.COPYFILE_EXCL)
      const file = await open(to, 'r+')
      await file.sync().finally(() => file.close())
    }
  },

  remove: unlink,

  async syncDirectory(path) {
    if (process.platform === 'win32') return // has no such thing, and needs none
    const directory = await open(path, 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  },
}

function factsOf(stats: Stats): FileFacts {
  const { dev, ino, size, mtimeMs, uid, gid, mode } = stats
  return {
    id: `${dev}:${ino}`,
    isDirectory: stats.isDirectory(),
    bytes: size,
    modifiedAt: mtimeMs,
    uid,
    gid,
    mode: mode & 0o7777,
  }
}

/** What a file system without hard links answers (exFAT, SMB): there a copy has to do. */
const NO_LINKS: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
])

/** The `code` of a failed file operation, such as `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** What to tell about an error in a log line. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Reads a small file whole; `undefined` where there is none. */
export async function readIfThere(disk: Disk, path: string): Promise<Buffer | undefined> {
  try {
    return await readWhole(disk, path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

export async function readWhole(disk: Disk, path: string): Promise<Buffer> {
  const blocks: Buffer[] = []
  for await (const block of wholeLines(disk, path)) blocks.push(Buffer.from(block))
  return Buffer.concat(blocks)
}

/**
 * Some 600 rows. What is made of them is garbage before the next collection of the young. Of larger blocks much is
 * promoted, and dies among the ids that stay, in pages that are never given back.
 */
const LARGEST_BLOCK = 1 << 16
const FIRST_BLOCK = 1 << 14
const NEWLINE = 0x0a

/**
 * Reads a file in blocks that end with a newline; only the last one may not. A block is good until the next
 * one is asked for.
 */
export async function* wholeLines(disk: Disk, path: string): AsyncGenerator<Buffer, void, undefined> {
  const file = await disk.open(path)
  try {
    let buffer = Buffer.allocUnsafeSlow(FIRST_BLOCK)
    let filled = 0
    for (;;) {
      const count = await file.read(buffer.subarray(filled))
      if (count === 0) break
      filled += count
      const end = buffer.lastIndexOf(NEWLINE, filled - 1) + 1
      if (end > 0) yield buffer.subarray(0, end)
      buffer.copyWithin(0, end, filled)
      const isFull = filled === buffer.length
      filled -= end
      if (isFull && (end === 0 || buffer.length < LARGEST_BLOCK))
        buffer = Buffer.concat([buffer], buffer.length * 2)
    }
    if (filled > 0) yield buffer.subarray(0, filled)
  } finally {
    await file.close()
  }
}

/** Calls back for each line of a block, its newline included. */
export function forEachLine(block: Buffer, visit: (from: number, to: number) => void): void {
  for (let from = 0; from < block.length; ) {
    const newline = block.indexOf(NEWLINE, from)
    const to = newline < 0 ? block.length : newline + 1
    visit(from, to)
    from = to
  }
}

/** Removes a file that may not be there, where failing to do so does no harm. */
export async function removeQuietly(disk: Disk, path: string): Promise<void> {
  await disk.remove(path).catch(() => {})
}
