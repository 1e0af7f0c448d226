import { crc32 } from 'node:zlib'
import { type Disk, readWhole, reasonOf, wholeLines } from './disk.ts'
import { Records } from './records.ts'
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
  readonly users: Records
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
  return { users, journal: parseHead(`${head}]}`).journal, origin: { kind: 'sealed' } }
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
