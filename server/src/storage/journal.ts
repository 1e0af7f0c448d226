import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import type { UserId } from '@who-is-online/protocol/words'
import { type Disk, forEachLine, removeQuietly, type WritableFile, wholeLines } from './disk.ts'
import { temporary } from './files.ts'
import { isoTime, parseTime } from './iso-time.ts'
import { BadRow, decodeRow, encodeRow } from './row.ts'
import { Pace, SlicedWriter } from './sliced-writer.ts'
import { FORMAT } from './snapshot.ts'
import type { UserRecord } from './store.ts'

/*
 * The journal carries what changed since the snapshot. It is a row of segments, each a text file of lines
 *
 *     1c291ca3 {"userId":"123","status":"online","lastSeen":"2026-11-24T06:10:00.000Z"}
 *
 * with the CRC-32 of the JSON in front. The first line is the head; then a row keeps a user, `forget` forgets
 * one, `alive` says that the process was alive at that time, and `closed` that it ended in good order. `alive` and
 * `closed` may carry `knownTime`; see `Store.alive`.
 */

/** What a segment says about itself in its first line. */
export interface SegmentHead {
  /** Its number. A file with another number in its name is a copy, and is not read. */
  readonly journal: number
  /** The state it belongs to: a random id, made when that state began. Absent in files of earlier versions. */
  readonly stateId?: string
  /** The process that wrote it: the id of its lock. Absent in files of earlier versions. */
  readonly writer?: string
  /**
   * Why it was begun: a process started (users who were live before are not), a snapshot began (the segment continues
   * where the last one ended), the disk failed and is back (changes in between were not written), or all files
   * were removed while the process ran (nothing older exists; a snapshot follows).
   */
  readonly after: 'start' | 'snapshot' | 'failure' | 'removal'
  /** The segment before and how many bytes of it are good: what lies behind them was never durable. */
  readonly previous?: { readonly journal: number; readonly bytes: number }
  /** The fingerprint of the imported state file this segment goes on from. */
  readonly imported?: string
}

export const FORGOTTEN = Symbol('forgotten')

/** What is written in one batch: the newest record of each user, and when the process was last known to be alive. */
export interface Batch {
  readonly users: ReadonlyMap<UserId, UserRecord | typeof FORGOTTEN>
  readonly alive: number | undefined
  /** See `Store.alive`; only with `alive`. */
  readonly knownTime: number | undefined
}

/** A file was removed, renamed or replaced while this process was using it. */
export class ExternalChange extends Error {
  override readonly name = 'ExternalChange'
}

/** A segment that is being written. Calls must not overlap. */
export class Segment {
  readonly journal: number
  readonly #disk: Disk
  readonly #path: string
  readonly #file: WritableFile
  readonly #writer: SlicedWriter
  #id: string
  #durable: number

  private constructor(disk: Disk, path: string, journal: number, file: WritableFile, writer: SlicedWriter) {
    this.#disk = disk
    this.#path = path
    this.journal = journal
    this.#file = file
    this.#writer = writer
    this.#id = ''
    this.#durable = writer.bytes
  }

  /** Creates a segment. It gets its name when its head is durable, so that a segment without one is damaged. */
  static async create(disk: Disk, path: string, head: SegmentHead): Promise<Segment> {
    const file = await disk.create(temporary(path))
    const writer = new SlicedWriter(file)
    try {
      await writer.write([line(JSON.stringify({ format: FORMAT, ...head }))], new Pace('brisk'))
      await writer.sync()
      const segment = new Segment(disk, path, head.journal, file, writer)
      segment.#id = await file.id()
      await disk.rename(temporary(path), path)
      await disk.syncDirectory(dirname(path))
      return segment
    } catch (error) {
      await writer.close().catch(() => {})
      await removeQuietly(disk, temporary(path))
      await removeQuietly(disk, path)
      throw error
    }
  }

