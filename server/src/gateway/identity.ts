import type { ProtocolVersion } from '@who-is-online/protocol/catalogue'
import {
  isName,
  isTime,
  NAME_RULE,
  STATUSES,
  type Status,
  TIME_RULE,
  type UserId,
} from '@who-is-online/protocol/words'
import type { FirstChoice } from '../presence/choice.ts'

/** Who a connection is. */
export type Identified =
  | {
      readonly state: 'known'
      readonly userId: UserId
      readonly username: string | undefined
      /** The tab or device, as the client names it; v1 has no word for it. */
      readonly sessionId: string | undefined
      /** What the user had chosen before, as the client says: the connection begins with it. */
      readonly choice: FirstChoice | undefined
    }
  /** Nobody can be told from this; `text` tells the developer why. The client hears it and 4400. */
  | { readonly state: 'unusable'; readonly text: string }

/** Decides who a connection is, from its request alone. */
export interface Identity {
  identify(url: string, version: ProtocolVersion): Identified
}

/** A user is whoever the query says: for development, and behind something that has checked it. */
export const openIdentity: Identity = {
  identify(url, version) {
    const query = parseQuery(url)
    if (!query) return { state: 'unusable', text: 'the query is not well-formed percent-encoded UTF-8' }
    const given: Partial<Record<Field, string>> = {}
    for (const [field, { isValid, rule }] of Object.entries(FIELDS[version]) as [Field, Rule][]) {
      const [value, ...others] = query.get(field)?.filter(given => given !== '' || field === 'userId') ?? []
      if (others.length > 0) return { state: 'unusable', text: `"${field}" is there more than once` }
      if (value === undefined) continue
      if (!isValid(value)) return { state: 'unusable', text: `"${field}" must be ${rule}` }
      given[field] = value
    }
    const { userId, username, sessionId, status, expiresAt, chosenAt } = given
    if (userId === undefined) {
      const near = [...query.keys()].find(name => /^user[-_]?id$/i.test(name))
      const hint = near === undefined ? '' : ` (the name is "userId", not "${near}")`
      return { state: 'unusable', text: `"userId" is missing: connect to /ws?userId=ID${hint}` }
    }
    if (status === undefined && (expiresAt ?? chosenAt) !== undefined) {
      const field = expiresAt === undefined ? 'chosenAt' : 'expiresAt'
      return { state: 'unusable', text: `"${field}" needs "status": it belongs to the choice` }
    }
    const choice = status && {
      status: status as Status,
      expiresAt: timeOf(expiresAt),
      madeAt: timeOf(chosenAt),
    }
    return { state: 'known', userId, username, sessionId, choice: choice || undefined }
  },
}

type Field = 'userId' | 'username' | 'sessionId' | 'status' | 'expiresAt' | 'chosenAt'

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

/** The parameters of a connection by version; all others are ignored. */
const FIELDS: Readonly<Record<ProtocolVersion, Partial<Record<Field, Rule>>>> = {
  v1: { userId: name, username: name, status: oneOf('online', 'offline') },
  v2: {
    userId: name,
    username: name,
    sessionId: name,
    status: oneOf(...STATUSES),
    expiresAt: time,
    chosenAt: time,
  },
}

function timeOf(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Date.parse(text)
}

/** The query of a URL, strictly: what URLSearchParams would replace by U+FFFD would make two users one. */
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
  // Most names have nothing to decode.
  return /[%+]/.test(text) ? decodeURIComponent(text.replaceAll('+', ' ')) : text
}
