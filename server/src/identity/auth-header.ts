import { isName, NAME_RULE } from '@who-is-online/protocol/words'
import { type DefaultRights, defaultRights } from './grant.ts'
import type { Identified, IdentityRequest } from './identity.ts'

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Takes the user id from a header that a proxy sets after it has checked the user. `undefined` if the request does not
 * come from a trusted proxy, or has no such header.
 *
 * @param name the setting AUTH_HEADER, in lower case
 */
export function identifyByHeader(
  { rawHeaders, isFromProxy }: IdentityRequest,
  name: string,
  defaults: DefaultRights,
): Identified | undefined {
  if (!isFromProxy) return undefined
  const values = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name)
  const [value] = values
  if (value === undefined) return undefined
  // A proxy that adds its header to one of the client would let the client choose the user.
  if (values.length > 1) return refused(`the header ${name} must occur only once`)
  const userId = textOf(value)
  if (userId === undefined || !isName(userId)) return refused(`the header ${name} must be ${NAME_RULE}`)
  return {
    state: 'known',
    grant: {
      userId,
      username: undefined,
      isNameFixed: false,
      expiresAt: undefined,
      rights: defaultRights(defaults),
    },
  }
}

/** A header as UTF-8. Node reads headers as Latin-1. */
function textOf(value: string): string | undefined {
  try {
    return utf8.decode(Buffer.from(value, 'latin1'))
  } catch {
    return undefined
  }
}

function refused(text: string): Identified {
  return { state: 'refused', rule: 'application', text }
}
