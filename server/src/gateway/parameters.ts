import type { ProtocolVersion } from '@who-is-online/protocol/catalogue'
import {
  DEVICE_RULE,
  isDevice,
  isName,
  isTime,
  NAME_RULE,
  STATUSES,
  type Status,
  TIME_RULE,
  type UserId,
} from '@who-is-online/protocol/words'
import type { FirstChoice } from '../presence/choice.ts'

/** The parameters of the URL of a connection. All are optional, and none is proven. */
export interface Parameters {
  readonly userId: UserId | undefined
  readonly username: string | undefined
  /** The id that the client gave its tab or device. v1 has no such parameter. */
  readonly sessionId: string | undefined
  /** The kind of device, such as `web` or `ios`. v1 has no such parameter. */
  readonly device: string | undefined
  /** The choice that the client connects with. */
  readonly choice: FirstChoice | undefined
  /** The values of `token`, as given. Nothing but identity may read them, and nothing may log them. */
  readonly tokens: readonly string[]
  /** The names of all parameters, also of unknown ones. */
  readonly names: readonly string[]
}

/** Reads the parameters of a URL. If one of them is invalid, returns a sentence that says which, and why. */
export function readParameters(url: string, version: ProtocolVersion): Parameters | string {
  const query = parseQuery(url)
  if (!query) return 'the query is not well-formed percent-encoded UTF-8'
  const given: Partial<Record<Field, string>> = {}
  for (const [field, { isValid, rule }] of Object.entries(FIELDS[version]) as [Field, Rule][]) {
    const [value, ...others] = query.get(field)?.filter(given => given !== '' || field === 'userId') ?? []
    if (others.length > 0) return `"${field}" must be given only once`
    if (value === undefined) continue
    if (!isValid(value)) return `"${field}" must be ${rule}`
    given[field] = value
  }
  const { userId, username, sessionId, device, status, expiresAt, chosenAt } = given
  if (status === undefined && (expiresAt ?? chosenAt) !== undefined) {
    return `"${expiresAt === undefined ? 'chosenAt' : 'expiresAt'}" requires "status"`
  }
  const choice = status && {
    status: status as Status,
    expiresAt: timeOf(expiresAt),
    madeAt: timeOf(chosenAt),
  }
  return {
    userId,
    username,
    sessionId,
    device,
    choice: choice || undefined,
    tokens: query.get('token')?.filter(token => token !== '') ?? [],
    names: [...query.keys()],
  }
}

type Field = 'userId' | 'username' | 'sessionId' | 'device' | 'status' | 'expiresAt' | 'chosenAt'

interface Rule {
  readonly isValid: (value: string) => boolean
  /** Completes the sentence "FIELD must be …". */
  readonly rule: string
}

const name: Rule = { isValid: isName, rule: NAME_RULE }
const time: Rule = { isValid: isTime, rule: TIME_RULE }

function oneOf(...words: readonly string[]): Rule {
  return { isValid: value => words.includes(value), rule: words.map(word => `"${word}"`).join(' or ') }
}

/** The query parameters of each protocol version. All others are ignored. */
const FIELDS: Readonly<Record<ProtocolVersion, Partial<Record<Field, Rule>>>> = {
  v1: { userId: name, username: name, status: oneOf('online', 'offline') },
  v2: {
    userId: name,
    username: name,
    sessionId: name,
    device: { isValid: isDevice, rule: DEVICE_RULE },
    status: oneOf(...STATUSES),
    expiresAt: time,
    chosenAt: time,
  },
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text)
}

/**
 * Parses the query of a URL. `undefined` if it is not valid percent-encoded UTF-8: `URLSearchParams` replaces
 * invalid bytes by U+FFFD, so two user ids could become the same.
 */
function parseQuery(url: string): Map<string, string[]> | undefined {
  const query = new Map<string, string[]>()
  const begin = url.indexOf('?')
  if (begin < 0) return query
  try {
    for (const pair of url.slice(begin + 1).split('&')) {
      const [key = '', ...value] = pair.split('=')
      const name = decode(key)
      query.set(name, [...(query.get(name) ?? []), decode(value.join('='))])
    }
  } catch {
    return undefined
  }
  return query
}

function decode(text: string): string {
  // Most values contain nothing to decode, and this test is faster.
  return /[%+]/.test(text) ? decodeURIComponent(text.replaceAll('+', ' ')) : text
}
