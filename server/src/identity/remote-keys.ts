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
 * How old keys must be before a wrong signature makes the server fetch them again, in ms. Anybody can send a token with
 * a wrong signature: a new key set must not cause another fetch at once.
 */
export const RECENT_MS = 5_000

/**
 * How often keys are fetched: anybody can send a token with an unknown key id. Ten at once, because issuers that
 * change keys may do so several times in a row; then one every two seconds.
 */
const FETCHES: Pace = { burst: 10, everyMs: 2_000 }

type LocalKeys = ReturnType<typeof createLocalJWKSet>

interface KeySet {
  readonly keys: LocalKeys
  /** In `steady` time. */
  readonly fetchedAt: number
}

type Answer = 'yes' | 'no' | 'unknown key'

/**
 * The public keys of one issuer, from its server.
 *
 * `createRemoteJWKSet` of `jose` has three properties that do not fit here. It refuses all tokens when the keys are ten
 * minutes old and their server is down. It refuses a new key for 30 s after each fetch, which would be false when an
 * issuer changes its keys. And failed fetches have no rate limit.
 *
 * - A token with an unknown key waits for keys that are fetched after it arrived. Tokens that wait share a fetch.
 * - A token that a known key did not sign waits in the same way, unless the keys are recent: some issuers replace a key
 *   and keep its id. If the keys can't be fetched, the result is `no`: such a token is usually a forged one.
 * - If the rate limit of fetches is reached, or the fetch fails, a token with an unknown key may be valid: the
 *   result is `unavailable`, never `no`.
 * - Old keys are used until newer ones were fetched. A key set without a usable key counts as a failed fetch: otherwise
 *   one wrong answer of the provider would refuse all users.
 */
export class RemoteKeys {
  readonly #options: RemoteKeysOptions
  #known: KeySet | undefined
  #pending: Promise<boolean> | undefined
  #spent: Spent = 0

  constructor(options: RemoteKeysOptions) {
    this.#options = options
  }

  /** Checks the signature of a token. Never rejects. */
  async verify(token: ReadToken): Promise<SignedBy> {
    if (this.#known && this.#age(this.#known) >= FRESH_MS) void this.#fetch()
    let used = this.#known
    let answer = await verifyWith(used, token)
    if (!this.#mayChange(answer, used)) return answer
    // A fetch under way may have begun before the issuer published the key. So its keys can accept the token, but only
    // a later fetch can refuse it.
    await this.#pending
    if (this.#known !== used) {
      used = this.#known
      answer = await verifyWith(used, token)
      if (!this.#mayChange(answer, used)) return answer
    }
    if (!(await this.#fetch())) return answer === 'no' ? 'no' : 'unavailable'
    return (await verifyWith(this.#known, token)) === 'yes' ? 'yes' : 'no'
  }

  /** Whether newer keys may give another answer. */
  #mayChange(answer: Answer, used: KeySet | undefined): answer is 'no' | 'unknown key' {
    if (answer !== 'no') return answer === 'unknown key'
    return used !== undefined && this.#age(used) >= RECENT_MS
  }

  #age({ fetchedAt }: KeySet): number {
    return this.#options.steady() - fetchedAt
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
      const keySet = (await this.#options.fetchKeys()) as JSONWebKeySet
      const keys = createLocalJWKSet(keySet)
      if (!(await hasUsableKey(keySet)))
        throw new Error(`no key can verify ${PUBLIC_KEY_ALGORITHMS.join(', ')}`)
      this.#known = { keys, fetchedAt: this.#options.steady() }
      return true
    } catch (error) {
      this.#options.failed((error as Error).message)
      return false
    }
  }
}

/** Whether a key set has a key that could verify a token. One without would refuse all tokens. */
async function hasUsableKey({ keys }: JSONWebKeySet): Promise<boolean> {
  for (const key of keys) {
    const only = createLocalJWKSet({ keys: [key] })
    for (const alg of PUBLIC_KEY_ALGORITHMS) {
      try {
        await only({ alg })
        return true
      } catch {
        // Another algorithm, another use than `sig`, or malformed.
      }
    }
  }
  return false
}

async function verifyWith(known: KeySet | undefined, token: ReadToken): Promise<Answer> {
  if (!known) return 'unknown key'
  const { alg, kid } = token
  try {
    for (const key of await candidates(known.keys, { alg, ...(kid !== undefined && { kid }) })) {
      if (await isSignedBy(token.text, key)) return 'yes'
    }
    // Without a key id, the token may be of a key that was not fetched yet.
    return kid === undefined ? 'unknown key' : 'no'
  } catch (error) {
    return error instanceof errors.JWKSNoMatchingKey ? 'unknown key' : 'no'
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
