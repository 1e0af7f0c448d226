import { createHash, timingSafeEqual } from 'node:crypto'
import type { RequestHandler } from 'express'
import { problem } from './problem.ts'

/** How a browser is made to ask its user (RFC 7617). The name is what it keeps the answer under. */
const CHALLENGE = 'Basic realm="who-is-online", charset="UTF-8"'

/**
 * Lets a request pass that has the key, as `Authorization: Bearer KEY` or as the password of `Authorization: Basic`, whatever
 * the user name is; any other is answered with 401.
 */
export function needsKey(key: string): RequestHandler {
  const wanted = digest(key)
  return (request, response, next) => {
    const given = givenKey(request.headers.authorization)
    if (given !== undefined && timingSafeEqual(digest(given), wanted)) return next()
    response.set({ 'WWW-Authenticate': CHALLENGE, 'Cache-Control': 'no-store' })
    problem(response, 401, 'this needs the API key: as a Bearer token, or as the password of any user name')
  }
}

/** The key in an Authorization header; undefined where it has none. The name of a scheme has no case. */
function givenKey(header = ''): string | undefined {
  const [, scheme, credentials = ''] = /^(basic|bearer) +(\S+)$/i.exec(header) ?? []
  if (scheme?.toLowerCase() !== 'basic') return scheme && credentials
  // The first colon ends the user name; what comes after it is the password, colons and all.
  const [, password] = /^[^:]*:(.*)$/s.exec(Buffer.from(credentials, 'base64').toString()) ?? []
  return password
}

/** Of any key as many bytes, so that comparing takes as long whatever is compared, and tells nothing of its length. */
function digest(key: string): Buffer {
  return createHash('sha256').update(key).digest()
}
