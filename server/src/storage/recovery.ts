import { codeOf, type Disk, reasonOf, removeQuietly } from './disk.ts'
import { asidePath, type Files, isState, isTemporary, segmentNumber } from './files.ts'
import { type Entry, readHead, readSegment, type SegmentHead, type SegmentReport } from './journal.ts'
import type { StaleLock } from './lock.ts'
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
  /** The id of the state that was found; `undefined` where a new state begins. */
  readonly stateId: string | undefined
  /** The number for the next segment; no segment has it or a higher one. */
  readonly nextSegment: number
  /** The highest number of a segment that was found; 0 where there is none. */
  readonly highestSegment: number
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
  /** The lock of the last process if that crashed: its last line may be torn, and it names the newest segment. */
  readonly dead: StaleLock | undefined
}

/**
 * Reads the state: the main file and the segments after it; without a good main file the backup and the
 * segments after that, which are kept as long as it, so that nothing is lost; without either the journal
 * alone, if it goes back to an empty start. Changes no file before it has succeeded.
 *
 * @throws StoreDamaged
 */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { disk, files, log, dead } = options
  const names = await disk.list(files.directory)
  if (!names.some(isState)) return emptyStart(options)

  const listed = await listSegments(disk, files, names)
  const main = await readState(disk, files.main)
  const backup = main.state === 'good' ? undefined : await readState(disk, files.backup)
  const base = chooseBase(listed, main, backup)
  if (!base)
    throw new StoreDamaged(
      `${whatIsWrong(files, main, backup)}, and the journal does not go back to the beginning. ${WHAT_TO_DO}`,
    )

  const { segments, strays, stateId } = sortOut(listed, base, dead)
  const chain = segments.filter(segment => segment.journal >= base.needs)
  const { users, damaged, gaps, lastSegment } = await replay(options, base, chain)
  const problems = [...strays, ...damaged, ...newestIsMissing(listed, stateId, dead)]
  if (problems.length > 0 && users.size === 0) {
    throw new StoreDamaged(
      `The journal in ${files.directory} is damaged so that nobody is left: ${problems.map(found => found.problem).join('; ')}. ${WHAT_TO_DO}`,
    )
  }

  await removeTemporaries(disk, files, names)
  await moveDamagedAside(options, names, main, backup, problems)
  for (const gap of gaps) log.error(gap)
  if (base.origin === 'by hand')
    log.info('the state file has no checksum: accepted as edited or imported by hand', { file: base.name })
  log.info('state loaded', { users: users.size, from: base.name, journalSegments: chain.length })
  const highestSegment = listed.findLast(({ head, isCopy }) => head !== undefined && !isCopy)?.journal ?? 0
  return {
    users,
    stateId,
    nextSegment: Math.max(base.needs, 1 + highestOf(listed), 1 + (dead?.newest?.segment ?? 0)),
    highestSegment,
    lastSegment,
    imported: base.fingerprint,
    mainNeeds: main.state === 'good' ? base.needs : undefined,
    backupNeeds: base.needs,
    impaired: base.impaired || problems.length > 0,
  }
}

/**
 * Nothing is there. That is right for a new directory, and after a crash of a process that had written nothing yet;
 * not where a lock says that there was something.
 */
function emptyStart({ files, dead }: RecoveryOptions): Recovered {
  if (dead && (dead.newest || !dead.isReadable)) {
    const had = dead.newest
      ? `${files.lock} says that a server which did not stop in good order had stored its state here (journal segment ${dead.newest.segment})`
      : `${files.lock} is damaged, so it is not known whether there was any`
    throw new StoreDamaged(
      `There is no state file in ${files.directory}, but ${had}. Nothing was changed. Put the files whose names begin with "user_state" back, or delete ${files.lock} to start with nobody.`,
    )
  }
  return {
    users: new Records(),
    stateId: undefined,
    nextSegment: 1,
    highestSegment: 0,
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
  /** Whether its head has another number: it is a copy of that segment, or was renamed. */
  readonly isCopy: boolean
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
    segments.push({ journal, path, head, isCopy: head !== undefined && head.journal !== journal })
  }
  return segments
}

/** A number above this can't have been reached by counting; it would only use up the digits of file names. */
const HIGHEST_PLAUSIBLE = 1e12

function highestOf(segments: readonly SegmentFile[]): number {
  const counted = segments.filter(({ journal, isCopy }) => !isCopy && journal < HIGHEST_PLAUSIBLE)
  return counted.at(-1)?.journal ?? 0
}

interface SortedOut {
  /** Those that belong to the state, in their order. One with a damaged head is among them, and is not read. */
  readonly segments: readonly SegmentFile[]
  /** Those that must not be laid upon it. */
  readonly strays: readonly DamagedSegment[]
  readonly stateId: string | undefined
}

/**
 * Tells the segments of this state from files that only have such a name. Rows say what a user is, not what to
 * change, so a segment in the wrong place would set its users back to what they were long ago.
 */
