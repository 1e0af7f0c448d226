import { join } from 'node:path'

/**
 * The paths in the data directory. Every file whose name starts with `user_state`, except a temporary one,
 * counts as state.
 */
export interface Files {
  readonly directory: string
  readonly main: string
  readonly backup: string
  readonly lock: string
  /** The path of a journal segment. */
  segment(journal: number): string
  /** The path of a file by its name. */
  inDirectory(name: string): string
}

/** The paths in this data directory. */
export function filesIn(directory: string): Files {
  return {
    directory,
    main: join(directory, 'user_state.json'),
    backup: join(directory, 'user_state_backup.json'),
    lock: join(directory, 'lock'),
    segment: journal => join(directory, `user_state_journal.${String(journal).padStart(6, '0')}.log`),
    inDirectory: name => join(directory, name),
  }
}

/**
 * The path under which a file is written. It is renamed when it is complete, so `path` never holds a partial
 * file.
 */
export function temporary(path: string): string {
  return `${path}.tmp`
}

/** The path to which a file that can't be used is moved, so that an operator can inspect it. */
export function asidePath(path: string, now: number, reason: 'damaged' | 'replaced' = 'damaged'): string {
  return `${path}.${reason}-${new Date(now).toISOString().replaceAll(/[-:.]/g, '')}`
}

/** Whether a file of this name shows that state was stored here. */
export function isState(name: string): boolean {
  return name.startsWith('user_state') && !isTemporary(name)
}

/** Whether a file of this name is a temporary file; see `temporary`. */
export function isTemporary(name: string): boolean {
  return name.startsWith('user_state') && name.endsWith('.tmp')
}

/** The number of a journal segment, from its file name; `undefined` for other files. */
export function segmentNumber(name: string): number | undefined {
  const digits = /^user_state_journal\.(\d{6,15})\.log$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
