import { BlockList, isIP } from 'node:net'

// Every setting once: name, default, meaning, and how its text becomes a value. The type, .env.example,
// docs/settings.md, --help and the start-up errors are made from this table. A number brings its reason.

interface Setting<Value> {
  /** What an unset setting reads as; `null` where the text of `meaning` says what happens then. */
  readonly default: string | null
  readonly meaning: string
  /** @throws Error whose message completes the sentence "NAME must be …" */
  readonly parse: (text: string) => Value
  /** Whether nobody is to read the value, here or in a log. */
  readonly isSecret?: boolean
}

function setting<Value>(
  byDefault: string | null,
  meaning: string,
  parse: (text: string) => Value,
): Setting<Value> {
  return { default: byDefault, meaning, parse }
}

/** A setting that has no default, and that is never printed. */
function secret<Value>(meaning: string, parse: (text: string) => Value): Setting<Value> {
  return { ...setting(null, meaning, parse), isSecret: true }
}

const text = (value: string): string => value

/** As long as 24 random bytes are in base64: nobody guesses it. Any of its characters can stand in a header. */
function key(value: string): string {
  if (/^[!-~]{32,}$/.test(value)) return value
  throw new Error(
    'at least 32 printable ASCII characters without spaces, such as openssl rand -base64 32 prints',
  )
}

function whole(min: number, max = Number.MAX_SAFE_INTEGER): (value: string) => number {
  return value => {
    const number = Number(value)
    if (/^\d+$/.test(value) && number >= min && number <= max) return number
    const range = max === Number.MAX_SAFE_INTEGER ? `of at least ${min}` : `from ${min} to ${max}`
    throw new Error(`a whole number ${range}`)
  }
}

function oneOf<Word extends string>(...words: Word[]): (value: string) => Word {
  return value => {
    const word = words.find(known => known === value.toLowerCase())
    if (word === undefined) throw new Error(words.map(known => `"${known}"`).join(' or '))
    return word
  }
}

/** An address or a host name; of an IPv6 address, the form in brackets as well. */
function host(value: string): string {
  const bare = value.replace(/^\[(.*)\]$/, '$1')
  if (isIP(bare) !== 0 || /^[\w.-]+$/.test(bare)) return bare
  throw new Error(
    'an IP address or a host name, without scheme, port or path; unset it to listen on all interfaces',
  )
}

function origins(value: string): readonly string[] {
  return list(value).map(item => {
    if (URL.canParse(item) && new URL(item).origin === item) return item
    throw new Error(
      `a list of origins such as https://app.example.com, separated by commas; ${JSON.stringify(item)} is none`,
    )
  })
}

/** Whose `X-Forwarded-For` is believed: the last `hops` proxies, or those whose address is in `ranges`. */
export type TrustProxy =
  | { readonly kind: 'hops'; readonly hops: number }
  | { readonly kind: 'ranges'; readonly ranges: BlockList }

function trustProxy(value: string): TrustProxy {
  if (/^\d{1,2}$/.test(value)) return { kind: 'hops', hops: Number(value) }
  const ranges = new BlockList()
  for (const item of list(value)) {
    const [address = '', prefix = ''] = item.split('/')
    const family = isIP(address)
    const bits = Number(prefix)
    if (family === 0 || !/^\d+$/.test(prefix) || bits > (family === 6 ? 128 : 32)) {
      throw new Error(
        `a number of proxies, or a list of CIDR ranges such as 10.0.0.0/8; ${JSON.stringify(item)} is neither`,
      )
    }
    ranges.addSubnet(address, bits, family === 6 ? 'ipv6' : 'ipv4')
  }
  return { kind: 'ranges', ranges }
}

function list(value: string): string[] {
  return value
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}

