import { createSecretKey, randomBytes } from 'node:crypto'
import type { UserId } from '@who-is-online/protocol/words'
import { ALL_RIGHTS } from './grant.ts'
import { isSigned, sign } from './hs256.ts'
import type { Identified } from './identity.ts'
import { readToken } from './token.ts'

/** The header of these tokens. No other token begins with it, so most tokens need not be read here. */
const HEADER = { alg: 'HS256', typ: 'JWT', kid: 'who-is-online/live-page' } as const
const BEGINNING = `${Buffer.from(JSON.stringify(HEADER)).toString('base64url')}.`

/** How long a token is valid, in ms. The page fetches a new one before its end, and for each connection. */
export const LIVE_PAGE_TOKEN_MS = 600_000

/**
 * The tokens of the live page, where users are identified by tokens. The server gives one to each client that may load
 * the page. Their secret is new for each run of the server, and is not one of AUTH_SECRET.
 */
export class LivePageTokens {
  readonly #secret = createSecretKey(randomBytes(32))
  readonly #observer: UserId
  readonly #now: () => number

  /**
   * @param observer the user id of live pages
   * @param now the wall clock, in ms since the epoch
   */
  constructor(observer: UserId, now: () => number) {
    this.#observer = observer
    this.#now = now
  }

  /** Makes a token for one live page. */
  issue(): string {
    const exp = Math.floor((this.#now() + LIVE_PAGE_TOKEN_MS) / 1_000)
    return sign({ sub: this.#observer, exp }, this.#secret, HEADER)
  }

  /** Checks a token; `undefined` if it does not claim to be one of these. */
  verify(text: string): Identified | undefined {
    if (!text.startsWith(BEGINNING)) return undefined
    const token = readToken(text)
    if ('rule' in token) return { state: 'refused', ...token }
    if (!isSigned(token.signed, token.signature, [this.#secret])) {
      return {
        state: 'refused',
        rule: 'key',
        text: 'this token of the live page is from another run of the server',
      }
    }
    const expiresAt = (token.claims['exp'] as number) * 1_000
    if (expiresAt <= this.#now()) {
      return { state: 'refused', rule: 'time', text: 'this token of the live page has expired' }
    }
    const rights = { ...ALL_RIGHTS, observer: true }
    return {
      state: 'known',
      grant: { userId: this.#observer, username: undefined, isNameFixed: true, expiresAt, rights },
    }
  }
}
