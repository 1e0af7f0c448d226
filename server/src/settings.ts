import type { Values } from './setting-values.ts'
import { allSettings, type settingsTable } from './settings-table.ts'

/** Every setting as a value. A setting without a default is undefined while it is unset. */
export type Settings = {
  readonly [Name in keyof typeof settingsTable]: (typeof settingsTable)[Name] extends {
    readonly values: Values<infer Value>
    readonly default: infer Default
  }
    ? Value | (Default extends null ? undefined : never)
    : never
}

/** Wrong settings. The message has one line for each problem, and one for each hint. */
export class WrongSettings extends Error {
  override readonly name = 'WrongSettings'
  readonly problems: readonly string[]
  /** @param hints what is not wrong by itself but may be the reason, such as an unknown name. */
  constructor(problems: readonly string[], hints: readonly string[] = []) {
    const lines = (texts: readonly string[]): string => texts.map(text => `\n  ${text}`).join('')
    super(`wrong settings:${lines(problems)}${hints.length > 0 ? `\nthis may be why:${lines(hints)}` : ''}`)
    this.problems = problems
  }
}

/**
 * Reads the settings from texts by name, such as an environment. An empty text counts as unset.
 * @throws WrongSettings that lists all problems, not only the first.
 */
export function readSettings(texts: Readonly<Record<string, string | undefined>>): Settings {
  const problems: string[] = []
  const parsed: Record<string, unknown> = {}
  for (const [name, { default: byDefault, values, isSecret }] of allSettings) {
    const value = texts[name]?.trim() || byDefault
    if (value === null) continue
    try {
      parsed[name] = values.parse(value)
    } catch (error) {
      const given = isSecret ? '' : `, not ${JSON.stringify(value)}`
      problems.push(`${name} must be ${(error as Error).message}${given}`)
    }
  }
  const read = parsed as Settings
  if (problems.length === 0) problems.push(...contradictions(read))
  if (problems.length > 0) throw new WrongSettings(problems)
  return read
}

/** Settings that are valid alone but not together. */
function contradictions({ ENVIRONMENT, AUTH, DASHBOARD, API_KEY, LIMITS, LOG_LEVEL }: Settings): string[] {
  if (ENVIRONMENT === 'development') return []
  const problems: string[] = []
  if (AUTH !== 'open') {
    problems.push(
      'AUTH must be "open" in production: this version cannot check who a user is; identity by token is not implemented yet. ' +
        'Set AUTH=open if a proxy in front of the server checks ?userId=. To try the server, start it with --dev (pnpm dev).',
    )
  }
  if (DASHBOARD === 'on' && API_KEY === undefined) {
    problems.push(
      'API_KEY must be set in production if DASHBOARD is "on": the live page shows all users to anybody who has the key. ' +
        'Set it to the output of openssl rand -base64 32, or set DASHBOARD=off.',
    )
  }
  if (LIMITS === 'off') problems.push('LIMITS must be "on" in production')
  if (LOG_LEVEL === 'debug') problems.push('LOG_LEVEL must be "info" or "error" in production')
  return problems
}
