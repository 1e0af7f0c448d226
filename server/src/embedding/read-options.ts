import { readSettings, type Settings, WrongSettings } from '../settings.ts'
import { type EmbeddingSettings, SETTING_OF } from './settings.ts'

/** The settings that say how users are identified, and that a function `authenticate` replaces. */
const IDENTITY = /^auth(?!Watch$|ExpiredGraceMs$)/

/** The options that are not settings. */
const OWN = ['path', 'authenticate', 'log']

/** A path as it is in a request: it begins with a slash, and has no query. */
const PATH = /^\/[^?#\s]*$/

/**
 * Reads the options that are settings, with the same rules as a server of its own.
 *
 * @param options may have options that are not settings, which are ignored
 * @throws WrongSettings that lists everything that is wrong, also unknown options
 */
export function readOptions(
  options: EmbeddingSettings & { readonly path?: string | undefined; readonly authenticate?: unknown },
): Settings {
  const { path, authenticate, dataDir } = options
  const given = Object.entries(options).filter(([, value]) => value !== undefined)
  const problems = given
    .map(([name]) => name)
    .filter(name => !Object.hasOwn(SETTING_OF, name) && !OWN.includes(name))
    .map(name => `${name} is not an option`)
  if (!dataDir) problems.push('dataDir is missing: name the directory of the state files')
  if (path !== undefined && !PATH.test(path))
    problems.push('path must begin with / and have no query, such as /ws')
  const replaced = given.map(([name]) => name).filter(name => IDENTITY.test(name) && name !== 'authenticate')
  if (authenticate !== undefined && replaced.length > 0) {
    problems.push(`${replaced.join(' and ')} must be left out: authenticate decides who a user is`)
  }
  if (problems.length > 0) throw new WrongSettings(problems)
  const texts = Object.fromEntries(
    Object.entries(SETTING_OF).map(([name, setting]) => [
      setting,
      textOf(options[name as keyof EmbeddingSettings]),
    ]),
  )
  // Then no setting of identity is required. Its value is not used.
  if (authenticate !== undefined) texts['AUTH'] = 'open'
  try {
    return readSettings(texts)
  } catch (error) {
    if (!(error instanceof WrongSettings)) throw error
    throw new WrongSettings(error.problems.map(inOptions))
  }
}

/** A value as the text that the environment would have. */
function textOf(value: boolean | number | string | readonly string[] | undefined): string | undefined {
  if (value === undefined) return undefined
  if (typeof value === 'boolean') return value ? 'on' : 'off'
  return String(value)
}

const OPTION_OF = new Map(Object.entries(SETTING_OF).map(([option, setting]) => [setting, option]))

/** The text of a problem with the names of options instead of settings. */
function inOptions(problem: string): string {
  return problem
    .replace(
      'To try the server, start it with --dev (pnpm dev).',
      "Or pass authenticate. To try it, set environment to 'development'.",
    )
    .replaceAll(/\b[A-Z]+(?:_[A-Z]+)*\b/g, name => OPTION_OF.get(name) ?? name)
}
