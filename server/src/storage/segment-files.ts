import { codeOf, type Disk, NotAFile } from './disk.ts'
import { type Files, segmentNumber } from './files.ts'
import type { SegmentHead } from './journal.ts'
import type { StaleLock } from './lock.ts'
import { readHead } from './segment-reader.ts'

/** A file of the data directory whose name is that of a journal segment. */
export interface SegmentFile {
  /** The number in the file name. */
  readonly journal: number
  readonly path: string
  /** Absent if the head is damaged. */
  readonly head: SegmentHead | undefined
  /** Whether the head has another number: the file is a copy of that segment, or was renamed. */
  readonly isCopy: boolean
}

/** Something wrong with a segment. */
export interface DamagedSegment {
  readonly journal: number
  readonly problem: string
  /** The file; absent if the segment is missing. */
  readonly path: string | undefined
  /** Whether its valid lines were applied. If so, the file must stay; otherwise it is moved aside. */
  readonly isRead: boolean
}

/** The segments of a state, and files that only have the name of one. */
export interface SortedSegments {
  /** The segments of this state in their order. One with a damaged head is included, but is not read. */
  readonly segments: readonly SegmentFile[]
  /** Files that must not be applied to this state. */
  readonly foreign: readonly DamagedSegment[]
  /** The id of this state, if the state file, a segment or the stale lock names it. */
  readonly stateId: string | undefined
}

/**
 * Lists the segment files by number, with their heads.
 * @throws errors of the disk other than a damaged file
 */
export async function listSegments(disk: Disk, files: Files, names: string[]): Promise<SegmentFile[]> {
  const numbers = names.map(segmentNumber).filter(number => number !== undefined)
  const segments: SegmentFile[] = []
  for (const journal of numbers.sort((a, b) => a - b)) {
    const path = files.segment(journal)
    const head = await readHead(disk, path).catch(error => {
      if (isUnreadable(error)) return undefined
      throw error
    })
    segments.push({ journal, path, head, isCopy: head !== undefined && head.journal !== journal })
  }
  return segments
}

/**
 * Whether an error means that this file is unreadable: something else in its place, or a disk error. Other
 * errors, such as too many open files, say nothing about the file.
 */
export function isUnreadable(error: unknown): boolean {
  return error instanceof NotAFile || codeOf(error) === 'EIO'
}

/** Counting can't reach a higher number. It would only use up the digits of file names. */
const HIGHEST_PLAUSIBLE = 1e12

/** The highest plausible number of a segment; 0 without any. */
export function highestSegment(segments: readonly SegmentFile[]): number {
  const plausible = segments.filter(({ journal, isCopy }) => !isCopy && journal < HIGHEST_PLAUSIBLE)
  return plausible.at(-1)?.journal ?? 0
}

/** The segment that a stale lock names; 0 if it names none that a server can have reached. */
export function namedSegment(staleLock: StaleLock | undefined): number {
  const segment = staleLock?.newest?.segment ?? 0
  return segment < HIGHEST_PLAUSIBLE ? segment : 0
}

/**
 * Separates the segments of this state from foreign files. A row contains all fields of a user, so a segment
 * in the wrong place would reset users to old values.
 */
export function sortSegments(
  listed: readonly SegmentFile[],
  base: { readonly name: string; readonly stateId: string | undefined; readonly needs: number },
  staleLock: StaleLock | undefined,
): SortedSegments {
  const inPlace = listed.filter(({ journal, isCopy }) => !isCopy && journal >= base.needs)
  const newest = staleLock?.newest
  const stateId =
    base.stateId ??
    (newest && inPlace.some(({ head }) => head?.stateId === newest.stateId)
      ? newest.stateId
      : inPlace.find(({ head }) => head?.stateId !== undefined)?.head?.stateId)
  const segments: SegmentFile[] = []
  const foreign: DamagedSegment[] = []
  for (const segment of listed) {
    const { journal, path, head, isCopy } = segment
    const isOther =
      head?.stateId === undefined
        ? base.stateId !== undefined && head !== undefined
        : head.stateId !== stateId
    const isNeeded = journal >= base.needs
    if (isCopy) {
      foreign.push({
        journal,
        problem: `the file of segment ${journal} is a copy of segment ${head?.journal}: it is not read`,
        path,
        isRead: false,
      })
    } else if (isOther && isNeeded) {
      foreign.push({
        journal,
        problem: `segment ${journal} belongs to another state than ${base.name}: it is not read`,
        path,
        isRead: false,
      })
    } else {
      segments.push(segment)
    }
  }
  return { segments, foreign, stateId }
}

/**
 * Compares the segments with the newest one that the stale lock names. If it is missing, the state is older
 * than it looks.
 */
export function findMissingNewest(
  listed: readonly SegmentFile[],
  stateId: string | undefined,
  staleLock: StaleLock | undefined,
): DamagedSegment[] {
  const newest = staleLock?.newest
  if (!newest) return []
  const { segment } = newest
  const isPresent = listed.some(({ journal, isCopy }) => journal >= segment && !isCopy)
  if (isPresent && (stateId === undefined || newest.stateId === stateId)) return []
  const problem = isPresent
    ? `the lock names segment ${segment} of another state: these are not the files of the last process`
    : `segment ${segment}, the newest of the last process, is missing: its changes are lost`
  return [{ journal: segment, problem, path: undefined, isRead: false }]
}
