import { crc32 } from 'node:zlib'
import type { UserId } from '@who-is-online/protocol/words'
import { type Disk, forEachLine, readWhole, reasonOf, wholeLines } from './disk.ts'
import { decodeRow, encodeRow } from './row.ts'
import { type Pace, SlicedWriter } from './slices.ts'
import type { UserRecord } from './store.ts'
import { isoTime } from './time.ts'

/** Stands in every file: a later version that writes otherwise has another number and reads this one too. */
export const FORMAT = 'who-is-online/1'

/** What a snapshot says of itself. */
export interface SnapshotHead {
  readonly savedAt: number
  /** The first journal segment that may hold something this snapshot does not. */
  readonly journal: number
}

/** A state file as it was read. */
export interface Snapshot {
  readonly users: Map<UserId, UserRecord>
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
  yield `{\n"format": "${FORMAT}",\n"savedAt": "${isoTime(head.savedAt)}",\n"journal": ${head.journal},\n"users": [\n`
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
  const users = new Map<UserId, UserRecord>()
  let part: 'head' | 'rows' | 'seal' | 'foreign' = 'head'
  let head = ''
  let seal = ''
  let crc = 0
  let rows = 0
  let badRow: string | undefined

  const visit = (line: Buffer): void => {
    if (part !== 'seal' && line.toString('latin1', 0, 10) === '"checksum"') part = 'seal'
    if (part === 'seal') {
      seal += line.toString('latin1')
      return
    }
    crc = crc32(line, crc)
    if (part === 'head') {
      head += line.toString()
      if (head.endsWith('"users": [\n')) part = 'rows'
      else if (head.length > MAX_HEAD_CHARS) part = 'foreign'
    } else if (part === 'rows' && line[0] === OPENING_BRACE) {
      rows += 1
      try {
        const record = decodeRow(parseRow(line))
        users.set(record.userId, record)
      } catch (error) {
        badRow ??= `row ${rows}: ${reasonOf(error)}`
      }
    }
  }

  for await (const block of wholeLines(disk, path)) {
    forEachLine(block, visit)
    if (isForeign(part)) return undefined
  }
  if (seal === '') return undefined
  if (seal.trimEnd() !== `"checksum": "${checksum(crc)}"\n}`) {
    throw new SnapshotDamaged(
      'its checksum is wrong (if you edited it by hand, delete the line "checksum" and the comma before it)',
    )
  }
  if (badRow !== undefined) throw new SnapshotDamaged(badRow)
  return { users, journal: parseHead(`${head}]}`).journal, origin: { kind: 'sealed' } }
}

/** Longer than any head of ours, much shorter than a foreign file worth streaming. */
const MAX_HEAD_CHARS = 1024
const OPENING_BRACE = 0x7b

/** A row of a snapshot, with or without the comma and newline after it. */
function parseRow(line: Buffer): unknown {
  let end = line.length
  if (line[end - 1] === 0x0a) end -= 1
  if (line[end - 1] === 0x2c) end -= 1
  return JSON.parse(line.toString('utf8', 0, end))
}

/** Keeps the compiler from believing that a closure never assigns. */
function isForeign(part: string): boolean {
  return part === 'foreign'
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
    const { journal, rows } = parseOurs(content)
    return { users: decodeRows(numbered(rows), writtenAt), journal, origin }
  }
  return { users: decodeRows(keyed(content), writtenAt), journal: undefined, origin }
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

function parseHead(text: string): { journal: number | undefined } {
  let content: object
  try {
    content = parseText(Buffer.from(text))
  } catch (error) {
    throw new SnapshotDamaged(`its head: ${reasonOf(error)}`)
  }
  return parseOurs(content)
}

function parseOurs(content: object): { journal: number | undefined; rows: unknown[] } {
  const { format, savedAt, journal, users, ...rest }: Record<string, unknown> = { ...content }
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
  if (savedAt !== undefined && typeof savedAt !== 'string')
    throw new SnapshotDamaged('"savedAt" must be a time')
  if (!Array.isArray(users)) throw new SnapshotDamaged('"users" must be a list')
  if (journal === undefined) return { journal: undefined, rows: users }
  if (typeof journal === 'number' && Number.isSafeInteger(journal) && journal >= 1)
    return { journal, rows: users }
  throw new SnapshotDamaged('"journal" must be the number of a journal segment')
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

function decodeRows(
  rows: Iterable<readonly [place: string, row: unknown]>,
  unknownTime: number,
): Map<UserId, UserRecord> {
  const users = new Map<UserId, UserRecord>()
  for (const [place, row] of rows) {
    try {
      const record = decodeRow(row, unknownTime)
      if (users.has(record.userId))
        throw new SnapshotDamaged(`"userId" ${JSON.stringify(record.userId)} is there twice`)
      users.set(record.userId, record)
    } catch (error) {
      throw new SnapshotDamaged(`${place}: ${reasonOf(error)}`)
    }
  }
  return users
}