export const settingsTable = {
  PORT: setting('3050', 'The TCP port to listen on; 0 takes any free one.', whole(0, 65_535)),
  HOST: setting(null, 'The address to listen on, such as 127.0.0.1 or ::1; unset, all interfaces.', host),
  ENVIRONMENT: setting(
    'production',
    'development: readable logs, debug lines, browsers on this machine and in private networks are let in, and a user is whoever ?userId= says. production: JSON logs, nothing of the kind. development counts only as --dev or in the environment of the process, not in .env, which would stay there when the server goes into production.',
    oneOf('development', 'production'),
  ),
  AUTH: setting(
    null,
    'open: a user is whoever ?userId= says, in production too. Only behind a proxy that checks it.',
    oneOf('open'),
  ),
  DATA_DIR: setting('data', 'The directory of the state files; one process on one host has it.', text),
  LOG_DIR: setting('logs', 'The directory of the log files: 5 of 10 MiB each, the oldest is dropped.', text),
  LOG_LEVEL: setting(
    null,
    'error, info or debug; unset, debug in development and info in production. debug writes lines per connection and is for development only.',
    oneOf('error', 'info', 'debug'),
  ),
  DASHBOARD: setting(
    null,
    'on: a page at / shows everybody, with name, status and last seen, to whoever has API_KEY, without which it can’t be on in production. off: no such page. Unset, on in development and off in production.',
    oneOf('on', 'off'),
  ),
  API_KEY: secret(
    'Opens the live page: where it is set, the page asks for it, as the password of any user name or as a Bearer token. /ws does not ask: with AUTH=open, whoever can connect sees everybody all the same. At least 32 printable ASCII characters without spaces, such as openssl rand -base64 32 prints, since it must not be guessed; never printed. Unset, the page is open in development, and can’t be on in production.',
    key,
  ),
  COMPRESSION: setting(
    'off',
    'on: to clients that offer permessage-deflate changes and large answers go deflated, once for all who are told the same: a sixth of the bytes of a busy server, for no more CPU. Costs some time for each large answer to one client, and 20 to 30 KB for each client that sends deflated messages, as browsers do.',
    oneOf('on', 'off'),
  ),
  ALLOWED_ORIGINS: setting(
    '',
    'Web pages that may connect, besides those from the server’s own host: a list of origins such as https://app.example.com.',
    origins,
  ),
  TRUST_PROXY: setting(
    null,
    'Whose X-Forwarded-For is believed: how many proxies stand before the server, or a list of their CIDR ranges. Unset, nobody’s, and connections from private addresses are not counted against the limits per address, since they may be a proxy’s.',
    trustProxy,
  ),
  OFFLINE_GRACE_MS: setting(
    '5000',
    'How long a user whose connection broke is held before being shown as offline. 5 s spans a page reload or a change of network.',
    whole(0, 3_600_000),
  ),
  RESTART_GRACE_MS: setting(
    '30000',
    'The same after a start, in ms, for all users who were online when the server stopped. 30 s is as long as the client library takes at most to be back: an attempt that hangs for 10 s, a wait of up to 10 s, and a new attempt.',
    whole(0, 3_600_000),
  ),
  INACTIVE_GRACE_MS: setting(
    '75000',
    'The same in both cases, in ms, for a session whose client said that nobody looks at it (client_state inactive), if it is longer: browsers let a hidden tab run only once a minute.',
    whole(0, 3_600_000),
  ),
  HIDDEN_KEEP_MS: setting(
    '3600000',
    'How long, in ms, a hidden user whose connection was lost stays hidden on returning: nobody is shown online because of a tunnel. Leaving on purpose ends it at once. For as long the time of any other choice is remembered, so that a device that returns with an older one does not undo it.',
    whole(0, 86_400_000),
  ),
  PING_MS: setting(
    '15000',
    'How long a connection may be quiet before it is pinged, ± 10 %. With PONG_TIMEOUT_MS and the grace, a client that vanished is offline within 30 s.',
    whole(100, 3_600_000),
  ),
  PONG_TIMEOUT_MS: setting(
    '8000',
    'How long a pinged connection may stay quiet before it is given up. 8 s spans a mobile network waking up.',
    whole(100, 3_600_000),
  ),
  ALL_USERS_LIMIT: setting(
    '10000',
    'The most users an all_users answer lists, online ones first: about 1 MB.',
    whole(1, 100_000),
  ),
  SAVE_EVERY_MS: setting(
    '30000',
    'How often the state file is rewritten while something changes. Between, the journal keeps every change within 150 ms.',
    whole(1_000, 3_600_000),
  ),
  KEEP_DAYS: setting(
    '30',
    'How many days a user who does not come back is remembered. Only days in which a server runs count, so that no wrong clock makes anybody forgotten.',
    whole(1, 36_500),
  ),
  MAX_KNOWN_USERS: setting(
    '1000000',
    'How many users are remembered, about 110 bytes each where ids have 32 characters; beyond, one long gone is forgotten for each new one. 16 million is as many as one map holds.',
    whole(1, 16_000_000),
  ),
  LIMITS: setting(
    'on',
    'off lifts all limits of rate and number below, for benchmarks; refused in production.',
    oneOf('on', 'off'),
  ),
  MAX_CONNECTIONS: setting(
    null,
    'The most connections at once; unset, 20,000. Never more than the open-file limit of the process carries: all of its files but 256, and at least half of them. The start says so.',
    whole(1, 1_000_000),
  ),
  MAX_CONNECTIONS_PER_USER: setting(
    '50',
    'The most connections of one user: more than tabs, fewer than an attack.',
    whole(1),
  ),
  MAX_CONNECTIONS_PER_ADDRESS: setting(
    '1000',
    'The most connections from one address, or one IPv6 network (/64): an office behind one router.',
    whole(1),
  ),
  HANDSHAKES_PER_SECOND: setting(
    '1000',
    'New connections per second, and twice as many at once: what one core can welcome.',
    whole(1),
  ),
  HANDSHAKES_PER_SECOND_PER_ADDRESS: setting(
    '50',
    'New connections per second from one address, or one IPv6 network (/64), after the first HANDSHAKES_BURST_PER_ADDRESS.',
    whole(1),
  ),
  HANDSHAKES_BURST_PER_ADDRESS: setting(
    '1000',
    'How many new connections may come at once from one address: after a restart 1,000 clients behind one router are all back within RESTART_GRACE_MS.',
    whole(1),
  ),
  MESSAGES_PER_SECOND: setting(
    '20',
    'Messages per second of one connection; beyond, they are refused, and after ten seconds of it the connection is closed.',
    whole(1),
  ),
  MESSAGES_BURST: setting('200', 'How many messages may come at once.', whole(1)),
  STATUS_CHANGES_PER_WINDOW: setting(
    '10',
    'How often one user’s visible presence may change in 30 s; beyond, what others see lags by some seconds. Hiding never waits.',
    whole(1, 30_000),
  ),
  MAX_WATCHED_USERS: setting(
    '10000',
    'How many users one connection may follow by name: more contacts than anybody has.',
    whole(1),
  ),
  MAX_WATCHED_IDS: setting(
    '2000000',
    'How many user ids all connections together may follow, each as often as it is: some 70 bytes each, and ten times that where nobody else follows the user.',
    whole(1),
  ),
  RECENT_CHANGES: setting(
    '100000',
    'How many changes are kept for clients that come back and ask what they missed: three minutes of 500 a second, some 10 MB. Whoever was away longer gets everything anew.',
    whole(1, 10_000_000),
  ),
  MAX_BUFFERED_BYTES: setting(
    '1048576',
    'How much may wait for a client that reads too slowly before it is closed with 4508: some 8,000 changes.',
    whole(65_536),
  ),
} as const satisfies Record<string, Setting<unknown>>

