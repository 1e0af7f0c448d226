import type { StoredLog } from '../changes/stored-log.ts'
import { type Disk, reasonOf } from './disk.ts'
import type { Entry, SegmentHead } from './journal.ts'
import { LogReplay, type LogSegment } from './log-replay.ts'
import type { Records } from './records.ts'
import { type DamagedSegment, isUnreadable, type SegmentFile } from './segment-files.ts'
import { readSegment, type SegmentReport } from './segment-reader.ts'
import type { UserRecord } from './store.ts'
import type { StoreLog } from './store-log.ts'

/** What the journal is applied to. */
export interface ReplayBase {
  readonly users: Records
  /** See `Records.knownTime`. */
  readonly knownTime: number | undefined
  /** When the state file was saved. */
  readonly savedAt: number | undefined
  /** The first segment to apply. */
  readonly needs: number
  /** Whether that segment must exist. */
  readonly expectsSegment: boolean
  readonly origin: 'sealed' | 'by hand' | 'nothing'
}

/** The result of {@link replay}. */
export interface Replayed {
  readonly users: Records
  readonly damaged: readonly DamagedSegment[]
  /** Periods in which a process could not write. No file is damaged by them. */
  readonly gaps: readonly string[]
  readonly lastSegment: SegmentHead['previous']
  /** The log of changes; `undefined` without one that fits to the users. */
  readonly log: StoredLog | undefined
  /** The segments with the parts of the log. */
  readonly logSegments: readonly LogSegment[]
}

/**
 * Applies the segments to the base in their order, and reports what is missing in them. `hasCrashed`: the
 * last process did not stop cleanly, so an incomplete last line is expected. `logOnly` are older segments, which
 * are kept for the log of changes. @throws errors of the disk other than a damaged file
 */
export async function replay(
  { disk, log: lines, hasCrashed }: { disk: Disk; log: StoreLog; hasCrashed: boolean },
  base: ReplayBase,
  segments: readonly SegmentFile[],
  logOnly: readonly SegmentFile[],
): Promise<Replayed> {
  const state = new ReplayedState(base)
  const log = new LogReplay()
  const damaged: DamagedSegment[] = []
  const gaps: string[] = []
  let lastSegment: Replayed['lastSegment']
  let newerLines = 0

  for (const { journal, path, head } of logOnly) {
    // What is damaged there is missing in the log, which notices that by the numbers.
    if (head)
      await readSegment(disk, path, undefined, entry => log.apply(journal, entry)).catch(ignoreUnreadable)
  }
  if (base.expectsSegment && segments[0]?.journal !== base.needs) {
    damaged.push({
      journal: base.needs,
      problem: `segment ${base.needs} is missing: changes made after the file was saved are lost`,
      path: undefined,
      isRead: false,
    })
  }
  if (segments[0]?.head?.after === 'removal' && base.origin === 'nothing') {
    gaps.push(
      `the files were removed while the server was running, and it ended before it could save again: only changes after that are known, from journal segment ${base.needs} on`,
    )
  }
  for (const [index, { journal, path, head }] of segments.entries()) {
    if (!head) {
      // Without its head it is unknown which segment this is, so its lines may be outdated.
      damaged.push({
        journal,
        problem: `segment ${journal}: its head is damaged, so it is not read`,
        path,
        isRead: false,
      })
      continue
    }
    const problems = headProblems(head, segments[index - 1])
    const isFirst = index === 0
    if ((head.after === 'failure' || head.after === 'removal') && !isFirst) {
      gaps.push(`the disk failed before journal segment ${journal}: changes of that time are lost`)
    }
    if (head.after === 'start' || (!isFirst && head.after !== 'snapshot')) state.holdLiveUsers()
    const written = writtenBytes(segments, journal)
    const isLast = index === segments.length - 1
    try {
      const report = await readSegment(disk, path, written, entry => {
        state.apply(entry)
        log.apply(journal, entry)
      })
      newerLines += report.newerLines
      problems.push(...lineProblems(report, written, isLast && !hasCrashed))
      lastSegment = { journal, bytes: report.goodBytes }
      if (isLast && report.tornBytes > 0 && hasCrashed) {
        lines.info('the last line of the journal is incomplete because of the crash: it is ignored', {
          segment: journal,
          bytes: report.tornBytes,
        })
      }
    } catch (error) {
      if (!isUnreadable(error)) throw error
      problems.push(`it can't be read (${reasonOf(error)})`)
      lastSegment = undefined
    }
    if (problems.length > 0)
      damaged.push({ journal, problem: `segment ${journal}: ${problems.join(', ')}`, path, isRead: true })
  }
  if (newerLines > 0)
    lines.info(
      'a newer version wrote some lines of the journal that this version does not know: they are ignored',
      {
        lines: newerLines,
      },
    )
  const isWhole = damaged.length === 0 && gaps.length === 0 && base.origin !== 'by hand'
  return {
    users: state.finish(),
    damaged,
    gaps,
    lastSegment,
    log: isWhole ? log.finish(hasCrashed) : undefined,
    logSegments: isWhole ? log.segments : [],
  }
}