  /** How many bytes of it are known to be durable. */
  get durable(): number {
    return this.#durable
  }

  /** Makes a batch durable. After a failure the segment must not be written to again. @throws ExternalChange, see `mustBeInPlace` */
  async append(batch: Batch): Promise<void> {
    await this.#append(batchLines(batch))
  }

  /** Says that nothing follows, durably, and closes. */
  async seal(now: number, knownTime: number | undefined): Promise<void> {
    await this.#append([line(`{"closed":"${isoTime(now)}"${knownTimeField(knownTime)}}`)])
    await this.close()
  }

  /**
   * Checks that the open file is still the one under its name: writes to a removed file succeed, and are lost.
   *
   * @throws ExternalChange
   */
  async mustBeInPlace(): Promise<void> {
    const found = await this.#disk.stat(this.#path)
    if (found?.id === this.#id) return
    // Some network file systems renumber files: the open file and its name are then still the same.
    this.#id = await this.#file.id()
    if (found?.id === this.#id) return
    throw new ExternalChange(
      `${this.#path} was ${found ? 'replaced' : 'removed'} while the server was using it`,
    )
  }

  async close(): Promise<void> {
    await this.#writer.close()
  }

  async #append(lines: Iterable<string>): Promise<void> {
    await this.#writer.write(lines, new Pace('brisk'))
    await this.#writer.sync()
    await this.mustBeInPlace()
    this.#durable = this.#writer.bytes
  }
}

function* batchLines({ users, alive, knownTime }: Batch): Generator<string> {
  for (const [userId, record] of users) {
    yield line(record === FORGOTTEN ? `{"forget":${JSON.stringify(userId)}}` : encodeRow(record))
  }
  if (alive !== undefined) yield line(`{"alive":"${isoTime(alive)}"${knownTimeField(knownTime)}}`)
}

function knownTimeField(time: number | undefined): string {
  return time === undefined ? '' : `,"knownTime":"${isoTime(time)}"`
}

function line(json: string): string {
  return `${crc32(json).toString(16).padStart(8, '0')} ${json}\n`
}

/** What a line of the journal says. */
export type Entry =
  | { readonly kind: 'keep'; readonly record: UserRecord }
  | { readonly kind: 'forget'; readonly userId: UserId }
  | { readonly kind: 'alive'; readonly at: number; readonly knownTime: number | undefined }
  | { readonly kind: 'closed'; readonly at: number | undefined; readonly knownTime: number | undefined }

/** What was found in a segment beside its entries. */
export interface SegmentReport {
  /** The end of the last good line. */
  readonly goodBytes: number
  readonly bytes: number
  /** Lines that are not as they were written. */
  readonly badLines: number
  /** Bytes of a last line that was never finished, as a crash leaves it. */
  readonly tornBytes: number
  /** Whether the last thing in it is that the process let go in good order. */
  readonly closed: boolean
}

/** Reads the head of a segment; `undefined` when it is damaged. */
export async function readHead(disk: Disk, path: string): Promise<SegmentHead | undefined> {
  for await (const block of wholeLines(disk, path)) {
    const json = jsonOf(block, 0, block.indexOf(NEWLINE) + 1)
    return json === undefined ? undefined : decodeHead(JSON.parse(json))
  }
  return undefined
}

/**
 * Reads a segment, line by line. Only lines whose checksum is right are visited. Bad lines count when they
 * lie before `written`, the number of bytes that are known to have been durable once.
 */
export async function readSegment(
  disk: Disk,
  path: string,
  written: number | undefined,
  visit: (entry: Entry) => void,
): Promise<SegmentReport> {
  let bytes = 0
  let goodBytes = 0
  let badLines = 0
  let tornBytes = 0
  let closed = false
  let first = true
  for await (const block of wholeLines(disk, path)) {
    forEachLine(block, (from, to) => {
      const start = bytes
      bytes += to - from
      const json = jsonOf(block, from, to)
      const entry = json === undefined || first ? undefined : decodeEntry(JSON.parse(json))
      if (json !== undefined && (first || entry)) {
        goodBytes = bytes
        closed = entry?.kind === 'closed'
        if (entry) visit(entry)
      } else if (written !== undefined ? start < written : block[to - 1] === NEWLINE) {
        badLines += 1
        closed = false
      } else {
        tornBytes = to - from
        closed = false
      }
      first = false
    })
  }
  return { goodBytes, bytes, badLines, tornBytes, closed }
}

const NEWLINE = 0x0a
const SPACE = 0x20
/** The checksum and the space after it. */
const PREFIX_BYTES = 9

/** The JSON of the line from one offset to another, if its checksum is right. */
function jsonOf(block: Buffer, from: number, to: number): string | undefined {
  const end = block[to - 1] === NEWLINE ? to - 1 : to
  const start = from + PREFIX_BYTES
  if (end <= start || block[start - 1] !== SPACE) return undefined
  if (crc32(block.subarray(start, end)) !== hexNumber(block, from, start - 1)) return undefined
  return block.toString('utf8', start, end)
}

/** NaN when it is none, with small letters. */
function hexNumber(block: Buffer, from: number, to: number): number {
  let value = 0
  for (let index = from; index < to; index += 1) {
    const byte = block[index] ?? 0
    const digit =
      byte >= 0x30 && byte <= 0x39 ? byte - 0x30 : byte >= 0x61 && byte <= 0x66 ? byte - 0x57 : Number.NaN
    value = value * 16 + digit
  }
  return value
}

/** What only a later version would write is `undefined`, and counts as bad: it can't be told what it changed. */
function decodeEntry(entry: unknown): Entry | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined
  if ('userId' in entry) return keepEntry(entry)
  if ('forget' in entry && typeof entry.forget === 'string') return { kind: 'forget', userId: entry.forget }
  const knownTime = timeOf('knownTime' in entry && entry.knownTime)
  if ('alive' in entry) {
    const at = timeOf(entry.alive)
    return at === undefined ? undefined : { kind: 'alive', at, knownTime }
  }
  if ('closed' in entry) return { kind: 'closed', at: timeOf(entry.closed), knownTime }
  return undefined
}

