import { codeOf, type Disk, NotAFile, reasonOf, removeQuietly } from './disk.ts'
import { asidePath, type Files, isState, isTemporary } from './files.ts'
import type { SegmentHead } from './journal.ts'
import type { StaleLock } from './lock.ts'
import type { LogSegment } from './log-replay.ts'
import { Records } from './records.ts'
import { type ReplayBase, replay } from './replay.ts'
import {
  type DamagedSegment,
  findMissingNewest,
  highestSegment,
  isUnreadable,
  listSegments,
  namedSegment,
  type SegmentFile,
  sortSegments,
} from './segment-files.ts'
import { readSnapshot, type Snapshot, SnapshotDamaged } from './snapshot.ts'
import { StoreDamaged } from './store.ts'
import type { StoreLog } from './store-log.ts'

/** What an earlier process left, and what the next one needs to continue. */
export interface Recovered {
  readonly users: Records
  /** The id of the state; `undefined` if a new state begins. */
  readonly stateId: string | undefined
  /** The number of the next segment. It is higher than that of every existing segment. */
  readonly nextSegment: number
  /** The highest number of an existing segment; 0 without segments. */
  readonly highestSegment: number
  /** The newest segment, and how many of its bytes are valid. */
  readonly lastSegment: SegmentHead['previous'] | undefined
  /** See {@link SegmentHead.imported}. */
  readonly imported: string | undefined
  /** The first segment that the main file needs; `undefined` if there is no valid main file. */
  readonly mainNeeds: number | undefined
  /** The first segment needed by what replaces the main file: the backup, or an empty start. */
  readonly backupNeeds: number
  /** Whether a file or a line was lost, so that a new snapshot is due. */
  readonly isImpaired: boolean
  /** The segments with the parts of the log of changes. */
  readonly logSegments: readonly LogSegment[]
}

/** What {@link recover} needs. `now` is the wall clock in ms since the epoch. */
export interface RecoveryOptions {
  readonly disk: Disk
  readonly files: Files
  readonly log: StoreLog
  readonly now: number
  /**
   * The lock of the last process if that crashed. It names the newest segment, whose last line may be
   * incomplete.
   */
  readonly staleLock: StaleLock | undefined
}

/**
 * Reads the state: the main file and the segments after it. Without a valid main file, it reads the backup
 * and the segments after that, which are kept as long as the backup, so nothing is lost. Without either, it
 * reads the journal alone, if that goes back to an empty start. It changes no file until it has succeeded.
 *
 * @throws StoreDamaged when nothing readable is left of what was stored, and errors of the disk
 */
export async function recover(options: RecoveryOptions): Promise<Recovered> {
  const { disk, files, log, staleLock } = options
  const names = await disk.list(files.directory)
  if (!names.some(isState)) return emptyStart(options)

  const listed = await listSegments(disk, files, names)
  const main = await readState(disk, files.main)
  const backup = main.state === 'valid' ? undefined : await readState(disk, files.backup)
  const base = chooseBase(listed, main, backup)
  if (!base)
    throw new StoreDamaged(
      `The state in ${files.directory} can't be read: user_state.json ${describeState(main)}; user_state_backup.json ${describeState(backup)}, and the journal does not go back to the beginning. ${WHAT_TO_DO}`,
    )

  const { segments, foreign, stateId } = sortSegments(listed, base, staleLock)
  const needed = segments.filter(segment => segment.journal >= base.needs)
  const logOnly = segments.filter(({ journal, head }) => journal < base.needs && head?.stateId === stateId)
  const { users, damaged, gaps, lastSegment, ...replayed } = await replay(
    { disk, log, hasCrashed: staleLock !== undefined },
    base,
    needed,
    logOnly,
  )
  const problems = [...foreign, ...damaged, ...findMissingNewest(listed, stateId, staleLock)]
  if (problems.length > 0 && users.size === 0) {
    throw new StoreDamaged(
      `The journal in ${files.directory} is damaged, and no user is left: ${problems.map(found => found.problem).join('; ')}. ${WHAT_TO_DO}`,
    )
  }

  const isImpaired = base.isImpaired || problems.length > 0
  // What is told of the log must fit to the users: they may be older than it.
  users.log = isImpaired ? undefined : replayed.log

  await removeTemporaryFiles(disk, files, names)
  await moveDamagedAside(options, names, main, backup, problems)
  for (const gap of gaps) log.error(gap)
  if (base.origin === 'by hand')
    log.info('the state file has no checksum: it is accepted as edited or imported', { file: base.name })
  log.info('state loaded', { users: users.size, from: base.name, journalSegments: needed.length })
  return {
    users,
    stateId,
    nextSegment: Math.max(base.needs, 1 + highestSegment(listed), 1 + namedSegment(staleLock)),
    highestSegment: listed.findLast(({ head, isCopy }) => head !== undefined && !isCopy)?.journal ?? 0,
    lastSegment,
    imported: base.fingerprint,
    mainNeeds: main.state === 'valid' ? base.needs : undefined,
    backupNeeds: base.needs,
    isImpaired,
    logSegments: isImpaired ? [] : replayed.logSegments,
  }
}

/**
 * There is no state file. That is valid for a new directory, and after a crash of a process that had written
 * nothing yet. It is an error if a stale lock shows that there was state.
 */
