import { notRenewable } from './answer.ts'
import { identifyByHeader } from './auth-header.ts'
import type { AuthUrl } from './auth-url.ts'
import { consistent } from './consistent.ts'
import { findToken } from './credentials.ts'
import type { DefaultRights } from './grant.ts'
import type { Identified, Identity, IdentityRequest } from './identity.ts'
import type { LivePageTokens } from './live-page-tokens.ts'
import type { TokenVerifier } from './token-verifier.ts'

/** The sources of identity that the settings have switched on. */
export interface IdentitySources {
  readonly verifier: TokenVerifier | undefined
  readonly livePageTokens: LivePageTokens | undefined
  readonly authUrl: AuthUrl | undefined
  /** The settings AUTH_COOKIE and AUTH_HEADER. */
  readonly cookie: string | undefined
  readonly header: string | undefined
  readonly defaultRights: DefaultRights
}

const MISSING: Identified = {
  state: 'refused',
  rule: 'missing',
  text: 'a token is required: send it as "Authorization: Bearer TOKEN", as the subprotocol bearer.TOKEN, or as ?token=',
}

/** Identifies clients by what they can prove. The first credential that is present decides. */
export class CheckedIdentity implements Identity {
  readonly #sources: IdentitySources

  constructor(sources: IdentitySources) {
    this.#sources = sources
  }

  identify(request: IdentityRequest): Identified | Promise<Identified> {
    const identified = this.#identify(request)
    if (!(identified instanceof Promise)) return consistent(identified, request)
    return identified.then(identified => consistent(identified, request))
  }

  renew(token: string): Identified | Promise<Identified> {
    return this.#verify(token) ?? notRenewable('AUTH_URL or AUTH_HEADER')
  }

  #identify(request: IdentityRequest): Identified | Promise<Identified> {
    const { cookie, header, authUrl, defaultRights } = this.#sources
    const found = findToken(request, cookie)
    if (found.kind === 'several') {
      return {
        state: 'wrong request',
        status: 400,
        text: 'the request has several tokens that differ: send one',
      }
    }
    // A browser adds cookies to the connections of every page. Only the origin, which the caller has checked, says
    // that the page may use them.
    if (found.kind === 'token' && found.isCookie && request.headers.origin === undefined) {
      const text = 'a token in a cookie needs an Origin header, which browsers send'
      return { state: 'wrong request', status: 403, text }
    }
    const token = found.kind === 'token' ? found.token : undefined
    const verified = token === undefined ? undefined : this.#verify(token)
    if (verified !== undefined) return verified
    const asked = authUrl?.identify(request, token)
    if (asked !== undefined) return asked
    return (header === undefined ? undefined : identifyByHeader(request, header, defaultRights)) ?? MISSING
  }

  #verify(token: string): Identified | Promise<Identified> | undefined {
    const { livePageTokens, verifier } = this.#sources
    return livePageTokens?.verify(token) ?? verifier?.verify(token)
  }
}
