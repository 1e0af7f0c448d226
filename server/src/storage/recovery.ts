import { codeOf, type Disk, reasonOf, removeQuietly } from './disk.ts'
import { aside, type Files, isState, isTemporary, segmentNumber } from './files.ts'
import { type Entry, readHead, readSegment, type SegmentHead, type SegmentReport } from './journal.ts'
import { Records } from './records.ts'
import { readSnapshot, type Snapshot, SnapshotDamaged } from './snapshot.ts'
import { StoreDamaged, type UserRecord } from './store.ts'

/** Where the storage says what it found and did. */
export interface StoreLog {
  info(text: string, fields?: LogFields): void
  error(text: string, fields?: LogFields): void
}

export type LogFields = Readonly<Record<string, string | number | boolean>>

/** What an earlier process left, and what the next one has to know to go on from there. */
export interface Recovered {
  readonly users: Records
  /** The number for the next segment; no segment has it or a higher one. */
  readonly nextSegment: number
  /** The newest segment there is, and how much of it is good. */
  readonly lastSegment: SegmentHead['previous'] | undefined
  /** See {@link SegmentHead.imported}. */
  readonly imported: string | undefined
  /** The first segment the main file needs on top; undefined where there is no good main file. */
  readonly mainNeeds: number | undefined
  /** The first segment that what stands in for the main file needs: the backup, or an empty start. */
  readonly backupNeeds: number
  /** Whether a file or a line was lost, so that a new snapshot is due. */
  readonly impaired: boolean
}

export interface RecoveryOptions {
  readonly disk: Disk
  readonly files: Files
  readonly log: StoreLog
  readonly now: number
  /** Whether the last process went without letting go, so that its last line may be torn. */
  readonly crashed: boolean
}

/**
 * Reads the state: the main file and the segments after it; without a good main file the backup and the
 * segments after that, which are kept as long as it, so that nothing is lost; without either the journal
 * alone, if it goes back to an empty start. Changes no file before it has succeeded.
 *
 * @throws StoreDamaged
 */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { disk, files, log } = options
  const names = await disk.list(files.directory)
  if (!names.some(isState)) return emptyStart()

  const segments = await listSegments(disk, files, names)
  const main = await readState(disk, files.main)
  const backup = main.state === 'good' ? undefined : await readState(disk, files.backup)
  const base = chooseBase(segments, main, backup)
  if (!base)
    throw new StoreDamaged(
      `${whatIsWrong(files, main, backup)}, and the journal does not go back to the beginning. ${WHAT_TO_DO}`,
    )

  const chain = segments.filter(segment => segment.journal >= base.needs)
  const { users, damaged, gaps, lastSegment } = await replay(options, base, chain)
  if (damaged.length > 0 && users.size === 0) {
    throw new StoreDamaged(
      `The journal in ${files.directory} is damaged so that nobody is left: ${damaged.map(found => found.problem).join('; ')}. ${WHAT_TO_DO}`,
    )
  }

  await removeTemporaries(disk, files, names)
  await keepAside(options, names, main, backup, damaged)
  for (const gap of gaps) log.error(gap)
  if (base.origin === 'by hand')
    log.info('the state file has no checksum: accepted as edited or imported by hand', { file: base.name })
  log.info('state loaded', { users: users.size, from: base.name, journalSegments: chain.length })
  return {
    users,
    nextSegment: Math.max(base.needs, (segments.at(-1)?.journal ?? 0) + 1),
    lastSegment,
    imported: base.fingerprint,
    mainNeeds: main.state === 'good' ? base.needs : undefined,
    backupNeeds: base.needs,
    impaired: base.impaired || damaged.length > 0,
  }
}

function emptyStart(): Recovered {
  return {
    users: new Records(),
    nextSegment: 1,
    lastSegment: undefined,
    imported: undefined,
    mainNeeds: undefined,
    backupNeeds: 1,
    impaired: false,
  }
}

const WHAT_TO_DO =
  'Nothing was changed. Put a good copy of user_state.json there, or move all files whose names begin with "user_state" away to start with nobody.'

type StateFile =
  | { readonly state: 'good'; readonly snapshot: Snapshot }
  | { readonly state: 'absent' }
  | { readonly state: 'damaged'; readonly problem: string }

async function readState(disk: Disk, path: string): Promise<StateFile> {
  try {
    return { state: 'good', snapshot: await readSnapshot(disk, path) }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { state: 'absent' }
    if (error instanceof SnapshotDamaged || isBroken(error))
      return { state: 'damaged', problem: reasonOf(error) }
    throw error
  }
}

/** A directory in place of a file, or a disk that can't read it. Too many open files, say, is no damage. */
function isBroken(error: unknown): boolean {
  return codeOf(error) === 'EISDIR' || codeOf(error) === 'EIO'
}