function sortOut(listed: readonly SegmentFile[], base: Base, dead: StaleLock | undefined): SortedOut {
  const inPlace = listed.filter(({ journal, isCopy }) => !isCopy && journal >= base.needs)
  const stateId =
    base.stateId ??
    (dead?.newest && inPlace.some(({ head }) => head?.stateId === dead.newest?.stateId)
      ? dead.newest.stateId
      : inPlace.find(({ head }) => head?.stateId !== undefined)?.head?.stateId)
  const segments: SegmentFile[] = []
  const strays: DamagedSegment[] = []
  for (const segment of listed) {
    const { journal, path, head, isCopy } = segment
    const isOther =
      head?.stateId === undefined
        ? base.stateId !== undefined && head !== undefined
        : head.stateId !== stateId
    const isNeeded = journal >= base.needs
    if (isCopy) {
      strays.push({
        journal,
        problem: `the file of segment ${journal} is a copy of segment ${head?.journal}: it is not read`,
        path,
        isRead: false,
      })
    } else if (isOther && isNeeded) {
      strays.push({
        journal,
        problem: `segment ${journal} belongs to another state than ${base.name}: it is not read`,
        path,
        isRead: false,
      })
    } else {
      segments.push(segment)
    }
  }
  return { segments, strays, stateId }
}

/** After a crash the lock tells which segment was the newest: without it the state would be older, and look whole. */
function newestIsMissing(
  listed: readonly SegmentFile[],
  stateId: string | undefined,
  dead: StaleLock | undefined,
): DamagedSegment[] {
  if (!dead?.newest) return []
  const { segment } = dead.newest
  const isThere = listed.some(({ journal, isCopy }) => journal >= segment && !isCopy)
  if (isThere && (stateId === undefined || dead.newest.stateId === stateId)) return []
  const problem = isThere
    ? `the lock names segment ${segment} of another state: these are not the files of the process that ran last`
    : `segment ${segment}, the newest of the process that ran last, is missing: what it had stored there is lost`
  return [{ journal: segment, problem, path: undefined, isRead: false }]
}

/** What the journal is laid upon. */
interface Base {
  readonly name: string
  readonly users: Records
  /** The state it belongs to, if it says so, or if the segment begun upon it does. */
  readonly stateId: string | undefined
  /** See `Records.knownTime`. */
  readonly knownTime: number | undefined
  /** The highest time in its head. */
  readonly savedAt: number | undefined
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

function chooseBase(listed: SegmentFile[], main: StateFile, backup: StateFile | undefined): Base | undefined {
  const segments = listed.filter(({ isCopy }) => !isCopy)
  if (main.state === 'good') return baseOf('user_state.json', main.snapshot, segments, false)
  if (backup?.state === 'good') return baseOf('user_state_backup.json', backup.snapshot, segments, true)
  const first = segments[0]?.head
  if (!first || first.imported !== undefined) return undefined
  if (first.journal !== 1 && first.after !== 'removal') return undefined
  return {
    name: 'the journal',
    users: new Records(),
    stateId: first.stateId,
    knownTime: undefined,
    savedAt: undefined,
    needs: first.journal,
    expectsSegment: true,
    origin: 'nothing',
    fingerprint: undefined,
    impaired: main.state === 'damaged' || backup?.state === 'damaged' || first.after === 'removal',
  }
}

function baseOf(name: string, snapshot: Snapshot, segments: SegmentFile[], impaired: boolean): Base {
  const { users, journal, origin, stateId, knownTime, savedAt } = snapshot
  const common = { name, users, knownTime, savedAt, impaired }
  if (origin.kind === 'sealed' || journal !== undefined) {
    const needs = journal ?? 1
    return { ...common, stateId, needs, expectsSegment: true, origin: origin.kind, fingerprint: undefined }
  }
  // A file from elsewhere doesn't know the journal, but the segments begun upon it know the file. The segments of the
  // state before it are not used: the operator who put the file there wanted another state.
  const { fingerprint } = origin
  const begun = segments.find(({ head }) => head?.imported === fingerprint)
  if (begun)
    return {
      ...common,
      stateId: begun.head?.stateId,
      needs: begun.journal,
      expectsSegment: true,
      origin: 'by hand',
      fingerprint: undefined,
    }
  const needs = highestOf(segments) + 1
  return { ...common, stateId: undefined, needs, expectsSegment: false, origin: 'by hand', fingerprint }
}

interface DamagedSegment {
  readonly journal: number
  readonly problem: string
  /** The file, where there is one. */
  readonly path: string | undefined
  /** Whether its good lines were read. What was not read is moved away; what was read has to stay. */
  readonly isRead: boolean
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
  const crashed = options.dead !== undefined
  const state = new State(base)
  const damaged: DamagedSegment[] = []
  const gaps: string[] = []
  let lastSegment: Replayed['lastSegment']

