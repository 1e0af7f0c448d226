import { parseArgs } from 'node:util'
import type { EnvFile } from './env-file.ts'
import { nearName } from './near-name.ts'
import { readSettings, type Settings, settingsTable, WrongSettings } from './settings.ts'

// Settings come from three places: a flag goes before the environment, and the environment before `.env`. Everything here is told
// the texts and touches no process.

/** What stands on the command line. */
export interface Flags {
  readonly help: boolean
  readonly version: boolean
  readonly 'print-config': boolean
  /** Development, whatever the environment and `.env` say. */
  readonly dev: boolean
}

type Texts = Readonly<Record<string, string | undefined>>

/** Where settings come from. */
export interface Sources {
  readonly flags: Pick<Flags, 'dev'>
  readonly environment: Texts
  readonly file: EnvFile
}

/** What is in force. */
export interface Configuration {
  readonly settings: Settings
  /** The texts that the settings were read from, by name; for `--print-config`. */
  readonly texts: Texts
  /** What an operator should know, a sentence each: unknown names, settings that don't count. */
  readonly warnings: readonly string[]
}

const flag = { type: 'boolean', default: false } as const
const FLAGS = { help: flag, version: flag, 'print-config': flag, dev: flag }

/**
 * Reads the command line, without the program's own name.
 * @throws Error that says what is wrong with it.
 */
export function readFlags(args: readonly string[]): Flags {
  // `pnpm start -- --help` passes the `--` on.
  return parseArgs({ args: args[0] === '--' ? args.slice(1) : [...args], options: FLAGS }).values
}

/**
 * Puts the sources together.
 *
 * `ENVIRONMENT=development` in `.env` does not count: the file is written to try the server out, stays where it is, and would switch
 * off the checks of production later. Development is asked for by `--dev` or by the real environment. All other settings that are
 * for development only are refused in production wherever they stand.
 *
 * @throws WrongSettings with everything that is wrong, and everything that may explain it: an unreadable `.env`, unknown names.
 */
export function configure({ flags, environment, file }: Sources): Configuration {
  const [fromFile, fromEnvironment] = [given(file.texts), given(environment)]
  const warnings: string[] = []
  const texts: Record<string, string | undefined> = { ...fromFile, ...fromEnvironment }
  if (flags.dev) {
    const other = texts['ENVIRONMENT'] ?? 'development'
    if (!isDevelopment(other)) {
      const source = fromEnvironment['ENVIRONMENT'] === undefined ? '.env sets' : 'the environment sets'
      warnings.push(`${source} ENVIRONMENT=${other}, but --dev goes before it: this is development`)
    }
    texts['ENVIRONMENT'] = 'development'
  } else if (fromEnvironment['ENVIRONMENT'] === undefined && isDevelopment(fromFile['ENVIRONMENT'] ?? '')) {
    warnings.push(
      '.env sets ENVIRONMENT=development, which does not count there: this is production. ' +
        'To start development, use --dev (pnpm dev), or set ENVIRONMENT=development in the environment of the process',
    )
    delete texts['ENVIRONMENT']
  }
  warnings.push(...badLines(file), ...unknownNames(Object.keys(file.texts), Object.keys(fromEnvironment)))
  const problems = file.problem === undefined ? [] : [file.problem]
  try {
    const settings = readSettings(texts)
    if (problems.length === 0) return { settings, texts, warnings }
  } catch (error) {
    if (!(error instanceof WrongSettings)) throw error
    problems.push(...error.problems)
  }
  throw new WrongSettings(problems, warnings)
}

/** Reads the text as `readSettings` does, without outer spaces and without case. */
function isDevelopment(text: string): boolean {
  return text.trim().toLowerCase() === 'development'
}

/** Without empty texts: `PORT=` in the environment does not unset what `.env` says. */
function given(texts: Texts): Texts {
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text?.trim()))
}

function badLines({ badLines: lines }: EnvFile): string[] {
  if (lines.length === 0) return []
  const [what, are] = lines.length === 1 ? ['line', 'is'] : ['lines', 'are']
  return [`.env: ${what} ${lines.join(', ')} ${are} not NAME=value, and ignored`]
}

/** How many slips a name may have: in `.env` each unknown name is a mistake, in the environment most belong to somebody else. */
const FILE_SLIPS = (length: number): number => (length < 5 ? 1 : length < 8 ? 2 : 3)
const ENVIRONMENT_SLIPS = (length: number): number => (length < 8 ? 1 : 2)

/** The unknown names of `.env`, and those of the environment that are nearly one of ours. */
function unknownNames(inFile: readonly string[], inEnvironment: readonly string[]): string[] {
  const known = Object.keys(settingsTable)
  const isUnknown = (name: string): boolean => !known.includes(name)
  return [
    ...inFile.filter(isUnknown).map(name => {
      // As in `set PORT=3050` of a Windows batch file, the last word is the name.
      const near = nearName(name.split(/\s/).at(-1) ?? name, known, FILE_SLIPS)
      return `.env: ${short(name)} is unknown${near === undefined ? '' : `; did you mean ${near}?`}`
    }),
    ...inEnvironment.filter(isUnknown).flatMap(name => {
      const near = nearName(name, known, ENVIRONMENT_SLIPS)
      return near === undefined ? [] : [`environment: ${short(name)} is unknown; did you mean ${near}?`]
    }),
  ]
}

function short(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name
}
