import { isName, NAME_RULE, type UserId } from '@who-is-online/protocol/words'

/** Who a connection is. */
export type Identified =
  | { readonly state: 'known'; readonly userId: UserId; readonly username: string | undefined }
  /** Nobody can be told from this; `text` tells the developer why. The client hears it and 4400. */
  | { readonly state: 'unusable'; readonly text: string }

/** Decides who a connection is, from its request alone. */
export interface Identity {
  identify(url: string): Identified
}

/** A user is whoever the query says: for development, and behind something that has checked it. */
export const openIdentity: Identity = {
  identify(url) {
    const query = parseQuery(url)
    if (!query) return { state: 'unusable', text: 'the query is not well-formed percent-encoded UTF-8' }
    const [userId, ...others] = query.get('userId') ?? []
    if (userId === undefined)
      return { state: 'unusable', text: '"userId" is missing: connect to /ws?userId=ID' }
    if (others.length > 0) return { state: 'unusable', text: '"userId" is there more than once' }
    if (!isName(userId)) return { state: 'unusable', text: `"userId" must be ${NAME_RULE}` }
    const [username, ...otherNames] = query.get('username')?.filter(name => name !== '') ?? []
    if (otherNames.length > 0) return { state: 'unusable', text: '"username" is there more than once' }
    if (username !== undefined && !isName(username)) {
      return { state: 'unusable', text: `"username" must be ${NAME_RULE}` }
    }
    return { state: 'known', userId, username }
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
  return decodeURIComponent(text.replaceAll('+', ' '))
}
