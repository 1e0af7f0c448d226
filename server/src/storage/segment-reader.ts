import { crc32 } from 'node:zlib'
import { type Disk, forEachLine, wholeLines } from './disk.ts'
import { readFormat } from './format.ts'
import { parseTime } from './iso-time.ts'
import type { Entry, SegmentHead } from './journal.ts'
import { decodeChange, decodeLogHead } from './log-lines.ts'
import { BadRow, decodeRow } from './row.ts'

/** What was found in a segment, apart from its entries. */
export interface SegmentReport {
  /** The end of the last valid line, in bytes. */
  readonly goodBytes: number
  /** The size of the file. */
  readonly bytes: number
  /** The number of damaged lines. */
  readonly badLines: number
  /** The number of lines of kinds that only a newer version knows. */
  readonly newerLines: number
  /** The size of an incomplete last line, as a crash leaves it; 0 without one. */
  readonly tornBytes: number
  /** Whether the last line says that the process stopped cleanly. */
  readonly closed: boolean
}

/**
 * Reads the head of a segment; `undefined` if it is damaged.
 *
 * @throws StoreUnusable for a newer major format, and errors of the disk
 */
export async function readHead(disk: Disk, path: string): Promise<SegmentHead | undefined> {
  for await (const block of wholeLines(disk, path)) {
    const json = jsonOf(block, 0, block.indexOf(NEWLINE) + 1)
    return json === undefined ? undefined : decodeHead(JSON.parse(json))
  }
  return undefined
}

/**
 * Reads a segment line by line, and calls `visit` for each line with a correct checksum. `written` is the
 * number of bytes that are known to have been durable. Invalid lines before it count as damaged.
 *
 * @throws errors of the disk
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
  let newerLines = 0
  let isNewer = false
  let tornBytes = 0
  let closed = false
  let first = true
  for await (const block of wholeLines(disk, path)) {
    forEachLine(block, (from, to) => {
      const start = bytes
      bytes += to - from
      const json = jsonOf(block, from, to)
      const value = json === undefined ? undefined : JSON.parse(json)
      if (first) isNewer = readFormat(value?.format) === 'newer'
      const isUnknown = isNewer && !first && value !== undefined && !isKnownKind(value)
      if (isUnknown) newerLines += 1
      const entry = first || isUnknown ? undefined : decodeEntry(value)
      if (value !== undefined && (first || isUnknown || entry)) {
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
  return { goodBytes, bytes, badLines, newerLines, tornBytes, closed }
}

const NEWLINE = 0x0a
const SPACE = 0x20
/** The length of the checksum and the space after it. */
const PREFIX_BYTES = 9

/** The JSON of the line between two offsets; `undefined` if the checksum is wrong. */
function jsonOf(block: Buffer, from: number, to: number): string | undefined {
  const end = block[to - 1] === NEWLINE ? to - 1 : to
  const start = from + PREFIX_BYTES
  if (end <= start || block[start - 1] !== SPACE) return undefined
  if (crc32(block.subarray(start, end)) !== hexNumber(block, from, start - 1)) return undefined
  return block.toString('utf8', start, end)
}

/** The value of hexadecimal digits in lower case; NaN for anything else. */
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

/** The keys that say which kind a line is. */
const KINDS = ['userId', 'change', 'log', 'forget', 'alive', 'closed'] as const

function isKnownKind(entry: unknown): boolean {
  return typeof entry !== 'object' || entry === null || KINDS.some(kind => kind in entry)
}

/** `undefined` for an entry that is not valid. */
function decodeEntry(entry: unknown): Entry | undefined {
  if (typeof entry !== 'object' || entry === null) return undefined
  if ('userId' in entry) return keepEntry(entry)
  if ('change' in entry) {
    const change = decodeChange(entry)
    return change && { kind: 'change', change }
  }
  if ('log' in entry) {
    const head = decodeLogHead(entry.log)
    return head && { kind: 'log', head }
  }
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
  if (typeof head !== 'object' || head === null || !('format' in head) || !readFormat(head.format))
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
