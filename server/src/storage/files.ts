import { join } from 'node:path'

/** The names in the data directory. Whatever begins with `user_state` and is not temporary is state. */
export interface Files {
  readonly directory: string
  readonly main: string
  readonly backup: string
  readonly lock: string
  segment(journal: number): string
  inDirectory(name: string): string
}

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

/** A file is written under this name and renamed when it is whole: under its own name it is never half. */
export function temporary(path: string): string {
  return `${path}.tmp`
}

/** The name under which a file that can't be used is kept, so that an operator can look into it. */
export function asidePath(path: string, now: number, why: 'damaged' | 'replaced' = 'damaged'): string {
  return `${path}.${why}-${new Date(now).toISOString().replaceAll(/[-:.]/g, '')}`
}

/** Whether a file shows that there was state here once. */
export function isState(name: string): boolean {
  return name.startsWith('user_state') && !isTemporary(name)
}

export function isTemporary(name: string): boolean {
  return name.startsWith('user_state') && name.endsWith('.tmp')
}

/** The number of a journal segment by its file name. */
export function segmentNumber(name: string): number | undefined {
  const digits = /^user_state_journal\.(\d{6,15})\.log$/.exec(name)?.[1]
  return digits === undefined ? undefined : Number(digits)
}
