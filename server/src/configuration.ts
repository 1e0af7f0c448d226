import { parseArgs } from 'node:util'
import type { EnvFile } from './env-file.ts'
import { nearName } from './near-name.ts'
import { fileNameOf, secretFileNames, withSecretFiles } from './secret-files.ts'
import { readSettings, type Settings, WrongSettings } from './settings.ts'
import { settingsTable } from './settings-table.ts'

// Settings come from three sources. A flag overrides the environment, and the environment overrides `.env`.
// The functions here receive all texts as parameters and do not touch the process.

/** The flags of the command line. */
export interface Flags {
  readonly help: boolean
  readonly version: boolean
  readonly 'print-config': boolean
  /** Start development, whatever the environment and `.env` say. */
  readonly dev: boolean
  /** The setting PORT. */
  readonly port?: string
  /** The setting DATA_DIR. */
  readonly 'data-dir'?: string
}

type Texts = Readonly<Record<string, string | undefined>>

/** The sources of the settings. */
export interface Sources {
  readonly flags: Pick<Flags, 'dev' | 'port' | 'data-dir'>
  readonly environment: Texts
  readonly file: EnvFile
  /** Reads a file with a secret. @throws Error that names the file and what is wrong */
  readonly readSecret: (path: string) => string
}

/** The settings that apply. */
export interface Configuration {
  readonly settings: Settings
  /** The texts of the settings by name, for `--print-config`. */
  readonly texts: Texts
  /** Where each of these texts comes from, such as `.env`. */
  readonly setBy: Texts
  /**
   * One sentence for each thing that the operator should know: unknown names, and settings that are ignored.
   */
  readonly warnings: readonly string[]
}

const flag = { type: 'boolean', default: false } as const
const value = { type: 'string' } as const
const FLAGS = { help: flag, version: flag, 'print-config': flag, dev: flag, port: value, 'data-dir': value }

/** The flags that are settings. */
const SETTING_OF_FLAG = { port: 'PORT', 'data-dir': 'DATA_DIR' } as const

/**
 * Reads the arguments of the command line.
 *
 * @throws Error that names an unknown argument, or a flag without its value
 */
export function readFlags(args: readonly string[]): Flags {
  // `pnpm start -- --help` passes the `--` to the program.
  const { values } = parseArgs({ args: args[0] === '--' ? args.slice(1) : [...args], options: FLAGS })
  for (const name of Object.keys(SETTING_OF_FLAG) as (keyof typeof SETTING_OF_FLAG)[]) {
    if (values[name]?.trim() === '') throw new Error(`--${name} needs a value`)
  }
  return values
}

/**
 * Combines the sources.
 *
 * `ENVIRONMENT=development` in `.env` is ignored. The file is often written to try the server out and stays
 * there; later it would switch off the checks of production. Use `--dev` or the environment of the process
 * instead. Other settings that are for development only are refused in production in every source.
 *
 * @throws WrongSettings that lists everything that is wrong, and what may explain it: an unreadable `.env`,
 * unknown names
 */