  if (base.expectsSegment && chain[0]?.journal !== base.needs) {
    damaged.push({
      journal: base.needs,
      problem: `segment ${base.needs} is missing: changes made after the file was saved are lost`,
      path: undefined,
      isRead: false,
    })
  }
  if (chain[0]?.head?.after === 'removal' && base.origin === 'nothing') {
    gaps.push(
      `the files were removed while the server ran, and it ended before it could save again: only what changed after that is known, from journal segment ${base.needs} on`,
    )
  }
  for (const [index, { journal, path, head }] of chain.entries()) {
    if (!head) {
      // Which segment it is can't be known, so what its lines say may be long out of date.
      damaged.push({
        journal,
        problem: `segment ${journal}: its head is damaged, so it is not read`,
        path,
        isRead: false,
      })
      continue
    }
    const problems = headProblems(head, chain[index - 1])
    const isFirst = index === 0
    if ((head.after === 'failure' || head.after === 'removal') && !isFirst) {
      gaps.push(`the disk failed before journal segment ${journal}: changes of that time are lost`)
    }
    if (head.after === 'start' || (!isFirst && head.after !== 'snapshot')) state.settle()
    const written = writtenBytes(chain, journal)
    const isLast = index === chain.length - 1
    try {
      const report = await readSegment(disk, path, written, entry => state.apply(entry))
      problems.push(...lineProblems(report, written, isLast && !crashed))
      lastSegment = { journal, bytes: report.goodBytes }
      if (isLast && report.tornBytes > 0 && crashed) {
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
      damaged.push({ journal, problem: `segment ${journal}: ${problems.join(', ')}`, path, isRead: true })
  }
  return { users: state.finish(), damaged, gaps, lastSegment }
}

function headProblems({ previous }: SegmentHead, before: SegmentFile | undefined): string[] {
  if (!before) return []
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
  #alive = Number.NEGATIVE_INFINITY
  /** The highest `knownTime` that was stored. */
  #knownTime: number | undefined
  /** The highest time of any kind. It stands in for `knownTime` in files of earlier versions. */
  #highest: number | undefined

  constructor({ users, knownTime, savedAt }: Base) {
    this.#users = users
    this.#knownTime = knownTime
    this.#highest = savedAt
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
        this.#time(entry.at, entry.knownTime)
        break
      case 'closed':
        this.#time(entry.at, entry.knownTime)
        break
    }
  }

  #time(at: number | undefined, knownTime: number | undefined): void {
    this.#highest = highest(this.#highest, at)
    this.#knownTime = highest(this.#knownTime, knownTime)
  }

  /** Whoever is live was so in the process before, or before a gap; from here they are silent until noted. */
  settle(): void {
    for (const record of this.#users) {
      if (record.session !== 'live') continue
      this.#users.set({ ...record, session: 'held', lastSeen: this.#seen(record) })
    }
    this.#alive = Number.NEGATIVE_INFINITY
  }

  /** The users at the end. Their times stay as they were stored: the clock of this start may be the one that is wrong. */
  finish(): Records {
    for (const record of this.#users) {
      const lastSeen = this.#seen(record)
      if (lastSeen !== record.lastSeen) this.#users.set({ ...record, lastSeen })
      this.#highest = highest(this.#highest, lastSeen)
    }
    this.#users.knownTime = this.#knownTime ?? this.#highest
    return this.#users
  }

  /** The last sign of life: a visible live user was alive as long as the process; a hidden one is shown as gone. */
  #seen({ session, status, lastSeen }: UserRecord): number {
    return session === 'live' && status !== 'offline' ? Math.max(lastSeen, this.#alive) : lastSeen
  }
}

function highest(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Math.max(a, b)
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
async function moveDamagedAside(
  { disk, files, log, now }: RecoveryOptions,
  names: readonly string[],
  main: StateFile,
  backup: StateFile | undefined,
  damaged: readonly DamagedSegment[],
): Promise<void> {
  if (main.state === 'damaged') {
    const kept = await keep(
      () => disk.rename(files.main, asidePath(files.main, now)),
      asidePath(files.main, now),
    )
    const standIn = backup?.state === 'good' ? 'the backup and the journal stand' : 'the journal stands'
    log.error(`user_state.json is damaged: ${main.problem}; ${standIn} in for it`, { kept })
  } else if (main.state === 'absent' && backup?.state === 'good') {
    log.error('user_state.json is missing; the backup and the journal stand in for it')
  }
  if (backup?.state === 'damaged') {
    const kept = await keep(
      () => disk.rename(files.backup, asidePath(files.backup, now)),
      asidePath(files.backup, now),
    )
    log.error(`user_state_backup.json is damaged: ${backup.problem}`, { kept })
  }
  for (const { problem, path, isRead } of damaged) {
    log.error(`the journal is damaged: ${problem}`, { kept: await keepSegment(path, isRead) })
  }

  async function keepSegment(path: string | undefined, isRead: boolean): Promise<string> {
    if (path === undefined) return 'no'
    if (!isRead) return keep(() => disk.rename(path, asidePath(path, now)), asidePath(path, now))
    const isKept = names.some(name => files.inDirectory(name).startsWith(`${path}.damaged-`))
    return isKept ? 'no' : keep(() => disk.link(path, asidePath(path, now)), asidePath(path, now))
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
