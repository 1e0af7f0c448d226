import type { BigIntStats } from 'node:fs'
import { type FileHandle, mkdir, open, rename, stat } from 'node:fs/promises'
import { dirname, parse } from 'node:path'
import type { SerialQueue } from '../storage/serial-queue.ts'
import type { Sink } from './line-writer.ts'

const NEWLINE = Buffer.from('\n')

export interface RotatingFileOptions {
  readonly path: string
  /** A file that would grow beyond this is renamed, and a new one is begun. */
  readonly maxBytes: number
  /** How many files there are, the current one included; the oldest is dropped. */
  readonly files: number
  /**
   * Shared by files of one directory, so that they hold one thread when the disk hangs: the pool has four, and the
   * state must be saved as well.
   */
  readonly turns: SerialQueue
}

/**
 * A log file. Before each write it looks whether the path still leads to the open file, so that a file that was
 * removed, renamed or mounted over is there again with the next check. `log`, `log1`, `log2`, …: the higher, the older.
 */
export class RotatingFile implements Sink {
  readonly #options: RotatingFileOptions
  #file: { readonly handle: FileHandle; readonly dev: bigint; readonly ino: bigint } | undefined
  #size = 0
  /** The last write stopped within a line. */
  #isTorn = false

  constructor(options: RotatingFileOptions) {
    this.#options = options
  }

  write(text: string): Promise<void> {
    return this.#options.turns.run(async () => {
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

  check(): Promise<void> {
    return this.#options.turns.run(async () => {
      await this.#ready()
    })
  }

  /** Closes the file. The next check or write opens the one that is at the path then. */
  close(): Promise<void> {
    return this.#options.turns.run(() => this.#close())
  }

  /** The open file at the path, made if it is not there. */
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
    await handle?.close().catch(() => {}) // what it did not take is lost either way
  }
}

async function statIfThere(path: string): Promise<BigIntStats | undefined> {
  try {
    return await stat(path, { bigint: true })
  } catch {
    return undefined // opening it will say why
  }
}

async function renameIfThere(from: string, to: string): Promise<void> {
  try {
    await rename(from, to)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
