import { readFileSync, readlinkSync, statSync } from 'node:fs'

/** The content of a `.env` file. */
export interface EnvFile {
  /** The values by name. If a name occurs twice, the last one applies. */
  readonly texts: Readonly<Record<string, string>>
  /** The numbers of ignored lines: they are not `NAME=value`, or a quote is not closed. */
  readonly badLines: readonly number[]
  /** Why the file can't be used, and what to do; `undefined` if it can. */
  readonly problem: string | undefined
}

/** The content of a file that does not exist. */
export const NO_ENV_FILE: EnvFile = { texts: {}, badLines: [], problem: undefined }

/** Some editors write it at the start of a file. */
const BYTE_ORDER_MARK = /^\uFEFF/

/** `NAME=`, optionally after `export` as in a shell. The value is read separately. */
const ASSIGNMENT = /^[ \t]*(?:export[ \t]+)?([^\s=#'"][^=#\n]*?)[ \t]*=[ \t]*/

/** A quoted value, which may span several lines, and an optional comment after it. */
const QUOTED = /^(?:"([^"]*)"|'([^']*)'|`([^`]*)`)[ \t]*(?:#[^\n]*)?(?:\n|$)/

/**
 * Reads the bytes of a `.env` file: `NAME=value` lines in UTF-8, with comments, quotes and `export` as usual.
 * Never throws; see `EnvFile.problem`.
 */
export function readEnvFile(bytes: Uint8Array): EnvFile {
  const encoding = otherEncoding(bytes)
  if (encoding !== undefined) return unusable(`${encoding}: save it as UTF-8`)
  const text = new TextDecoder().decode(bytes)
  const texts = new Map<string, string>()
  const badLines: number[] = []
  let rest = text.replace(BYTE_ORDER_MARK, '').replaceAll(/\r\n?/g, '\n')
  let line = 1
  const take = (length: number): string => {
    const taken = rest.slice(0, length)
    rest = rest.slice(length)
    line += taken.split('\n').length - 1
    return taken
  }
  while (rest !== '') {
    const [all, name] = ASSIGNMENT.exec(rest) ?? []
    if (all === undefined || name === undefined) {
      const at = line
      const skipped = take(lineLength(rest)).trim()
      if (skipped !== '' && !skipped.startsWith('#')) badLines.push(at)
      continue
    }
    take(all.length)
    const [quoted, double, single, back] = QUOTED.exec(rest) ?? []
    if (quoted !== undefined) {
      take(quoted.length)
      texts.set(name, double?.replaceAll('\\n', '\n') ?? single ?? back ?? '')
    } else if (/^["'`]/.test(rest)) {
      badLines.push(line)
      take(lineLength(rest))
    } else {
      // A `#` starts a comment only after a space, because a key may contain it.
      texts.set(
        name,
        take(lineLength(rest))
          .replace(/(^|[ \t])#.*/, '')
          .trim(),
      )
    }
  }
  return { texts: Object.fromEntries(texts), badLines, problem: undefined }
}

/** Reads the `.env` file at `path`. Never throws and never waits; see `EnvFile.problem`. */
export function loadEnvFile(path: string): EnvFile {
  try {
    // Opening a FIFO waits until another process writes to it.
    if (statSync(path).isFIFO()) return unusable('it is a FIFO (named pipe): replace it with a file')
    return readEnvFile(readFileSync(path))
  } catch (error) {
    return unreadableEnvFile(error as Error, targetOf(path))
  }
}

/**
 * The content of a `.env` file that could not be read. `error` is that of the file system, `target` is where
 * the file points if it is a symbolic link.
 */
export function unreadableEnvFile(error: Error & { readonly code?: string }, target?: string): EnvFile {
  switch (error.code) {
    case 'ENOENT':
    case 'ENOTDIR':
    case 'ELOOP':
      if (target === undefined) return NO_ENV_FILE
      return unusable(
        `it is a symbolic link to ${target}, where there is no file: create that file, or remove the link`,
      )
    case 'EISDIR':
      return unusable('it is a directory: rename it, or start the server in another directory')
    case 'EACCES':
    case 'EPERM':
      return unusable('this user may not read it: change its owner or its mode')
    default:
      return unusable(error.message)
  }
}

/** Where a symbolic link points; `undefined` if `path` is not a symbolic link. */
function targetOf(path: string): string | undefined {
  try {
    return readlinkSync(path)
  } catch {
    return undefined
  }
}

function unusable(problem: string): EnvFile {
  return { ...NO_ENV_FILE, problem: `.env can't be read: ${problem}` }
}

/** The length of the first line of a text, including its newline. */
function lineLength(text: string): number {
  const end = text.indexOf('\n')
  return end < 0 ? text.length : end + 1
}

/** A sentence about bytes that are not UTF-8: what they look like; `undefined` for UTF-8. */
function otherEncoding(bytes: Uint8Array): string | undefined {
  const [first, second, third, fourth] = bytes
  if (first === 0xff && second === 0xfe) {
    return third === 0 && fourth === 0 && bytes.length >= 4 ? 'it looks like UTF-32' : 'it looks like UTF-16'
  }
  if (first === 0xfe && second === 0xff) return 'it looks like UTF-16'
  if (bytes.includes(0)) {
    // In UTF-16, every second byte of text in Latin letters is 0.
    const zeros = bytes.reduce((count, byte) => count + (byte === 0 ? 1 : 0), 0)
    return zeros * 3 > bytes.length ? 'it looks like UTF-16' : 'it has NUL bytes, so it is not a text file'
  }
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return undefined
  } catch {
    return 'it is not UTF-8; it looks like Latin-1 or Windows-1252'
  }
}
