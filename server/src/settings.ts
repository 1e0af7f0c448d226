import { defaultIn } from './setting.ts'
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
  const environment = environmentOf(texts)
  for (const [name, setting] of allSettings) {
    const { values, isSecret } = setting
    const value = texts[name]?.trim() || defaultIn(environment, setting)
    if (value === null) continue
    try {
      parsed[name] = values.parse(value)
    } catch (error) {
      const given = isSecret ? '' : `, not ${JSON.stringify(withoutPassword(value))}`
      problems.push(`${name} must be ${(error as Error).message}${given}`)
    }
  }
  const read = parsed as Settings
  if (problems.length === 0) problems.push(...contradictions(read))
  if (problems.length > 0) throw new WrongSettings(problems)
  return read
}

/** The environment that texts select. Any word except `development` counts as production, which is stricter. */
export function environmentOf(
  texts: Readonly<Record<string, string | undefined>>,
): 'development' | 'production' {
  return texts['ENVIRONMENT']?.trim().toLowerCase() === 'development' ? 'development' : 'production'
}

/** Settings that are valid alone but not together. */
function contradictions(settings: Settings): string[] {
  const problems = contradictionsOfIdentity(settings)
  if (settings.METRICS_PORT === settings.PORT) {
    problems.push('METRICS_PORT must not be PORT: unset it to have /metrics at PORT, or set another port')
  }
  if (settings.API_KEYS?.some(({ key }) => key === settings.API_KEY)) {
    problems.push(
      'API_KEY must not be one of API_KEYS: it is a read key of its own, and the key of the live page',
    )
  }
  if (settings.WEBHOOK_URLS && !settings.WEBHOOK_SECRET) {
    problems.push(
      'WEBHOOK_SECRET must be set if WEBHOOK_URLS is set, such as to the output of echo "whsec_$(openssl rand -base64 32)"',
    )
  }
  return settings.ENVIRONMENT === 'development' ? problems : [...problems, ...productionProblems(settings)]
}

/** Settings with which users can be identified, as an error names them. */
const IDENTITY_CHOICES =
  'AUTH_ISSUER (tokens of a provider), AUTH_JWKS_URL (its public keys), AUTH_SECRET (tokens of your own backend), ' +
  'AUTH_URL (asks your application), AUTH_HEADER (a proxy signs users in), ' +
  'or AUTH=open (a proxy in front of the server checks ?userId=)'

function contradictionsOfIdentity(settings: Settings): string[] {
  const { AUTH, AUTH_ISSUER, AUTH_JWKS_URL, AUTH_SECRET, AUTH_AUDIENCE, AUTH_COOKIE, AUTH_URL, AUTH_HEADER } =
    settings
  const problems: string[] = []
  const others = {
    AUTH_ISSUER,
    AUTH_JWKS_URL,
    AUTH_SECRET,
    AUTH_AUDIENCE,
    AUTH_COOKIE,
    AUTH_URL,
    AUTH_HEADER,
  }
  const set = Object.entries(others).flatMap(([name, value]) => (value === undefined ? [] : [name]))
  if (AUTH === 'open' && set.length > 0) {
    return [
      `AUTH must be unset if ${set.join(' and ')} is set: with AUTH=open, no token and no user is checked`,
    ]
  }
  const hasPublicKeys = AUTH_ISSUER !== undefined || AUTH_JWKS_URL !== undefined
  if (hasPublicKeys && AUTH_AUDIENCE === undefined) {
    problems.push(
      'AUTH_AUDIENCE must be set with AUTH_ISSUER or AUTH_JWKS_URL: an issuer also signs tokens for other applications. ' +
        'Set the audience of your tokens (docs/auth.md lists providers), or any to accept all of them',
    )
  }
  const hasKeys = hasPublicKeys || AUTH_SECRET !== undefined
  for (const [name, value] of Object.entries({ AUTH_AUDIENCE, AUTH_COOKIE })) {
    if (value !== undefined && !hasKeys) {
      problems.push(
        `${name} must be set together with AUTH_ISSUER, AUTH_JWKS_URL or AUTH_SECRET, which verify tokens`,
      )
    }
  }
  if (AUTH_HEADER !== undefined && settings.TRUST_PROXY?.kind !== 'ranges') {
    problems.push(
      'TRUST_PROXY must be a list of CIDR ranges if AUTH_HEADER is set, such as 10.0.0.0/8: ' +
        'with a number of proxies, anybody who reaches the port could set the header',
    )
  }
  return problems
}

function productionProblems(settings: Settings): string[] {
  const { AUTH, AUTH_ISSUER, AUTH_JWKS_URL, AUTH_SECRET, AUTH_URL, AUTH_HEADER } = settings
  const { DASHBOARD, API_KEY, LIMITS, LOG_LEVEL } = settings
  const problems: string[] = []
  if ((AUTH ?? AUTH_ISSUER ?? AUTH_JWKS_URL ?? AUTH_SECRET ?? AUTH_URL ?? AUTH_HEADER) === undefined) {
    problems.push(
      `AUTH or another setting of identity must be set in production. Set one of ${IDENTITY_CHOICES}. ` +
        'To try the server, start it with --dev (pnpm dev).',
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

/** Hides the user name and the password in a URL, so that the text may be printed. */
export function withoutPassword(value: string): string {
  return value.replaceAll(/\/\/[^/@\s]*@/g, '//…@')
}