interface SegmentFile {
  readonly journal: number
  readonly path: string
  /** Absent when it is damaged. */
  readonly head: SegmentHead | undefined
}

async function listSegments(disk: Disk, files: Files, names: string[]): Promise<SegmentFile[]> {
  const numbers = names.map(segmentNumber).filter(number => number !== undefined)
  const segments: SegmentFile[] = []
  for (const journal of numbers.sort((a, b) => a - b)) {
    const path = files.segment(journal)
    const head = await readHead(disk, path).catch(error => {
      if (isBroken(error)) return undefined
      throw error
    })
    segments.push({ journal, path, head: head?.journal === journal ? head : undefined })
  }
  return segments
}

/** What the journal is laid upon. */
interface Base {
  readonly name: string
  readonly users: Records
  /** The first segment to lay upon it. */
  readonly needs: number
  /** Whether that segment has to be there. */
  readonly expectsSegment: boolean
  readonly origin: 'sealed' | 'by hand' | 'nothing'
  /** What the first segment upon it has to name, if there is none yet and nothing else leads from it to that. */
  readonly fingerprint: string | undefined
  /** Whether it stands in for a file that is damaged or missing. */
  readonly impaired: boolean
}

function chooseBase(
  segments: SegmentFile[],
  main: StateFile,
  backup: StateFile | undefined,
): Base | undefined {
  if (main.state === 'good') return baseOf('user_state.json', main.snapshot, segments, false)
  if (backup?.state === 'good') return baseOf('user_state_backup.json', backup.snapshot, segments, true)
  const first = segments[0]?.head
  if (first?.journal !== 1 || first.imported !== undefined) return undefined
  return {
    name: 'the journal',
    users: new Records(),
    needs: 1,
    expectsSegment: true,
    origin: 'nothing',
    fingerprint: undefined,
    impaired: main.state === 'damaged' || backup?.state === 'damaged',
  }
}

function baseOf(name: string, snapshot: Snapshot, segments: SegmentFile[], impaired: boolean): Base {
  const { users, journal, origin } = snapshot
  if (origin.kind === 'sealed' || journal !== undefined) {
    const needs = journal ?? 1
    return { name, users, needs, expectsSegment: true, origin: origin.kind, fingerprint: undefined, impaired }
  }
  // A file from elsewhere doesn't know the journal, but the segments begun upon it know the file. Those of
  // the state before it are none of its business: whoever put it there wanted something else than that state.
  const { fingerprint } = origin
  const begun = segments.find(({ head }) => head?.imported === fingerprint)
  if (begun)
    return {
      name,
      users,
      needs: begun.journal,
      expectsSegment: true,
      origin: 'by hand',
      fingerprint: undefined,
      impaired,
    }
  const needs = (segments.at(-1)?.journal ?? 0) + 1
  return { name, users, needs, expectsSegment: false, origin: 'by hand', fingerprint, impaired }
}

interface DamagedSegment {
  readonly journal: number
  readonly problem: string
  /** The file, where there is one. */
  readonly path: string | undefined
}

interface Replayed {
  readonly users: Records
  readonly damaged: readonly DamagedSegment[]
  /** Where a process could not write for a while, which no file is to blame for. */
  readonly gaps: readonly string[]
  readonly lastSegment: SegmentHead['previous']
}

/** Lays the segments upon the base, in their order, and finds what is missing in them. */
async function replay(
  options: RecoveryOptions,
  base: Base,
  chain: readonly SegmentFile[],
): Promise<Replayed> {
  const { disk, log } = options
  const state = new State(base.users, options.now)
  const damaged: DamagedSegment[] = []
  const gaps: string[] = []
  let lastSegment: Replayed['lastSegment']

  if (base.expectsSegment && chain[0]?.journal !== base.needs) {
    damaged.push({
      journal: base.needs,
      problem: `segment ${base.needs} is missing: changes made after the file was saved are lost`,
      path: undefined,
    })
  }
  for (const [index, { journal, path, head }] of chain.entries()) {
    const problems = headProblems(head, chain[index - 1])
    if (head?.after === 'failure' && index > 0) {
      gaps.push(`the disk failed before journal segment ${journal}: changes of that time are lost`)
    }
    if (head?.after === 'start' || (index > 0 && head?.after !== 'snapshot')) state.settle()
    const written = writtenBytes(chain, journal)
    const isLast = index === chain.length - 1
    try {
      const report = await readSegment(disk, path, written, entry => state.apply(entry))
      problems.push(...lineProblems(report, written, isLast && !options.crashed))
      lastSegment = { journal, bytes: report.goodBytes }
      if (isLast && report.tornBytes > 0 && options.crashed) {
        log.info('the last line of the journal was cut off by the crash', {
          segment: journal,
          bytes: report.tornBytes,
        })
      }
    } catch (error) {
      if (!isBroken(error)) throw error
      problems.push(`it can't be read (${reasonOf(error)})`)
      lastSegment = undefined
    }
    if (problems.length > 0)
      damaged.push({ journal, problem: `segment ${journal}: ${problems.join(', ')}`, path })
  }
  return { users: state.finish(), damaged, gaps, lastSegment }
}

