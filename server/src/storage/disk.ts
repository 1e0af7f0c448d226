import { constants, type Stats } from 'node:fs'
import { copyFile, type FileHandle, link, mkdir, open, readdir, rename, stat, unlink } from 'node:fs/promises'
import { dirname } from 'node:path'

/**
 * The port to a file system. Every call can fail like those of `node:fs`: with an Error that has a `code`.
 */
export interface Disk {
  /**
   * Creates a directory durably with mode 0700, and its parents if requested. An existing one stays as it is.
   */
  makeDirectory(path: string, parents: 'with parents' | 'in its parent'): Promise<void>
  /** Facts about a file or directory; symbolic links are followed. `undefined` if it does not exist. */
  stat(path: string): Promise<FileFacts | undefined>
  /** The names in a directory. */
  list(directory: string): Promise<string[]>
  /** Opens a file for reading. Never waits for a writer. @throws NotAFile */
  open(path: string): Promise<ReadableFile>
  /** Creates an empty file with mode 0600. An existing file is truncated. @throws NotAFile */
  create(path: string): Promise<WritableFile>
  /** Renames a file, and replaces an existing file of the new name. */
  rename(from: string, to: string): Promise<void>
  /** Gives a file a second name. Fails with `EEXIST` if that name exists. */
  link(from: string, to: string): Promise<void>
  /** Removes a name of a file. */
  remove(path: string): Promise<void>
  /** Makes the names in a directory survive a power cut. */
  syncDirectory(path: string): Promise<void>
}

/** Facts about a file or directory. */
export interface FileFacts {
  /** Identifies the file: device and inode number. */
  readonly id: string
  readonly isDirectory: boolean
  /** The size in bytes. */
  readonly bytes: number
  /** When it was last written, in ms since the epoch. */
  readonly modifiedAt: number
  /** The numeric user and group id of the owner. */
  readonly uid: number
  readonly gid: number
  /** The permission bits. */
  readonly mode: number
}

/** A file that is open for reading. */
export interface ReadableFile {
  /** Reads the next bytes into a buffer. Returns their number; 0 at the end. */
  read(into: Buffer): Promise<number>
  /** When the file was last written, in milliseconds since the epoch. */
  modifiedAt(): Promise<number>
  close(): Promise<void>
}

/** A file that is open for writing. */
export interface WritableFile {
  /** Appends all bytes. After a failure, any part of them may have been written. */
  write(bytes: Uint8Array): Promise<void>
  /**
   * Makes the content survive a power cut. After a failure the content is unknown, and a second call proves
   * nothing.
   */
  sync(): Promise<void>
  /** See `FileFacts.id`. Stays the same when the file is renamed or removed. */
  id(): Promise<string>
  close(): Promise<void>
}

/** Something else is at the path of a file, for example a directory. */
export class NotAFile extends Error {
  override readonly name = 'NotAFile'
  readonly code = 'NOT_A_FILE'
  readonly path: string
  /** What it is, such as `a directory`. */
  readonly kind: string

  constructor(path: string, kind: string) {
    super(`${path} is ${kind}, not a file`)
    this.path = path
    this.kind = kind
  }
}

/** The real file system. */
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
    const file = await openFile(path, constants.O_RDONLY)
    return {
      read: async into => (await file.read(into, 0, into.length, null)).bytesRead,
      modifiedAt: async () => Math.floor((await file.stat()).mtimeMs),
      close: () => file.close(),
    }
  },

  async create(path) {
    const file = await openFile(path, constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC)
    return {
      async write(bytes) {
        for (let done = 0; done < bytes.length; ) {
          done += (await file.write(bytes, done, bytes.length - done, null)).bytesWritten
        }
      },
      // A reader needs only data and size, so fdatasync is enough: it does not write the modification time.
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
    if (process.platform === 'win32') return // Windows can't sync directories, and does not need to
    const directory = await open(path, 'r')
    try {
      await directory.sync()
    } finally {
      await directory.close()
    }
  },
}

/** Opens a regular file. @throws NotAFile for anything else */
async function openFile(path: string, flags: number): Promise<FileHandle> {
  let file: FileHandle
  try {
    // Without O_NONBLOCK, opening a FIFO waits for its other end. Windows has neither.
    file = await open(path, flags | constants.O_NONBLOCK, 0o600)
  } catch (error) {
    // A socket, a FIFO that nobody reads, or a directory that can't be written.
    if (codeOf(error) === 'ENXIO' || codeOf(error) === 'EISDIR')
      throw new NotAFile(path, kindOf(await stat(path)))
    throw error
  }
  const stats = await file.stat()
  if (stats.isFile()) return file
  await file.close()
  throw new NotAFile(path, kindOf(stats))
}

function kindOf(stats: Stats): string {
  if (stats.isDirectory()) return 'a directory'
  if (stats.isFIFO()) return 'a FIFO (named pipe)'
  return stats.isSocket() ? 'a socket' : 'a device'
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

/** The errors of file systems without hard links, such as exFAT and SMB. A copy replaces the link there. */
const NO_LINKS: ReadonlySet<string | undefined> = new Set([
  'EPERM',
  'ENOTSUP',
  'EOPNOTSUPP',
  'ENOSYS',
  'EMLINK',
])

/** The `code` of a failed file operation, such as `ENOENT`; `undefined` for other errors. */
export function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}

/** The message of an error, for a log line. */
export function reasonOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** Reads a small file; `undefined` if it does not exist. @throws errors of the disk */
export async function readIfThere(disk: Disk, path: string): Promise<Buffer | undefined> {
  try {
    return await readWhole(disk, path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** Reads a whole file. @throws errors of the disk */
export async function readWhole(disk: Disk, path: string): Promise<Buffer> {
  const blocks: Buffer[] = []
  for await (const block of wholeLines(disk, path)) blocks.push(Buffer.from(block))
  return Buffer.concat(blocks)
}

/**
 * About 600 rows. The objects created from one block are garbage before the next minor collection. With
 * larger blocks, many objects would move to the old generation, where they die between objects that stay and
 * fragment the heap.
 */
const MAX_BLOCK_BYTES = 1 << 16
const FIRST_BLOCK_BYTES = 1 << 14
const NEWLINE = 0x0a

/**
 * Reads a file in blocks that end with a newline, except possibly the last one. A block is valid until the
 * next one is requested. @throws errors of the disk
 */
export async function* wholeLines(disk: Disk, path: string): AsyncGenerator<Buffer, void, undefined> {
  const file = await disk.open(path)
  try {
    let buffer = Buffer.allocUnsafeSlow(FIRST_BLOCK_BYTES)
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
      if (isFull && (end === 0 || buffer.length < MAX_BLOCK_BYTES))
        buffer = Buffer.concat([buffer], buffer.length * 2)
    }
    if (filled > 0) yield buffer.subarray(0, filled)
  } finally {
    await file.close()
  }
}

/** Calls `visit` with the offsets of each line of a block, including its newline. */
export function forEachLine(block: Buffer, visit: (from: number, to: number) => void): void {
  for (let from = 0; from < block.length; ) {
    const newline = block.indexOf(NEWLINE, from)
    const to = newline < 0 ? block.length : newline + 1
    visit(from, to)
    from = to
  }
}

/** Removes a file that may not exist. A failure is ignored, because it does no harm. */
export async function removeQuietly(disk: Disk, path: string): Promise<void> {
  await disk.remove(path).catch(() => {})
}
