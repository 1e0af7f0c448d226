import type { IdentityRequest } from './identity.ts'

/** The token of a request, and whether the browser added it by itself. */
export type Found =
  | { readonly kind: 'token'; readonly token: string; readonly isCookie: boolean }
  | { readonly kind: 'none' }
  /** The request has several tokens that differ. Taking one of them could be an attack on the user of the other. */
  | { readonly kind: 'several' }

/** The prefix of a subprotocol that carries a token: browsers can't set headers of a WebSocket. */
const SUBPROTOCOL_PREFIX = 'bearer.'

const BEARER = /^bearer +(\S+) *$/i

/**
 * Finds the token of a request: in `Authorization`, in a subprotocol `bearer.TOKEN`, in `?token=`, and else in a
 * cookie. A browser sends cookies by itself, so a cookie beside another token is no contradiction.
 *
 * @param cookie the setting AUTH_COOKIE
 */
export function findToken(
  request: Pick<IdentityRequest, 'headers' | 'tokens'>,
  cookie: string | undefined,
): Found {
  const { headers, tokens } = request
  const [, bearer] = BEARER.exec(headers.authorization ?? '') ?? []
  const sent = new Set([...(bearer === undefined ? [] : [bearer]), ...inSubprotocols(request), ...tokens])
  if (sent.size > 1) return { kind: 'several' }
  for (const token of sent) return { kind: 'token', token, isCookie: false }
  const inCookies = new Set(cookie === undefined ? [] : cookies(headers.cookie, cookie))
  if (inCookies.size > 1) return { kind: 'several' }
  for (const token of inCookies) return { kind: 'token', token, isCookie: true }
  return { kind: 'none' }
}

function inSubprotocols({ headers }: Pick<IdentityRequest, 'headers'>): string[] {
  return (headers['sec-websocket-protocol'] ?? '')
    .split(',')
    .map(offer => offer.trim())
    .filter(offer => offer.startsWith(SUBPROTOCOL_PREFIX))
    .map(offer => offer.slice(SUBPROTOCOL_PREFIX.length))
}

/** The values of a cookie. The same name can occur several times, with different paths. */
function cookies(header: string | undefined, name: string): string[] {
  return (header ?? '').split(';').flatMap(pair => {
    const [key = '', ...value] = pair.split('=')
    const text = value
      .join('=')
      .trim()
      .replace(/^"(.*)"$/, '$1')
    return key.trim() === name && text !== '' ? [text] : []
  })
}
