import { crc32 } from 'node:zlib'
import { type Disk, readWhole, reasonOf, wholeLines } from './disk.ts'
import { isoTime, parseTime } from './iso-time.ts'
import { Records } from './records.ts'
import { decodeRow, encodeRow } from './row.ts'
import { type Pace, SlicedWriter } from './sliced-writer.ts'
import type { UserRecord } from './store.ts'

/** Stands in every file: a later version that writes otherwise has another number and reads this one too. */
export const FORMAT = 'who-is-online/1'

/** What a snapshot says about itself. */
export interface SnapshotHead {
  /** Ms since the epoch, by the wall clock. */
  readonly savedAt: number
  /** See `Store.alive`. */
  readonly knownTime: number | undefined
  /** See `SegmentHead.stateId`. */
  readonly stateId: string
  /** The first journal segment that may hold something this snapshot does not. */
  readonly journal: number
}

/** A state file as it was read. */
export interface Snapshot {
  readonly users: Records
  /** Absent in files of earlier versions, and in those that are not ours. */
  readonly stateId: string | undefined
  readonly savedAt: number | undefined
  readonly knownTime: number | undefined
  /** Unknown in a file that is not ours. */
  readonly journal: number | undefined
  /** `sealed` by a checksum; otherwise somebody edited or imported it, and `fingerprint` tells it from others. */
  readonly origin: { readonly kind: 'sealed' } | { readonly kind: 'by hand'; readonly fingerprint: string }
}

/** A state file can't be used. The message says why. */
export class SnapshotDamaged extends Error {
  override readonly name = 'SnapshotDamaged'
}

/**
 * Writes a snapshot: JSON for people and tools, one user a line, and sealed: the last line carries the
 * checksum of all bytes before it. When it returns, the file is whole and durable; its name is not yet.
 */
export async function writeSnapshot(
  disk: Disk,
  path: string,
  head: SnapshotHead,
  users: Iterable<UserRecord>,
  pace: Pace,
): Promise<void> {
  const writer = new SlicedWriter(await disk.create(path))
  try {
    await writer.write(body(head, users), pace)
    await writer.write([`"checksum": "${checksum(writer.crc)}"\n}\n`], pace)
    await writer.sync()
  } finally {
    await writer.close()
  }
}

function* body(head: SnapshotHead, users: Iterable<UserRecord>): Generator<string> {
  yield `{\n"format": "${FORMAT}",\n"savedAt": "${isoTime(head.savedAt)}",\n`
  if (head.knownTime !== undefined) yield `"knownTime": "${isoTime(head.knownTime)}",\n`
  yield `"stateId": "${head.stateId}",\n"journal": ${head.journal},\n"users": [\n`
  let separator = ''
  for (const user of users) {
    yield separator + encodeRow(user)
    separator = ',\n'
  }
  yield '\n],\n'
}

/**
 * Reads a state file: one of ours, line by line, or what somebody edited or imported, as a whole.
 *
 * @throws SnapshotDamaged when it is not all there or not valid, and what the disk throws.
 */
export async function readSnapshot(disk: Disk, path: string): Promise<Snapshot> {
  return (
    (await readSealed(disk, path)) ?? readByHand(await readWhole(disk, path), await modifiedAt(disk, path))
  )
}

/** Reads a file as `writeSnapshot` makes it; `undefined` when it has no checksum where that would stand. */
async function readSealed(disk: Disk, path: string): Promise<Snapshot | undefined> {
  const users = new Records()
  let head: string | undefined
  let seal: string | undefined
  let crc = 0
  let rows = 0
  let badRow: string | undefined

  for await (const block of wholeLines(disk, path)) {
    if (seal !== undefined) {
      seal += block.toString()
      continue
    }
    const sealAt = startOfLine(block, '"checksum"')
    const body = sealAt < 0 ? block : block.subarray(0, sealAt)
    if (sealAt >= 0) seal = block.toString('utf8', sealAt)
    crc = crc32(body, crc)
    let text = body.toString()
    if (head === undefined) {
      const headEnd = text.indexOf(HEAD_END)
      if (headEnd < 0) return undefined
      head = text.slice(0, headEnd + HEAD_END.length)
      text = text.slice(head.length)
    }
    try {
      for (const row of parseRows(text)) {
        rows += 1
        const record = decodeRow(row)
        users.set(record)
      }
    } catch (error) {
      badRow ??= `row ${rows}: ${reasonOf(error)}` // whether it or the whole file is at fault, the checksum tells
    }
  }
  if (head === undefined || seal === undefined) return undefined
  if (seal.trimEnd() !== `"checksum": "${checksum(crc)}"\n}`) {
    throw new SnapshotDamaged(
      'its checksum is wrong (if you edited it by hand, delete the line "checksum" and the comma before it)',
    )
  }
  if (badRow !== undefined) throw new SnapshotDamaged(badRow)
  return { users, ...parseHead(`${head}]}`), origin: { kind: 'sealed' } }
}

const HEAD_END = '"users": [\n'

/** Where a line begins with this text; -1 when none does. */
function startOfLine(block: Buffer, text: string): number {
  if (block.toString('latin1', 0, text.length) === text) return 0
  const newline = block.indexOf(`\n${text}`)
  return newline < 0 ? -1 : newline + 1
}

/** Parsing thousands of rows at once takes half the time of one by one. */
function parseRows(text: string): unknown[] {
  let end = text.endsWith('],\n') ? text.length - '],\n'.length : text.length
  while (text[end - 1] === '\n' || text[end - 1] === ',') end -= 1
  return JSON.parse(`[${text.slice(0, end)}]`)
}

function checksum(crc: number): string {
  return `crc32:${crc.toString(16).padStart(8, '0')}`
}

