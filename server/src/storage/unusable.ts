import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { basename, dirname } from 'node:path'
import { nodeDisk } from './disk.ts'
import { StoreUnusable } from './store.ts'

/**
 * Turns a failed file operation into an error for the operator: which directory, who owns it, which user this
 * process runs as, what failed, and what to do.
 */
export async function unusable(directory: string, error: Error): Promise<StoreUnusable> {
  const file = await foreignFile(directory, error)
  const { path, facts } = file ?? (await nearest(directory))
  const where = path === directory || file ? '' : ` (the nearest existing directory is ${path})`
  const isFileInstead = !file && facts?.isDirectory === false
  const whose = facts
    ? `${where}; ${file ? basename(file.path) : 'it'} ${isFileInstead ? 'is a file, not a directory, and ' : ''}belongs to ${userName(facts.uid)} and group ${facts.gid} with mode ${facts.mode.toString(8).padStart(4, '0')}`
    : where
  const text = `the data directory ${directory} can't be used: ${error.message}${whose}; this server runs as ${self()}: ${advice(directory, error, isFileInstead)}`
  return new StoreUnusable(text, { cause: error })
}

/**
 * The file that can't be used, if it is one in the directory: it may have another owner than the directory.
 */
async function foreignFile(
  directory: string,
  error: Error,
): Promise<Awaited<ReturnType<typeof look>> | undefined> {
  const { path, code } = error as NodeJS.ErrnoException
  if (path === undefined || dirname(path) !== directory || !ABOUT_A_FILE.has(code)) return undefined
  const found = await look(path)
  return found.facts && found
}

/** The errors that are about one file and not about the whole directory. */
const ABOUT_A_FILE: ReadonlySet<string | undefined> = new Set(['EACCES', 'EPERM', 'NOT_A_FILE'])

/** The directory, or its nearest existing parent. */
async function nearest(directory: string): ReturnType<typeof look> {
  for (let path = directory; ; path = dirname(path)) {
    const found = await look(path)
    if (found.facts || dirname(path) === path) return found
  }
}

async function look(path: string) {
  return { path, facts: await nodeDisk.stat(path).catch(() => undefined) }
}

function self(): string {
  const uid = process.geteuid?.()
  const gid = process.getegid?.()
  return uid === undefined ? userInfo().username : `${userName(uid)} and group ${gid}`
}

/** Such as `uid 1000 (node)`; without the name if the system or container does not define one. */
function userName(uid: number): string {
  const name = passwd().find(([, , number]) => number === String(uid))?.[0]
  return name === undefined ? `uid ${uid}` : `uid ${uid} (${name})`
}

function passwd(): string[][] {
  try {
    return readFileSync('/etc/passwd', 'utf8')
      .split('\n')
      .map(line => line.split(':'))
  } catch {
    return []
  }
}

function advice(directory: string, { code, path }: NodeJS.ErrnoException, isFileInstead: boolean): string {
  const another = 'or set DATA_DIR to another directory'
  if (isFileInstead || code === 'ENOTDIR' || code === 'EEXIST') return `move that file away, ${another}`
  switch (code) {
    case 'NOT_A_FILE':
    case 'ELOOP':
      return `move ${path ?? 'it'} away, ${another}`
    case 'EACCES':
      return `run the server as that user, or make this user the owner (chown -R ${process.geteuid?.() ?? 'USER'}:${process.getegid?.() ?? 'GROUP'} ${directory}), ${another}`
    case 'EPERM':
      return `allow changes to it (lsattr shows whether it is immutable; chattr -i makes it mutable), ${another}`
    case 'EROFS':
      return `mount the file system writable, ${another}`
    case 'ENOSPC':
    case 'EDQUOT':
      return `free some space there, ${another}`
    case 'EMFILE':
    case 'ENFILE':
      return 'allow more open files (ulimit -n)'
    default:
      return `make it a directory that this user can read and write, ${another}`
  }
}
