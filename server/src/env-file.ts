/** What a `.env` file says. */
export interface EnvFile {
  /** The settings by name; the last line of a name counts. */
  readonly texts: Readonly<Record<string, string>>
  /** The numbers of the lines that are not `NAME=value`, or have a quote that is not closed. They are ignored. */
  readonly badLines: readonly number[]
  /** Why the file can't be used, and what to do. */
  readonly problem: string | undefined
}

/** A file that does not exist. */
export const NO_ENV_FILE: EnvFile = { texts: {}, badLines: [], problem: undefined }

/** Some editors begin a file with it. */
const BYTE_ORDER_MARK = /^\uFEFF/

/** `NAME=`, with `export` before it as in a shell. The value is read separately. */
const ASSIGNMENT = /^[ \t]*(?:export[ \t]+)?([^\s=#'"][^=#\n]*?)[ \t]*=[ \t]*/

/** A quoted value, which may span lines, and what may follow it on its last line. */
const QUOTED = /^(?:"([^"]*)"|'([^']*)'|`([^`]*)`)[ \t]*(?:#[^\n]*)?(?:\n|$)/

/** Reads the bytes of a `.env` file: `NAME=value` lines in UTF-8, with comments, quotes and `export` as usual. */
export function readEnvFile(bytes: Uint8Array): EnvFile {
  const encoding = misencoded(bytes)
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
      // A `#` begins a comment only after a space: it can stand in a key.
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

/** A `.env` file that the system does not let the server read. */
export function unreadableEnvFile(error: Error & { readonly code?: string }): EnvFile {
  switch (error.code) {
    case 'ENOENT':
      return NO_ENV_FILE
    case 'EISDIR':
      return unusable('it is a directory: rename it, or start the server in another directory')
    case 'EACCES':
    case 'EPERM':
      return unusable('this user may not read it: change its owner or its mode')
    default:
      return unusable(error.message)
  }
}

function unusable(problem: string): EnvFile {
  return { ...NO_ENV_FILE, problem: `.env can't be read: ${problem}` }
}

/** The length of the first line of a text, its end included. */
function lineLength(text: string): number {
  const end = text.indexOf('\n')
  return end < 0 ? text.length : end + 1
}

/** What bytes seem to be that are not UTF-8 text; undefined for UTF-8. */
function misencoded(bytes: Uint8Array): string | undefined {
  const [first, second, third, fourth] = bytes
  if (first === 0xff && second === 0xfe) {
    return third === 0 && fourth === 0 && bytes.length >= 4 ? 'it looks like UTF-32' : 'it looks like UTF-16'
  }
  if (first === 0xfe && second === 0xff) return 'it looks like UTF-16'
  if (bytes.includes(0)) {
    // In UTF-16, each second byte of a text in Latin letters is 0.
    const zeros = bytes.reduce((count, byte) => count + (byte === 0 ? 1 : 0), 0)
    return zeros * 3 > bytes.length
      ? 'it looks like UTF-16'
      : 'it has NUL bytes, as files that are no text have'
  }
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return undefined
  } catch {
    return 'it is not UTF-8; it looks like Latin-1 or Windows-1252'
  }
}