export type SettingName = keyof typeof settingsTable

/** Every setting as a value; undefined where an unset one has no default. */
export type Settings = {
  readonly [Name in SettingName]: (typeof settingsTable)[Name] extends Setting<infer Value>
    ? Value | (Name extends OptionalName ? undefined : never)
    : never
}

type OptionalName =
  | 'HOST'
  | 'AUTH'
  | 'DASHBOARD'
  | 'API_KEY'
  | 'LOG_LEVEL'
  | 'TRUST_PROXY'
  | 'MAX_CONNECTIONS'

/** Says everything that is wrong with the settings, a line each, and what may explain it. */
export class WrongSettings extends Error {
  override readonly name = 'WrongSettings'
  readonly problems: readonly string[]
  /** @param hints what is not wrong by itself, but may be the reason. */
  constructor(problems: readonly string[], hints: readonly string[] = []) {
    const lines = (texts: readonly string[]): string => texts.map(text => `\n  ${text}`).join('')
    super(`wrong settings:${lines(problems)}${hints.length > 0 ? `\nthis may be why:${lines(hints)}` : ''}`)
    this.problems = problems
  }
}

/**
 * Reads the settings from texts by name, such as an environment; an empty text counts as unset.
 * @throws WrongSettings that lists everything that is wrong, not only the first.
 */
