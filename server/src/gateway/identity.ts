import type { Dialect } from '@who-is-online/protocol/catalogue'
import { isName, NAME_RULE, type UserId } from '@who-is-online/protocol/words'

/** Who a connection is. */
export type Identified =
  | {
      readonly state: 'known'
      readonly userId: UserId
      readonly username: string | undefined
      /** The tab or device, as the client names it; v1 has no word for it. */
      readonly sessionId: string | undefined
    }
  /** Nobody can be told from this; `text` tells the developer why. The client hears it and 4400. */
  | { readonly state: 'unusable'; readonly text: string }

/** Decides who a connection is, from its request alone. */
export interface Identity {
  identify(url: string, dialect: Dialect): Identified
}

/** A user is whoever the query says: for development, and behind something that has checked it. */
export const openIdentity: Identity = {
  identify(url, dialect) {
    const query = parseQuery(url)
    if (!query) return { state: 'unusable', text: 'the query is not well-formed percent-encoded UTF-8' }
    const names: Record<string, string | undefined> = {}
    for (const field of dialect === 'v1' ? ['userId', 'username'] : ['userId', 'username', 'sessionId']) {
      const [name, ...others] = query.get(field)?.filter(given => given !== '' || field === 'userId') ?? []
      if (others.length > 0) return { state: 'unusable', text: `"${field}" is there more than once` }
      if (name !== undefined && !isName(name)) {
        return { state: 'unusable', text: `"${field}" must be ${NAME_RULE}` }
      }
      names[field] = name
    }
    const { userId, username, sessionId } = names
    if (userId === undefined) {
      return { state: 'unusable', text: '"userId" is missing: connect to /ws?userId=ID' }
    }
    return { state: 'known', userId, username, sessionId }
  },
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