function ignoreUnreadable(error: unknown): void {
  if (!isUnreadable(error)) throw error
}

function headProblems({ previous }: SegmentHead, before: SegmentFile | undefined): string[] {
  if (!before) return []
  if (!previous || previous.journal > before.journal) return ['a segment before it is missing']
  return []
}

/** How many bytes of a segment were durable when the next one was started; `undefined` if unknown. */
function writtenBytes(segments: readonly SegmentFile[], journal: number): number | undefined {
  const next = segments.findLast(({ head }) => head?.previous?.journal === journal)
  return next?.head?.previous?.bytes
}

function lineProblems(report: SegmentReport, written: number | undefined, mustBeClosed: boolean): string[] {
  const problems: string[] = []
  if (report.badLines > 0) problems.push(`${report.badLines} damaged lines are lost`)
  if (written !== undefined && report.bytes < written)
    problems.push(`${written - report.bytes} bytes at its end are missing`)
  if (mustBeClosed && !report.closed)
    problems.push('its end is missing although the last process stopped cleanly')
  return problems
}

/** The users while the journal is applied line by line. */
class ReplayedState {
  readonly #users: Records
  #alive = Number.NEGATIVE_INFINITY
  /** The highest `knownTime` that was stored. */
  #knownTime: number | undefined
  /** What the clock of the last process showed at last. */
  #latestTime: number | undefined
  /** The highest time of any kind. It replaces `knownTime` in files of earlier versions. */
  #highestTime: number | undefined

  constructor({ users, knownTime, savedAt }: ReplayBase) {
    this.#users = users
    this.#knownTime = knownTime
    this.#highestTime = savedAt
    this.#latestTime = savedAt
  }

  apply(entry: Entry): void {
    switch (entry.kind) {
      case 'keep':
        this.#users.set(entry.record)
        // Not what an earlier process wrote whose clock was ahead.
        if (entry.record.aheadMs === undefined) {
          this.#latestTime = higher(this.#latestTime, entry.record.lastSeen)
        }
        break
      case 'forget':
        this.#users.delete(entry.userId)
        break
      case 'alive':
        // The last one, not the highest: the clock may have been ahead before.
        this.#alive = entry.at
        this.#latestTime = entry.at
        this.#recordTimes(entry.at, entry.knownTime)
        break
      case 'closed':
        this.#latestTime = entry.at ?? this.#latestTime
        this.#recordTimes(entry.at, entry.knownTime)
        break
    }
  }

  #recordTimes(at: number | undefined, knownTime: number | undefined): void {
    this.#highestTime = higher(this.#highestTime, at)
    this.#knownTime = higher(this.#knownTime, knownTime)
  }

  /** A new process starts, or a gap begins: live users become held until a later line says otherwise. */
  holdLiveUsers(): void {
    for (const record of this.#users) {
      if (record.session !== 'live') continue
      this.#users.set({ ...record, session: 'held', lastSeen: this.#lastSeen(record) })
    }
    this.#alive = Number.NEGATIVE_INFINITY
  }

  /** The users at the end. Stored times stay unchanged, because the clock of this start may be wrong. */
  finish(): Records {
    for (const record of this.#users) {
      const lastSeen = this.#lastSeen(record)
      if (lastSeen !== record.lastSeen) this.#users.set({ ...record, lastSeen })
      this.#highestTime = higher(this.#highestTime, lastSeen)
    }
    this.#users.knownTime = this.#knownTime ?? this.#highestTime
    this.#users.latestTime = this.#latestTime ?? this.#highestTime
    return this.#users
  }

  /** A visible live user was alive as long as the process. A hidden one keeps the stored time. */
  #lastSeen({ session, status, lastSeen }: UserRecord): number {
    return session === 'live' && status !== 'offline' ? Math.max(lastSeen, this.#alive) : lastSeen
  }
}

function higher(a: number | undefined, b: number | undefined): number | undefined {
  if (a === undefined || b === undefined) return a ?? b
  return Math.max(a, b)
}