function headProblems(head: SegmentHead | undefined, before: SegmentFile | undefined): string[] {
  if (!head) return ['its head is damaged']
  if (!before) return []
  const { previous } = head
  if (!previous || previous.journal > before.journal) return ['a segment before it is missing']
  return []
}

/** How many bytes of a segment were durable when the next one was begun. */
function writtenBytes(chain: readonly SegmentFile[], journal: number): number | undefined {
  const next = chain.findLast(({ head }) => head?.previous?.journal === journal)
  return next?.head?.previous?.bytes
}

function lineProblems(report: SegmentReport, written: number | undefined, mustBeClosed: boolean): string[] {
  const problems: string[] = []
  if (report.badLines > 0) problems.push(`${report.badLines} damaged lines are lost`)
  if (written !== undefined && report.bytes < written)
    problems.push(`${written - report.bytes} bytes at its end are missing`)
  if (mustBeClosed && !report.closed)
    problems.push('its end is missing though the process before let go in good order')
  return problems
}

/** The users as the journal tells of them, line by line. */
class State {
  readonly #users: Records
  readonly #now: number
  #alive = Number.NEGATIVE_INFINITY

  constructor(users: Records, now: number) {
    this.#users = users
    this.#now = now
  }

  apply(entry: Entry): void {
    switch (entry.kind) {
      case 'keep':
        this.#users.set(entry.record)
        break
      case 'forget':
        this.#users.delete(entry.userId)
        break
      case 'alive':
        this.#alive = Math.max(this.#alive, entry.at)
        break
      case 'closed':
        break
    }
  }

  /** Whoever is live was so in the process before, or before a gap; from here they are silent until noted. */
  settle(): void {
    for (const record of this.#users) {
      if (record.session !== 'live') continue
      this.#users.set({ ...record, session: 'held', lastSeen: this.#seen(record) })
    }
    this.#alive = Number.NEGATIVE_INFINITY
  }

  finish(): Records {
    for (const record of this.#users) {
      const lastSeen = Math.min(this.#seen(record), this.#now) // a clock that was ahead is no news from the future
      if (lastSeen !== record.lastSeen) this.#users.set({ ...record, lastSeen })
    }
    return this.#users
  }

  /** The last sign of life: a visible live user lived as long as the process; a hidden one is told to be gone. */
  #seen({ session, status, lastSeen }: UserRecord): number {
    return session === 'live' && status !== 'offline' ? Math.max(lastSeen, this.#alive) : lastSeen
  }
}

function whatIsWrong(files: Files, main: StateFile, backup: StateFile | undefined): string {
  return `The state in ${files.directory} can't be read: user_state.json ${wrong(main)}; user_state_backup.json ${wrong(backup)}`
}

function wrong(file: StateFile | undefined): string {
  return file?.state === 'damaged' ? `is damaged: ${file.problem}` : 'is missing'
}

async function removeTemporaries(disk: Disk, files: Files, names: readonly string[]): Promise<void> {
  for (const name of names.filter(isTemporary)) await removeQuietly(disk, files.inDirectory(name))
}

/** Keeps what is damaged for whoever wants to look into it, and says so, in one line a file. */
async function keepAside(
  { disk, files, log, now }: RecoveryOptions,
  names: readonly string[],
  main: StateFile,
  backup: StateFile | undefined,
  damaged: readonly DamagedSegment[],
): Promise<void> {
  if (main.state === 'damaged') {
    const kept = await keep(() => disk.rename(files.main, aside(files.main, now)), aside(files.main, now))
    const standIn = backup?.state === 'good' ? 'the backup and the journal stand' : 'the journal stands'
    log.error(`user_state.json is damaged: ${main.problem}; ${standIn} in for it`, { kept })
  } else if (main.state === 'absent' && backup?.state === 'good') {
    log.error('user_state.json is missing; the backup and the journal stand in for it')
  }
  if (backup?.state === 'damaged') {
    const kept = await keep(
      () => disk.rename(files.backup, aside(files.backup, now)),
      aside(files.backup, now),
    )
    log.error(`user_state_backup.json is damaged: ${backup.problem}`, { kept })
  }
  for (const { problem, path } of damaged) {
    const isKept =
      path === undefined || names.some(name => files.inDirectory(name).startsWith(`${path}.damaged-`))
    const kept = isKept ? 'no' : await keep(() => disk.link(path, aside(path, now)), aside(path, now))
    log.error(`the journal is damaged: ${problem}`, { kept })
  }
}

async function keep(act: () => Promise<void>, path: string): Promise<string> {
  try {
    await act()
    return path
  } catch (error) {
    return `no (${reasonOf(error)})`
  }
}