function timeOf(text: unknown): number | undefined {
  const time = typeof text === 'string' ? parseTime(text) : Number.NaN
  return Number.isNaN(time) ? undefined : time
}

function keepEntry(row: object): Entry | undefined {
  try {
    return { kind: 'keep', record: decodeRow(row) }
  } catch (error) {
    if (error instanceof BadRow) return undefined
    throw error
  }
}

function decodeHead(head: unknown): SegmentHead | undefined {
  if (typeof head !== 'object' || head === null || !('format' in head) || head.format !== FORMAT)
    return undefined
  if (!('journal' in head) || typeof head.journal !== 'number') return undefined
  if (!('after' in head)) return undefined
  const { after } = head
  if (after !== 'start' && after !== 'snapshot' && after !== 'failure' && after !== 'removal')
    return undefined
  const previous = 'previous' in head ? decodePrevious(head.previous) : undefined
  const imported = 'imported' in head && typeof head.imported === 'string' ? head.imported : undefined
  return {
    journal: head.journal,
    after,
    ...('stateId' in head && typeof head.stateId === 'string' && { stateId: head.stateId }),
    ...('writer' in head && typeof head.writer === 'string' && { writer: head.writer }),
    ...(previous && { previous }),
    ...(imported !== undefined && { imported }),
  }
}

function decodePrevious(previous: unknown): SegmentHead['previous'] {
  if (typeof previous !== 'object' || previous === null) return undefined
  if (!('journal' in previous) || typeof previous.journal !== 'number') return undefined
  if (!('bytes' in previous) || typeof previous.bytes !== 'number') return undefined
  return { journal: previous.journal, bytes: previous.bytes }
}