export function readSettings(texts: Readonly<Record<string, string | undefined>>): Settings {
  const problems: string[] = []
  const values: Record<string, unknown> = {}
  for (const [name, { default: byDefault, parse, isSecret }] of Object.entries(settingsTable)) {
    const value = texts[name]?.trim() || byDefault
    if (value === null) continue
    try {
      values[name] = parse(value)
    } catch (error) {
      const given = isSecret ? '' : `, not ${JSON.stringify(value)}`
      problems.push(`${name} must be ${(error as Error).message}${given}`)
    }
  }
  const settings = values as Settings
  if (problems.length === 0) problems.push(...contradictions(settings))
  if (problems.length > 0) throw new WrongSettings(problems)
  return settings
}

function contradictions(settings: Settings): string[] {
  if (settings.ENVIRONMENT === 'development') return []
  const problems: string[] = []
  if (settings.AUTH !== 'open') {
    problems.push(
      'AUTH must be "open" in production: this version can’t check who a user is, identity by token is not there yet. ' +
        'Set AUTH=open if something in front of the server checks ?userId=. To try the server out, start it with --dev (pnpm dev).',
    )
  }
  if (settings.DASHBOARD === 'on' && settings.API_KEY === undefined) {
    problems.push(
      'API_KEY must be set in production where DASHBOARD is "on": the page shows everybody, to whoever has the key. ' +
        'Set it to what openssl rand -base64 32 prints, or DASHBOARD=off.',
    )
  }
  if (settings.LIMITS === 'off') problems.push('LIMITS must be "on" in production')
  if (settings.LOG_LEVEL === 'debug') problems.push('LOG_LEVEL must be "info" or "error" in production')
  return problems
}

/** What `--print-config` prints: every setting, of a secret one only whether it is set. */
export function describe(texts: Readonly<Record<string, string | undefined>>): string {
  return Object.entries(settingsTable)
    .map(([name, { default: byDefault, isSecret }]) => {
      const value = texts[name] ?? byDefault ?? ''
      return `${name}=${isSecret && value ? '(set, hidden)' : value}`
    })
    .join('\n')
}

/** What `--help` prints. */
export function help(): string {
  const settings = Object.entries(settingsTable).map(([name, { default: byDefault, meaning }]) => {
    return `  ${name}${byDefault ? `=${byDefault}` : ''}\n      ${meaning}`
  })
  return [
    'who-is-online: tells who is online, over a WebSocket at /ws?userId=ID',
    '',
    '  --help          this text',
    '  --version       the version',
    '  --print-config  the settings as they would be used',
    '  --dev           development, whatever ENVIRONMENT says',
    '',
    'Exit codes: 0 stopped, 1 failed, 64 wrong flag, 75 another process has the data directory, 78 wrong settings or state.',
    '',
    'Settings, from the environment of the process or else from .env in this directory:',
    '',
    ...settings,
  ].join('\n')
}
