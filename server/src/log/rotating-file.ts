import type { BigIntStats } from 'node:fs'
import { type FileHandle, mkdir, open, rename, stat } from 'node:fs/promises'
import { dirname, parse } from 'node:path'
import type { SerialQueue } from '../serial-queue.ts'
import type { Sink } from './line-writer.ts'

const NEWLINE = Buffer.from('\n')

/** Options of {@link RotatingFile}. */
export interface RotatingFileOptions {
  readonly path: string
  /** Maximum size in bytes. A file that would become larger is renamed, and a new one is started. */
  readonly maxBytes: number
  /** Maximum number of files, including the current one. The oldest is deleted. */
  readonly files: number
  /**
   * Shared by all files of a directory, so that they block only one thread if the disk hangs. The thread pool
   * has four, and the storage needs them as well.
   */
  readonly queue: SerialQueue
}

/**
 * A log file. Before each write it checks whether the path still refers to the open file, so a file that was
 * removed, renamed or mounted over exists again after the next check. Older files are named `log1`, `log2`
 * and so on; the highest number is the oldest.
 */
export class RotatingFile implements Sink {
  readonly #options: RotatingFileOptions
  #file: { readonly handle: FileHandle; readonly dev: bigint; readonly ino: bigint } | undefined
  #size = 0
  /** The last write ended in the middle of a line. */
  #isTorn = false

  constructor(options: RotatingFileOptions) {
    this.#options = options
  }

  /** Appends text, after rotating the files if necessary. @throws errors of the file system */
  write(text: string): Promise<void> {
    return this.#options.queue.run(async () => {
      const bytes = Buffer.from(text)
      let handle = await this.#ready()
      if (this.#size > 0 && this.#size + bytes.length > this.#options.maxBytes) {
        await this.#rotate()
        handle = await this.#ready()
      }
      await this.#append(handle, this.#isTorn && this.#size > 0 ? Buffer.concat([NEWLINE, bytes]) : bytes)
      this.#isTorn = false
    })
  }

  /** Creates the file if it does not exist. @throws errors of the file system */
  check(): Promise<void> {
    return this.#options.queue.run(async () => {
      await this.#ready()
    })
  }

  /** Closes the file. The next check or write opens the file that is at the path then. */
  close(): Promise<void> {
    return this.#options.queue.run(() => this.#close())
  }

  /** Opens the file at the path if it is not open, and creates it if it does not exist. */
  async #ready(): Promise<FileHandle> {
    const { path } = this.#options
    if (this.#file) {
      const there = await statIfThere(path)
      if (there && there.ino === this.#file.ino && there.dev === this.#file.dev) {
        this.#size = Number(there.size)
        return this.#file.handle
      }
      await this.#close()
    }
    await mkdir(dirname(path), { recursive: true })
    const handle = await open(path, 'a')
    const { dev, ino, size } = await handle.stat({ bigint: true })
    this.#file = { handle, dev, ino }
    this.#size = Number(size)
    return handle
  }

  async #append(handle: FileHandle, bytes: Buffer): Promise<void> {
    for (let done = 0; done < bytes.length; ) {
      const { bytesWritten } = await handle.write(bytes, done, bytes.length - done)
      done += bytesWritten
      this.#isTorn = done > 0
    }
  }

  async #rotate(): Promise<void> {
    const { path, files } = this.#options
    const { dir, name, ext } = parse(path)
    const older = (age: number) => (age === 0 ? path : `${dir}/${name}${age}${ext}`)
    await this.#close()
    for (let age = files - 1; age > 0; age--) await renameIfThere(older(age - 1), older(age))
  }

  async #close(): Promise<void> {
    const handle = this.#file?.handle
    this.#file = undefined
    await handle?.close().catch(() => {}) // whatever was not written is lost in any case
  }
}

async function statIfThere(path: string): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, { bigint: true })
  } catch {
    return undefined // opening the file will report the reason
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
