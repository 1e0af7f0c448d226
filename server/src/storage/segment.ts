import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { type Disk, removeQuietly, type WritableFile } from './disk.ts'
import { temporary } from './files.ts'
import { FORMAT } from './format.ts'
import { isoTime } from './iso-time.ts'
import { type Batch, DELETED, type LogPart, type SegmentHead } from './journal.ts'
import { logLines } from './log-lines.ts'
import { encodeRow } from './row.ts'
import { SlicedWriter, TimeSlices } from './sliced-writer.ts'

/**
 * Someone else removed, renamed or replaced a file while this process was using it. The message names the
 * file.
 */
export class ExternalChange extends Error {
  override readonly name = 'ExternalChange'
}

/** A journal segment that is being written. Calls must not overlap. */
export class Segment {
  /** The number of the segment. */
  readonly journal: number
  readonly #disk: Disk
  readonly #path: string
  readonly #file: WritableFile
  readonly #writer: SlicedWriter
  #id: string
  #durableBytes: number

  private constructor(disk: Disk, path: string, journal: number, file: WritableFile, writer: SlicedWriter) {
    this.#disk = disk
    this.#path = path
    this.journal = journal
    this.#file = file
    this.#writer = writer
    this.#id = ''
    this.#durableBytes = writer.bytes
  }

  /**
   * Creates a segment. The file gets its name when the head is durable, so a segment without a head is
   * damaged.
   *
   * @param first what is durable together with the head
   * @throws errors of the disk; the file may be there then
   */
  static async create(disk: Disk, path: string, head: SegmentHead, first: Batch): Promise<Segment> {
    const file = await disk.create(temporary(path))
    const writer = new SlicedWriter(file)
    try {
      await writer.write(firstLines(head, first), new TimeSlices('urgent'))
      await writer.sync()
      const segment = new Segment(disk, path, head.journal, file, writer)
      segment.#id = await file.id()
      await disk.rename(temporary(path), path)
      await disk.syncDirectory(dirname(path))
      return segment
    } catch (error) {
      await writer.close().catch(() => {})
      await removeQuietly(disk, temporary(path))
      throw error
    }
  }

  /** How many bytes of the segment are known to be durable. */
  get durableBytes(): number {
    return this.#durableBytes
  }

  /**
   * Writes a batch durably. After a failure the segment must not be written to again.
   *
   * @throws ExternalChange, see `assertInPlace`, and errors of the disk
   */
  async append(batch: Batch): Promise<void> {
    await this.#append(batchLines(batch))
  }

  /** Writes durably that the process stopped cleanly, and closes the file. @throws like `append` */
  async seal(now: number, knownTime: number | undefined): Promise<void> {
    await this.#append([line(`{"closed":"${isoTime(now)}"${knownTimeField(knownTime)}}`)])
    await this.close()
  }

  /**
   * Checks that the open file still has its name. Writes to a removed file would succeed and be lost.
   *
   * @throws ExternalChange
   */
  async assertInPlace(): Promise<void> {
    const found = await this.#disk.stat(this.#path)
    if (found?.id === this.#id) return
    // Some network file systems change inode numbers. The open file then has the new number as well.
    this.#id = await this.#file.id()
    if (found?.id === this.#id) return
    throw new ExternalChange(
      `${this.#path} was ${found ? 'replaced' : 'removed'} while the server was using it`,
    )
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#writer.close()
  }

  async #append(lines: Iterable<string>): Promise<void> {
    await this.#writer.write(lines, new TimeSlices('urgent'))
    await this.#writer.sync()
    await this.assertInPlace()
    this.#durableBytes = this.#writer.bytes
  }
}

function* firstLines(head: SegmentHead, first: Batch): Generator<string> {
  yield line(JSON.stringify({ format: FORMAT, ...head }))
  yield* batchLines(first)
}

/**
 * The changes come before the records: if a crash leaves only the first lines, the log names each user whose record is
 * new. Then the next start tells how others see the user.
 */
function* batchLines({ users, log, alive, knownTime }: Batch): Generator<string> {
  yield* changeLines(log)
  yield* recordLines(users)
  if (alive !== undefined) yield line(`{"alive":"${isoTime(alive)}"${knownTimeField(knownTime)}}`)
}

function* changeLines(log: LogPart | undefined): Generator<string> {
  for (const json of log ? logLines(log) : []) yield line(json)
}

function* recordLines(users: Batch['users']): Generator<string> {
  for (const [userId, record] of users) {
    yield line(record === DELETED ? `{"forget":${JSON.stringify(userId)}}` : encodeRow(record))
  }
}

function knownTimeField(time: number | undefined): string {
  return time === undefined ? '' : `,"knownTime":"${isoTime(time)}"`
}

function line(json: string): string {
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`
}