async function modifiedAt(disk: Disk, path: string): Promise<number> {
  const file = await disk.open(path)
  try {
    return await file.modifiedAt()
  } finally {
    await file.close()
  }
}

/**
 * Reads a file without a checksum: one of ours that somebody edited, or the plain form that other tools
 * write: `{"<userId>": {"userId": …, "status": …, "lastSeen": …, "username": …}}`. Whose `lastSeen` is not
 * known was last seen when the file was written, or before.
 */
function readByHand(bytes: Buffer, writtenAt: number): Snapshot {
  const origin = { kind: 'by hand', fingerprint: checksum(crc32(bytes)) } as const
  const content = parseText(bytes)
  if ('format' in content && typeof content.format === 'string') {
    const { rows, head } = parseOurs(content)
    return { users: decodeRows(numbered(rows), writtenAt), ...head, origin }
  }
  return { users: decodeRows(keyed(content), writtenAt), ...NO_HEAD, origin }
}

function parseText(bytes: Buffer): object {
  if (bytes.length === 0) throw new SnapshotDamaged('it is empty')
  let content: unknown
  try {
    // Fatal: bytes that are no UTF-8 would otherwise become other names.
    content = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new SnapshotDamaged(`it is no JSON (${reasonOf(error)})`)
  }
  if (typeof content === 'object' && content !== null && !Array.isArray(content)) return content
  throw new SnapshotDamaged('it holds no JSON object')
}

type ReadHead = Pick<Snapshot, 'journal' | 'stateId' | 'savedAt' | 'knownTime'>

const NO_HEAD: ReadHead = {
  journal: undefined,
  stateId: undefined,
  savedAt: undefined,
  knownTime: undefined,
}

/** Reads only the head of a sealed state file. `undefined` where it is not one of ours, or is damaged. */
export async function readSnapshotHead(disk: Disk, path: string): Promise<ReadHead | undefined> {
  for await (const block of wholeLines(disk, path)) {
    const text = block.toString()
    const end = text.indexOf(HEAD_END)
    try {
      return end < 0 ? undefined : parseHead(`${text.slice(0, end + HEAD_END.length)}]}`)
    } catch (error) {
      if (error instanceof SnapshotDamaged) return undefined
      throw error
    }
  }
  return undefined
}

function parseHead(text: string): ReadHead {
  let content: object
  try {
    content = parseText(Buffer.from(text))
  } catch (error) {
    throw new SnapshotDamaged(`its head: ${reasonOf(error)}`)
  }
  return parseOurs(content).head
}

function parseOurs(content: object): { head: ReadHead; rows: unknown[] } {
  const { format, savedAt, knownTime, stateId, journal, users, ...rest }: Record<string, unknown> = {
    ...content,
  }
  if (format !== FORMAT)
    throw new SnapshotDamaged(`its format is not "${FORMAT}"; a newer version may have written it`)
  if ('checksum' in rest) {
    throw new SnapshotDamaged(
      'it was reformatted and its checksum can\'t be right; delete the line "checksum" to accept it as it is',
    )
  }
  const [unknownKey] = Object.keys(rest)
  if (unknownKey !== undefined)
    throw new SnapshotDamaged(`it has an unknown key ${JSON.stringify(unknownKey)}`)
  if (stateId !== undefined && typeof stateId !== 'string')
    throw new SnapshotDamaged('"stateId" must be a text')
  if (!Array.isArray(users)) throw new SnapshotDamaged('"users" must be a list')
  const head = {
    journal: journalIn(journal),
    stateId,
    savedAt: savedAtIn(savedAt),
    knownTime: knownTimeIn(knownTime),
  }
  return { head, rows: users }
}

function journalIn(value: unknown): number | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value
  throw new SnapshotDamaged('"journal" must be the number of a journal segment')
}

/** It is only for people and for old files, so what somebody wrote there by hand does not make the file unusable. */
function savedAtIn(value: unknown): number | undefined {
  if (value !== undefined && typeof value !== 'string') throw new SnapshotDamaged('"savedAt" must be a time')
  const time = value === undefined ? Number.NaN : parseTime(value)
  return Number.isNaN(time) ? undefined : time
}

function knownTimeIn(value: unknown): number | undefined {
  if (value === undefined) return undefined
  const time = typeof value === 'string' ? parseTime(value) : Number.NaN
  if (!Number.isNaN(time)) return time
  throw new SnapshotDamaged('"knownTime" must be a time such as "2026-11-24T06:10:00.000Z"')
}

function* numbered(rows: unknown[]): Generator<readonly [place: string, row: unknown]> {
  for (const [index, row] of rows.entries()) yield [`row ${index + 1}`, row]
}

/** The plain form: the key is the user id, and a row that leaves it out takes it from there. */
function* keyed(content: object): Generator<readonly [place: string, row: unknown]> {
  for (const [key, row] of Object.entries(content)) {
    const place = `user ${JSON.stringify(key)}`
    if (typeof row !== 'object' || row === null || Array.isArray(row))
      throw new SnapshotDamaged(`${place}: must be an object`)
    const withId = { userId: key, ...row }
    if (withId.userId !== key) throw new SnapshotDamaged(`${place}: "userId" must be the same as the key`)
    yield [place, withId]
  }
}

function decodeRows(rows: Iterable<readonly [place: string, row: unknown]>, unknownTime: number): Records {
  const users = new Records()
  for (const [place, row] of rows) {
    try {
      const record = decodeRow(row, unknownTime)
      if (users.get(record.userId))
        throw new SnapshotDamaged(`"userId" ${JSON.stringify(record.userId)} is there twice`)
      users.set(record)
    } catch (error) {
      throw new SnapshotDamaged(`${place}: ${reasonOf(error)}`)
    }
  }
  return users
}
