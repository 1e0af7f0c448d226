import { type CryptoKey, compactVerify, createLocalJWKSet, errors, type JSONWebKeySet } from 'jose'
import { type Pace, readyAt, type Spent, spend } from '../presence/pace.ts'
import type { ReadToken } from './token.ts'

/** The algorithms of public keys. Never one of a shared secret: a public key must not become such a secret. */
export const PUBLIC_KEY_ALGORITHMS = ['RS256', 'ES256', 'EdDSA', 'Ed25519']

/** Whether a token is signed by one of the keys; `unavailable` if the keys that are needed can't be fetched. */
export type SignedBy = 'yes' | 'no' | 'unavailable'

export interface RemoteKeysOptions {
  /** Fetches the key set (JWKS) of the issuer. Rejects if that fails; it must end in bounded time. */
  readonly fetchKeys: () => Promise<unknown>
  /** Durations, in ms: `Clock.steady`. */
  readonly steady: () => number
  /** Called with the reason when the keys could not be fetched. */
  readonly failed: (reason: string) => void
}

/** How old keys may be before they are fetched again, in ms. After that, a revoked key is no longer accepted. */
export const FRESH_MS = 600_000

/**
 * How often keys are fetched: anybody can send a token with an unknown key id. Ten at once, because issuers that
 * change keys may do so several times in a row; then one every two seconds.
 */
const FETCHES: Pace = { burst: 10, everyMs: 2_000 }

type LocalKeys = ReturnType<typeof createLocalJWKSet>

/**
 * The public keys of one issuer, from its server.
 *
 * `createRemoteJWKSet` of `jose` has three properties that do not fit here. It refuses all tokens when the keys are ten
 * minutes old and their server is down. It refuses a new key for 30 s after each fetch, which would be false when an
 * issuer changes its keys. And failed fetches have no rate limit.
 *
 * - A token with an unknown key waits for keys that are fetched after it arrived. Tokens that wait share a fetch.
 * - If the rate limit of fetches is reached, or the fetch fails, the token may be valid: the result is `unavailable`,
 *   never `no`.
 * - Old keys are used until newer ones were fetched.
 */
export class RemoteKeys {
  readonly #options: RemoteKeysOptions
  #keys: LocalKeys | undefined
  #fetchedAt = Number.NEGATIVE_INFINITY
  #pending: Promise<boolean> | undefined
  #spent: Spent = 0

  constructor(options: RemoteKeysOptions) {
    this.#options = options
  }

  /** Checks the signature of a token. Never rejects. */
  async verify(token: ReadToken): Promise<SignedBy> {
    if (this.#keys && this.#options.steady() - this.#fetchedAt >= FRESH_MS) void this.#fetch()
    let answer = await this.#verifyNow(token)
    // This fetch may have begun before the issuer published the key.
    if (answer === 'unknown key' && this.#pending && (await this.#pending))
      answer = await this.#verifyNow(token)
    if (answer !== 'unknown key') return answer
    if (!(await this.#fetch())) return 'unavailable'
    const last = await this.#verifyNow(token)
    return last === 'unknown key' ? 'no' : last
  }

  async #verifyNow(token: ReadToken): Promise<'yes' | 'no' | 'unknown key'> {
    if (!this.#keys) return 'unknown key'
    const { alg, kid } = token
    try {
      for (const key of await candidates(this.#keys, { alg, ...(kid !== undefined && { kid }) })) {
        if (await isSignedBy(token.text, key)) return 'yes'
      }
      // Without a key id, the token may be of a key that was not fetched yet.
      return kid === undefined ? 'unknown key' : 'no'
    } catch (error) {
      return error instanceof errors.JWKSNoMatchingKey ? 'unknown key' : 'no'
    }
  }

  /** Fetches the keys, or waits for a fetch that has begun. Resolves to whether there are new keys. */
  #fetch(): Promise<boolean> {
    if (this.#pending) return this.#pending
    const now = this.#options.steady()
    if (readyAt(FETCHES, this.#spent) > now) return Promise.resolve(false)
    this.#spent = spend(FETCHES, this.#spent, now)
    const pending = this.#load().finally(() => {
      this.#pending = undefined
    })
    this.#pending = pending
    return pending
  }

  async #load(): Promise<boolean> {
    try {
      this.#keys = createLocalJWKSet((await this.#options.fetchKeys()) as JSONWebKeySet)
      this.#fetchedAt = this.#options.steady()
      return true
    } catch (error) {
      this.#options.failed((error as Error).message)
      return false
    }
  }
}

/** The keys that may have signed a token: several if it has no key id. */
async function candidates(
  keys: LocalKeys,
  header: { readonly alg: string; readonly kid?: string },
): Promise<readonly CryptoKey[]> {
  try {
    return [await keys(header)]
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) throw error
    const all: CryptoKey[] = []
    for await (const key of error) all.push(key)
    return all
  }
}

async function isSignedBy(token: string, key: CryptoKey): Promise<boolean> {
  try {
    await compactVerify(token, key, { algorithms: PUBLIC_KEY_ALGORITHMS })
    return true
  } catch {
    return false
  }
}