function emptyStart({ files, staleLock }: RecoveryOptions): Recovered {
  if (staleLock && (staleLock.newest || !staleLock.isReadable)) {
    const evidence = staleLock.newest
      ? `${files.lock} shows that a server which did not stop cleanly had stored its state here (journal segment ${staleLock.newest.segment})`
      : `${files.lock} is damaged, so it is not known whether there was one`
    throw new StoreDamaged(
      `There is no state file in ${files.directory}, but ${evidence}. Nothing was changed. Restore the files whose names begin with "user_state", or delete ${files.lock} to start with an empty state.`,
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
    isImpaired: false,
    logSegments: [],
  }
}

const WHAT_TO_DO =
  'Nothing was changed. Restore a valid copy of user_state.json, or move all files whose names begin with "user_state" away to start with an empty state.'

type StateFile =
  | { readonly state: 'valid'; readonly snapshot: Snapshot }
  | { readonly state: 'absent' }
  | { readonly state: 'damaged'; readonly problem: string }

async function readState(disk: Disk, path: string): Promise<StateFile> {
  try {
    return { state: 'valid', snapshot: await readSnapshot(disk, path) }
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return { state: 'absent' }
    if (error instanceof NotAFile) return { state: 'damaged', problem: `it is ${error.kind}, not a file` }
    if (error instanceof SnapshotDamaged || isUnreadable(error))
      return { state: 'damaged', problem: reasonOf(error) }
    throw error
  }
}

function describeState(file: StateFile | undefined): string {
  return file?.state === 'damaged' ? `is damaged: ${file.problem}` : 'is missing'
}

/** What the journal is applied to, with its source. */
interface Base extends ReplayBase {
  /** The name of the file, for the log. */
  readonly name: string
  /** The id of the state, if the file or the first segment after it names it. */
  readonly stateId: string | undefined
  /** For an imported file: the fingerprint that the first segment after it must name. */
  readonly fingerprint: string | undefined
  /** Whether it replaces a file that is damaged or missing. */
  readonly isImpaired: boolean
}

function chooseBase(listed: SegmentFile[], main: StateFile, backup: StateFile | undefined): Base | undefined {
  const segments = listed.filter(({ isCopy }) => !isCopy)
  if (main.state === 'valid') return baseOf('user_state.json', main.snapshot, segments, false)
  if (backup?.state === 'valid') return baseOf('user_state_backup.json', backup.snapshot, segments, true)
  const first = segments[0]?.head
  if (!first || first.imported !== undefined) return undefined
  if (first.journal !== 1 && first.after !== 'removal') return undefined
  // An old segment may be there only for the log of changes.
  if (segments.some(({ head }, index) => index > 0 && !continues(head, segments[index - 1]))) return undefined
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
    isImpaired: main.state === 'damaged' || backup?.state === 'damaged' || first.after === 'removal',
  }
}

/** Whether a segment can continue the one before it. */
function continues(head: SegmentHead | undefined, before: SegmentFile | undefined): boolean {
  return head?.previous === undefined || head.previous.journal === before?.journal
}

function baseOf(name: string, snapshot: Snapshot, segments: SegmentFile[], isImpaired: boolean): Base {
  const { users, journal, origin, stateId, knownTime, savedAt } = snapshot
  const common = { name, users, knownTime, savedAt, isImpaired }
  if (origin.kind === 'sealed' || journal !== undefined) {
    const needs = journal ?? 1
    return { ...common, stateId, needs, expectsSegment: true, origin: origin.kind, fingerprint: undefined }
  }
  // An imported file names no segment, but segments that were started after it name its fingerprint. The
  // segments of the state before it are not used: the operator who imported the file wanted another state.
  const { fingerprint } = origin
  const first = segments.find(({ head }) => head?.imported === fingerprint)
  if (first)
    return {
      ...common,
      stateId: first.head?.stateId,
      needs: first.journal,
      expectsSegment: true,
      origin: 'by hand',
      fingerprint: undefined,
    }
  const needs = highestSegment(segments) + 1
  return { ...common, stateId: undefined, needs, expectsSegment: false, origin: 'by hand', fingerprint }
}

async function removeTemporaryFiles(disk: Disk, files: Files, names: readonly string[]): Promise<void> {
  for (const name of names.filter(isTemporary)) await removeQuietly(disk, files.inDirectory(name))
}

/**
 * Keeps damaged files under other names, so that an operator can inspect them, and logs one line for each.
 */
async function moveDamagedAside(
  { disk, files, log, now }: RecoveryOptions,
  names: readonly string[],
  main: StateFile,
  backup: StateFile | undefined,
  damaged: readonly DamagedSegment[],
): Promise<void> {
  if (main.state === 'damaged') {
    const kept = await keep(files.main, 'rename')
    const replacement = backup?.state === 'valid' ? 'the backup and the journal are' : 'the journal is'
    log.error(`user_state.json is damaged: ${main.problem}; ${replacement} used instead`, { kept })
  } else if (main.state === 'absent' && backup?.state === 'valid') {
    log.error('user_state.json is missing; the backup and the journal are used instead')
  }
  if (backup?.state === 'damaged') {
    const kept = await keep(files.backup, 'rename')
    log.error(`user_state_backup.json is damaged: ${backup.problem}`, { kept })
  }
  for (const { problem, path, isRead } of damaged) {
    log.error(`the journal is damaged: ${problem}`, { kept: await keepSegment(path, isRead) })
  }

  /** A segment that was read stays in place, and a copy is kept unless there is one already. */
  async function keepSegment(path: string | undefined, isRead: boolean): Promise<string> {
    if (path === undefined) return 'no'
    if (!isRead) return keep(path, 'rename')
    const hasCopy = names.some(name => files.inDirectory(name).startsWith(`${path}.damaged-`))
    return hasCopy ? 'no' : keep(path, 'link')
  }

  /** Returns where the file is kept, or `no` with the reason. */
  async function keep(path: string, how: 'rename' | 'link'): Promise<string> {
    const kept = asidePath(path, now)
    try {
      await disk[how](path, kept)
      return kept
    } catch (error) {
      return `no (${reasonOf(error)})`
    }
  }
}