export function configure({ flags, environment, file, readSecret }: Sources): Configuration {
  const [fromFile, fromEnvironment] = [withoutEmpty(file.texts), withoutEmpty(environment)]
  const warnings: string[] = []
  const fromFlags = Object.entries(SETTING_OF_FLAG).flatMap(([flag, name]) => {
    const text = flags[flag as keyof typeof SETTING_OF_FLAG]
    return text === undefined ? [] : [{ name, text, source: `--${flag}` }]
  })
  const texts: Record<string, string | undefined> = {
    ...fromFile,
    ...fromEnvironment,
    ...Object.fromEntries(fromFlags.map(({ name, text }) => [name, text])),
  }
  const setBy = {
    ...named(fromFile, '.env'),
    ...named(fromEnvironment, 'environment'),
    ...Object.fromEntries(fromFlags.map(({ name, source }) => [name, source])),
  }
  if (flags.dev) {
    const other = texts['ENVIRONMENT'] ?? 'development'
    if (!isDevelopment(other)) {
      const source = fromEnvironment['ENVIRONMENT'] === undefined ? '.env sets' : 'the environment sets'
      warnings.push(`${source} ENVIRONMENT=${other}, but --dev overrides it: this is development`)
    }
    texts['ENVIRONMENT'] = 'development'
    setBy['ENVIRONMENT'] = '--dev'
  } else if (fromEnvironment['ENVIRONMENT'] === undefined && isDevelopment(fromFile['ENVIRONMENT'] ?? '')) {
    warnings.push(
      '.env sets ENVIRONMENT=development, which is ignored there: this is production. ' +
        'To start development, use --dev (pnpm dev), or set ENVIRONMENT=development in the environment of the process',
    )
    delete texts['ENVIRONMENT']
  }
  warnings.push(...badLines(file), ...unknownNames(Object.keys(file.texts), Object.keys(fromEnvironment)))
  const complete = withSecretFiles(texts, readSecret)
  const problems = [...(file.problem === undefined ? [] : [file.problem]), ...complete.problems]
  try {
    const settings = readSettings(complete.texts)
    for (const name of Object.keys(complete.texts)) {
      setBy[name] ??= `${fileNameOf(name)}, ${setBy[fileNameOf(name)]}`
    }
    if (problems.length === 0) return { settings, texts: complete.texts, setBy, warnings }
  } catch (error) {
    if (!(error instanceof WrongSettings)) throw error
    problems.push(...error.problems)
  }
  throw new WrongSettings(problems, warnings)
}

/** The names of texts, each with the source of its text. */
function named(texts: Texts, source: string): Record<string, string> {
  return Object.fromEntries(Object.keys(texts).map(name => [name, source]))
}

/** Compares as `readSettings` does: outer spaces and case do not matter. */
function isDevelopment(text: string): boolean {
  return text.trim().toLowerCase() === 'development'
}

/** Removes empty texts: `PORT=` in the environment does not unset the value of `.env`. */
function withoutEmpty(texts: Texts): Texts {
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text?.trim()))
}

function badLines({ badLines: lines }: EnvFile): string[] {
  if (lines.length === 0) return []
  const [what, are] = lines.length === 1 ? ['line', 'is'] : ['lines', 'are']
  return [`.env: ${what} ${lines.join(', ')} ${are} not NAME=value, and ignored`]
}

/**
 * How many typing errors a name of a given length may have. In `.env` every unknown name is a mistake; in the
 * environment, most unknown names belong to other programs.
 */
const MAX_ERRORS_IN_FILE = (length: number): number => (length < 5 ? 1 : length < 8 ? 2 : 3)
const MAX_ERRORS_IN_ENVIRONMENT = (length: number): number => (length < 8 ? 1 : 2)

/**
 * Warnings about the unknown names of `.env`, and about names of the environment that are similar to a
 * setting.
 */
function unknownNames(inFile: readonly string[], inEnvironment: readonly string[]): string[] {
  const known = [...Object.keys(settingsTable), ...secretFileNames]
  const isUnknown = (name: string): boolean => !known.includes(name)
  return [
    ...inFile.filter(isUnknown).map(name => {
      // In `set PORT=3050`, as in a Windows batch file, the last word is the name.
      const near = nearName(name.split(/\s/).at(-1) ?? name, known, MAX_ERRORS_IN_FILE)
      return `.env: ${short(name)} is unknown${near === undefined ? '' : `; did you mean ${near}?`}`
    }),
    ...inEnvironment.filter(isUnknown).flatMap(name => {
      const near = nearName(name, known, MAX_ERRORS_IN_ENVIRONMENT)
      return near === undefined ? [] : [`environment: ${short(name)} is unknown; did you mean ${near}?`]
    }),
  ]
}

/** Shortens a long name for a message. */
function short(name: string): string {
  return name.length > 60 ? `${name.slice(0, 60)}…` : name
}
