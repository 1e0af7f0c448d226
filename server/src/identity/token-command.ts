import { createSecretKey } from 'node:crypto'
import { parseArgs } from 'node:util'
import { isName, NAME_RULE } from '@who-is-online/protocol/words'
import type { Log } from '../log.ts'
import type { Settings } from '../settings.ts'
import { createVerifier } from './create-identity.ts'
import { rightsOf } from './grant.ts'
import { sign } from './hs256.ts'
import type { Finding } from './token-verifier.ts'

// The command `token`: makes a token for a test or a script, or says what is wrong with one.

/** What the command prints. */
export interface CommandResult {
  readonly text: string
  /** `done`: exit code 0; `failed`: the token breaks a rule; `usage`: wrong flags; `config`: wrong settings. */
  readonly end: 'done' | 'failed' | 'usage' | 'config'
}

/** What the command needs of the process. */
export interface CommandPorts {
  /** The wall clock, in ms since the epoch. */
  readonly now: () => number
  readonly steady: () => number
}

export const TOKEN_USAGE = `who-is-online token --user ID [--name NAME] [--ttl 1h] [--watch all|named|ID,ID] [--rooms ROOM,ROOM] [--observer]
  prints a token that the first secret of AUTH_SECRET signs
who-is-online token --check TOKEN
  prints each rule that a token must satisfy, and whether it does; exit code 1 if not`

const OPTIONS = {
  user: { type: 'string' },
  name: { type: 'string' },
  ttl: { type: 'string', default: '1h' },
  watch: { type: 'string' },
  rooms: { type: 'string' },
  observer: { type: 'boolean', default: false },
  check: { type: 'string' },
} as const

type Flags = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>['values']

/**
 * Runs the command.
 *
 * @param args the arguments after `token`
 */
export async function runTokenCommand(
  args: readonly string[],
  settings: Settings,
  ports: CommandPorts,
): Promise<CommandResult> {
  let flags: Flags
  try {
    flags = parseArgs({ args: [...args], options: OPTIONS }).values
  } catch (error) {
    return usage((error as Error).message)
  }
  if (flags.check !== undefined) return check(flags.check, settings, ports)
  return make(flags, settings, ports)
}

function make(flags: Flags, settings: Settings, { now }: CommandPorts): CommandResult {
  const [secret] = settings.AUTH_SECRET ?? []
  if (secret === undefined) {
    return { end: 'config', text: 'AUTH_SECRET must be set: its first secret signs the token' }
  }
  const { user, name, watch, rooms, observer } = flags
  if (user === undefined) return usage('--user is missing')
  if (!isName(user)) return usage(`--user must be ${NAME_RULE}`)
  if (name !== undefined && !isName(name)) return usage(`--name must be ${NAME_RULE}`)
  const ttlMs = durationOf(flags.ttl)
  if (ttlMs === undefined)
    return usage('--ttl must be a number with s, m, h or d, such as 90s, 15m, 1h or 30d')
  const rights = {
    ...(watch !== undefined && { watch: watch === 'all' || watch === 'named' ? watch : items(watch) }),
    ...(rooms !== undefined && { rooms: items(rooms) }),
    ...(observer && { observer }),
  }
  const problem = rightsOf(rights, { watch: 'named' })
  if (typeof problem === 'string') return usage(problem)
  const { AUTH_ISSUER: [iss] = [], AUTH_AUDIENCE: audiences } = settings
  const claims = {
    ...(iss !== undefined && { iss }),
    ...(audiences !== undefined && audiences !== 'any' && { aud: audiences[0] }),
    [settings.AUTH_USER_CLAIM]: user,
    ...(name !== undefined && { [settings.AUTH_NAME_CLAIM]: name }),
    iat: Math.floor(now() / 1_000),
    exp: Math.floor((now() + ttlMs) / 1_000),
    ...(Object.keys(rights).length > 0 && { [settings.AUTH_CLAIMS]: rights }),
  }
  return { end: 'done', text: sign(claims, createSecretKey(Buffer.from(secret))) }
}

async function check(token: string, settings: Settings, ports: CommandPorts): Promise<CommandResult> {
  const reasons: string[] = []
  const log: Pick<Log, 'limited'> = {
    limited: (_kind, text, fields) => reasons.push([text, ...Object.values(fields ?? {})].join(': ')),
  }
  const verifier = createVerifier(settings, { clock: ports, log })
  if (!verifier) {
    return {
      end: 'config',
      text: 'AUTH_ISSUER, AUTH_JWKS_URL or AUTH_SECRET must be set: nothing verifies tokens',
    }
  }
  const findings = await verifier.explain(token)
  const isValid = findings.every(({ problem }) => problem === undefined)
  return {
    end: isValid ? 'done' : 'failed',
    text: [
      ...findings.map(lineOf),
      ...reasons,
      isValid ? 'the token is accepted' : 'the token is refused',
    ].join('\n'),
  }
}

function lineOf({ rule, problem }: Finding): string {
  return problem === undefined ? `ok     ${rule}` : `WRONG  ${rule}: ${problem}`
}

const UNIT_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/** A duration such as `15m`, in ms. */
function durationOf(text: string): number | undefined {
  const [, digits, unit = ''] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  return digits === undefined || Number(digits) === 0 ? undefined : Number(digits) * (UNIT_MS[unit] as number)
}

function items(text: string): string[] {
  return text
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

function usage(problem: string): CommandResult {
  return { end: 'usage', text: `${problem}\n\n${TOKEN_USAGE}` }
}
