import { createHash, timingSafeEqual } from 'node:crypto'
import type { RequestHandler } from 'express'
import type { ApiKey } from '../api-keys.ts'
import { problem } from './problem.ts'

/** Makes a browser ask its user for a password (RFC 7617). It stores the password under the realm. */
const CHALLENGE = 'Basic realm="who-is-online", charset="UTF-8"'

/**
 * Requires the API key: as `Authorization: Bearer KEY`, or as the password of `Authorization: Basic` with any
 * user name. Other requests get a 401.
 */
export function requireKey(key: string): RequestHandler {
  const wanted = digest(key)
  return (request, response, next) => {
    const given = givenKey(request.headers.authorization)
    if (given !== undefined && timingSafeEqual(digest(given), wanted)) return next()
    response.set({ 'WWW-Authenticate': CHALLENGE, 'Cache-Control': 'no-store' })
    problem(
      response,
      401,
      'the API key is required: send it as a Bearer token, or as the password of Basic with any user name',
    )
  }
}

/** Finds the key of a request. The time that takes reveals nothing about the keys. */
export class KeyRing {
  readonly #keys: readonly { readonly key: ApiKey; readonly digest: Buffer }[]

  constructor(keys: readonly ApiKey[]) {
    this.#keys = keys.map(key => ({ key, digest: digest(key.key) }))
  }

  /** The key in a header `Authorization: Bearer KEY`; `undefined` for any other header. */
  find(authorization: string | undefined): ApiKey | undefined {
    if (!isBearer(authorization)) return undefined
    const given = digest(givenKey(authorization) ?? '')
    let found: ApiKey | undefined
    for (const { key, digest } of this.#keys) if (timingSafeEqual(digest, given)) found = key
    return found
  }
}

/** Whether an Authorization header is of the scheme Bearer. */
function isBearer(authorization: string | undefined): boolean {
  return /^bearer /i.test(authorization ?? '')
}

/** The key in an Authorization header; `undefined` without a key. The scheme is case-insensitive. */
function givenKey(header = ''): string | undefined {
  const [, scheme, credentials = ''] = /^(basic|bearer) +(\S+)$/i.exec(header) ?? []
  if (scheme?.toLowerCase() !== 'basic') return scheme && credentials
  // The first colon ends the user name. The password may contain further colons.
  const [, password] = /^[^:]*:(.*)$/s.exec(Buffer.from(credentials, 'base64').toString()) ?? []
  return password
}

/** A hash of fixed length, so that the time of the comparison reveals neither the key nor its length. */
function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
