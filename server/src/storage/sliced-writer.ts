import { setImmediate, setTimeout } from 'node:timers/promises'
import { crc32 } from 'node:zlib'
import type { WritableFile } from './disk.ts'

/** How long a slice may block the event loop. Saving may add at most 5 ms to the longest stall. */
const SLICE_MS = 1
/**
 * Pause after a slice in background work, in slice durations: a quarter of one core, 4 s for a million users.
 */
const BACKGROUND_PAUSE = 3

/**
 * Divides long work into time slices, so that the event loop can handle messages, pings and timers in
 * between.
 */
export class TimeSlices {
  #pause: number
  #stopped: Error | undefined
  #sliceStart = performance.now()

  /** `background` work pauses after each slice; `urgent` work only yields to the event loop. */
  constructor(kind: 'background' | 'urgent') {
    this.#pause = kind === 'background' ? BACKGROUND_PAUSE : 0
  }

  /** Makes background work urgent: a caller waits for the result. */
  hurry(): void {
    this.#pause = 0
  }

  /** Ends the work at its next `yield` with this error. */
  stop(reason: Error): void {
    this.#stopped = reason
  }

  /** Whether this slice is used up, so that the work must `yield`. */
  get isUsedUp(): boolean {
    return performance.now() - this.#sliceStart >= SLICE_MS
  }

  /** Yields to the event loop, and starts the next slice. @throws the error that `stop` was called with */
  async yield(): Promise<void> {
    const worked = performance.now() - this.#sliceStart
    if (this.#pause === 0) await setImmediate()
    else await setTimeout(worked * this.#pause)
    if (this.#stopped) throw this.#stopped
    this.#sliceStart = performance.now()
  }
}

/** Text encoded at once: about 80 rows or 0.1 ms, so a slice is rarely exceeded by more than that. */
const CHUNK_CHARS = 8 * 1024
/** Bytes written at once. A save reuses one buffer: allocating many would trigger garbage collections. */
const BUFFER_BYTES = 256 * 1024
/**
 * Bytes synced at once. If 100 MB wait for one sync, file systems delay every other sync, including the
 * journal's.
 */
const SYNC_BYTES = 8 * 1024 * 1024

/** Appends text to a file in time slices, and computes its length and checksum. */
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

  /** The CRC-32 of everything written. */
  get crc(): number {
    return this.#crc
  }

  /** The number of bytes written. */
  get bytes(): number {
    return this.#bytes
  }

  /** Writes all pieces; each is taken from the iterable when it is needed. Calls must not overlap. */
  async write(pieces: Iterable<string>, slices: TimeSlices): Promise<void> {
    let text = ''
    for (const piece of pieces) {
      text += piece
      if (text.length < CHUNK_CHARS) continue
      await this.#encode(text)
      text = ''
      if (slices.isUsedUp) await slices.yield()
    }
    if (text !== '') await this.#encode(text)
    await this.#drain()
  }

  async #encode(text: string): Promise<void> {
    const maxBytes = text.length * 3 // UTF-8 needs at most three bytes for a UTF-16 unit
    if (this.#filled + maxBytes > BUFFER_BYTES) await this.#drain()
    if (this.#filled + maxBytes > this.#buffer.length) this.#grow(this.#filled + maxBytes)
    this.#filled += this.#buffer.write(text, this.#filled)
  }

  /** Small batches get a small buffer: a batch of an idle server has about a hundred bytes. */
  #grow(need: number): void {
    const larger = Buffer.allocUnsafeSlow(need <= CHUNK_CHARS ? CHUNK_CHARS : Math.max(need, BUFFER_BYTES))
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

  /** Makes everything written durable. */
  async sync(): Promise<void> {
    this.#unsynced = 0
    await this.#file.sync()
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#file.close()
  }
}
