import { crc32 } from 'node:zlib'
import { type Disk, readWhole, reasonOf, wholeLines } from './disk.ts'
import { FORMAT, readFormat } from './format.ts'
import { isoTime, parseTime } from './iso-time.ts'
import { Records } from './records.ts'
import { decodeRow, encodeRow } from './row.ts'
import { SlicedWriter, type TimeSlices } from './sliced-writer.ts'
import { StoreUnusable, type UserRecord } from './store.ts'

/** The head of a snapshot. */
export interface SnapshotHead {
  /** When it was written: ms since the epoch, by the wall clock. */
  readonly savedAt: number
  /** See `Store.recordAlive`. */
  readonly knownTime: number | undefined
  /** See `SegmentHead.stateId`. */
  readonly stateId: string
  /** The first journal segment that may contain changes which are not in this snapshot. */
  readonly journal: number
}

/** The content of a state file. */
export interface Snapshot {
  readonly users: Records
  /** Absent in files of earlier versions and in imported files. */
  readonly stateId: string | undefined
  readonly savedAt: number | undefined
  readonly knownTime: number | undefined
  /** See `SnapshotHead.journal`. Absent in imported files. */
  readonly journal: number | undefined
  /**
   * `sealed`: it has a correct checksum. `by hand`: it was edited or imported, and `fingerprint` identifies
   * it.
   */
  readonly origin: { readonly kind: 'sealed' } | { readonly kind: 'by hand'; readonly fingerprint: string }
}

/** A state file can't be used. The message completes the sentence "user_state.json is damaged: …". */
export class SnapshotDamaged extends Error {
  override readonly name = 'SnapshotDamaged'
}

/**
 * Writes a snapshot: JSON with one user per line. The last line is the checksum of all bytes before it. When
 * it resolves, the content of the file is durable, but not yet its name. @throws errors of the disk
 */
export async function writeSnapshot(
  disk: Disk,
  path: string,
  head: SnapshotHead,
  users: Iterable<UserRecord>,
  slices: TimeSlices,
): Promise<void> {
  const writer = new SlicedWriter(await disk.create(path))
  try {
    await writer.write(body(head, users), slices)
    await writer.write([`"checksum": "${checksum(writer.crc)}"\n}\n`], slices)
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
 * Reads a state file: one with a checksum line by line, an edited or imported one as a whole.
 *
 * @throws SnapshotDamaged when it is incomplete or invalid, and errors of the disk
 */
export async function readSnapshot(disk: Disk, path: string): Promise<Snapshot> {
  return (
    (await readSealed(disk, path)) ?? readByHand(await readWhole(disk, path), await modifiedAt(disk, path))
  )
}

/** Reads a file of `writeSnapshot`; `undefined` if it has no checksum at the end. */
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
      badRow ??= `row ${rows}: ${reasonOf(error)}` // reported only if the checksum is correct
    }
  }
  if (head === undefined || seal === undefined) return undefined
  if (seal.trimEnd() !== `"checksum": "${checksum(crc)}"\n}`) {
    throw new SnapshotDamaged(
      'its checksum is wrong (if you edited the file, delete the line "checksum" and the comma before it)',
    )
  }
  if (badRow !== undefined) throw new SnapshotDamaged(badRow)
  return { users, ...parseHead(`${head}]}`), origin: { kind: 'sealed' } }
}

const HEAD_END = '"users": [\n'

/** The offset of the first line that starts with this text; -1 without one. */
function startOfLine(block: Buffer, text: string): number {
  if (block.toString('latin1', 0, text.length) === text) return 0
  const newline = block.indexOf(`\n${text}`)
  return newline < 0 ? -1 : newline + 1
}

/** Parses thousands of rows at once, which takes half as long as parsing them one by one. */
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
 * Reads a file without a checksum: one of ours that was edited, or the plain form that other tools write:
 * `{"<userId>": {"userId": …, "status": …, "lastSeen": …, "username": …}}`. If `lastSeen` is missing, the
 * user was last seen when the file was written, or earlier.
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
  if (bytes.length === 0) throw new SnapshotDamaged('the file is empty')
  let content: unknown
  try {
    // fatal: invalid UTF-8 would otherwise silently become other names.
    content = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (error) {
    throw new SnapshotDamaged(`it is not JSON (${reasonOf(error)})`)
  }
  if (typeof content === 'object' && content !== null && !Array.isArray(content)) return content
  throw new SnapshotDamaged('it must be a JSON object')
}

type ReadHead = Pick<Snapshot, 'journal' | 'stateId' | 'savedAt' | 'knownTime'>

const NO_HEAD: ReadHead = {
  journal: undefined,
  stateId: undefined,
  savedAt: undefined,
  knownTime: undefined,
}

/**
 * Reads only the head of a state file of `writeSnapshot`. `undefined` if it is another file, or its head is
 * damaged.
 *
 * @throws errors of the disk
 */
export async function readSnapshotHead(disk: Disk, path: string): Promise<ReadHead | undefined> {
  for await (const block of wholeLines(disk, path)) {
    const text = block.toString()
    const end = text.indexOf(HEAD_END)
    try {
      return end < 0 ? undefined : parseHead(`${text.slice(0, end + HEAD_END.length)}]}`)
    } catch (error) {
      if (error instanceof SnapshotDamaged || error instanceof StoreUnusable) return undefined
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
    throw new SnapshotDamaged(`in its head, ${reasonOf(error)}`)
  }
  return parseOurs(content).head
}

function parseOurs(content: object): { head: ReadHead; rows: unknown[] } {
  const { format, savedAt, knownTime, stateId, journal, users, ...rest }: Record<string, unknown> = {
    ...content,
  }
  const known = readFormat(format)
  if (!known) throw new SnapshotDamaged(`its "format" must be "${FORMAT}"`)
  if ('checksum' in rest) {
    throw new SnapshotDamaged(
      'it was reformatted, so its checksum can\'t be checked; delete the line "checksum" to accept the file as it is',
    )
  }
  const [unknownKey] = Object.keys(rest)
  if (unknownKey !== undefined && known === 'same')
    throw new SnapshotDamaged(`it has an unknown key ${JSON.stringify(unknownKey)}: remove it`)
  if (stateId !== undefined && typeof stateId !== 'string')
    throw new SnapshotDamaged('"stateId" must be a string')
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

/** `savedAt` is informative, so an invalid time in an edited file is ignored. */
function savedAtIn(value: unknown): number | undefined {
  if (value !== undefined && typeof value !== 'string')
    throw new SnapshotDamaged('"savedAt" must be a string')
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

/** The rows of the plain form. The key is the user id; a row may omit it. */
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
        throw new SnapshotDamaged(`"userId" ${JSON.stringify(record.userId)} occurs twice`)
      users.set(record)
    } catch (error) {
      throw new SnapshotDamaged(`${place}: ${reasonOf(error)}`)
    }
  }
  return users
}
