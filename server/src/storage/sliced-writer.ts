import { setImmediate, setTimeout } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import type { WritableFile } from './disk.ts'

/** How long saving may hold the event loop in one piece: well below the 5 ms it may add to the longest stall. */
const SLICE_MS = 1
/** A gentle save works one part and rests three: a quarter of one core, 4 s for a million users. */
const GENTLE_REST = 3

/** Divides long work into slices, so that messages, pings and timers get their turn in between. */
export class Pace {
  #rest: number
  #stopped: Error | undefined
  #sliceBegan = performance.now()

  constructor(kind: 'gentle' | 'brisk') {
    this.#rest = kind === 'gentle' ? GENTLE_REST : 0
  }

  /** From now on only gives way, without resting: somebody waits for the end. */
  hurry(): void {
    this.#rest = 0
  }

  /** Ends the work at its next rest. */
  stop(why: Error): void {
    this.#stopped = why
  }

  /** Whether this slice is used up, so that it is time to `rest`. */
  get spent(): boolean {
    return performance.now() - this.#sliceBegan >= SLICE_MS
  }

  /** Gives the event loop back. @throws what `stop` was called with. */
  async rest(): Promise<void> {
    const worked = performance.now() - this.#sliceBegan
    if (this.#rest === 0) await setImmediate()
    else await setTimeout(worked * this.#rest)
    if (this.#stopped) throw this.#stopped
    this.#sliceBegan = performance.now()
  }
}

/** Encoded at a time: some 80 rows, 0.1 ms, so that a slice is rarely overrun by more than that. */
const TEXT_CHARS = 8 * 1024
/** Written at a time. One buffer serves a whole save: memory from outside the heap would call the collector. */
const BUFFER_BYTES = 256 * 1024
/**
 * Synced at a time. A file system that has 100 MB waiting for one sync makes every other sync wait too, and
 * the journal's must not.
 */
const SYNC_BYTES = 8 * 1024 * 1024

/** Appends text to a file in slices, knowing its length and checksum. */
export class SlicedWriter {
  readonly #file: WritableFile
  #buffer = Buffer.alloc(0)
  #filled = 0
  #unsynced = 0
  #crc = 0
  #bytes = 0

  constructor(file: WritableFile) {
    this.#file = file
  }

  /** CRC-32 of all that was written. */
  get crc(): number {
    return this.#crc
  }

  /** Length of all that was written. */
  get bytes(): number {
    return this.#bytes
  }

  /** Writes the pieces, taken one by one as their turn comes. Not to be called again before it is done. */
  async write(pieces: Iterable<string>, pace: Pace): Promise<void> {
    let text = ''
    for (const piece of pieces) {
      text += piece
      if (text.length < TEXT_CHARS) continue
      await this.#encode(text)
      text = ''
      if (pace.spent) await pace.rest()
    }
    if (text !== '') await this.#encode(text)
    await this.#drain()
  }

  async #encode(text: string): Promise<void> {
    const most = text.length * 3 // UTF-8 needs at most three bytes for a UTF-16 unit
    if (this.#filled + most > BUFFER_BYTES) await this.#drain()
    if (this.#filled + most > this.#buffer.length) this.#grow(this.#filled + most)
    this.#filled += this.#buffer.write(text, this.#filled)
  }

  /** A batch of a quiet server is a hundred bytes; it gets no quarter of a megabyte. */
  #grow(need: number): void {
    const larger = Buffer.allocUnsafeSlow(need <= TEXT_CHARS ? TEXT_CHARS : Math.max(need, BUFFER_BYTES))
    this.#buffer.copy(larger, 0, 0, this.#filled)
    this.#buffer = larger
  }

  async #drain(): Promise<void> {
    if (this.#filled === 0) return
    const bytes = this.#buffer.subarray(0, this.#filled)
    this.#filled = 0
    await this.#file.write(bytes)
    this.#crc = crc32(bytes, this.#crc)
    this.#bytes += bytes.length
    this.#unsynced += bytes.length
    if (this.#unsynced >= SYNC_BYTES) await this.sync()
  }

  /** Makes all that was written durable. */
  async sync(): Promise<void> {
    this.#unsynced = 0
    await this.#file.sync()
  }

  async close(): Promise<void> {
    await this.#file.close()
  }
}
