import type { KeyObject } from 'node:crypto'
import { type ClaimRules, checkAudience, checkIssuer, checkTime, grantOf, issuerOf } from './claims.ts'
import type { Grant } from './grant.ts'
import { isSigned } from './hs256.ts'
import { type Failure, type Identified, RULES, type Rule } from './identity.ts'
import { PUBLIC_KEY_ALGORITHMS, type RemoteKeys, type SignedBy } from './remote-keys.ts'
import { type ReadToken, readToken } from './token.ts'

export interface VerifierOptions {
  /** The secrets of HS256 (AUTH_SECRET). */
  readonly secrets: readonly KeyObject[]
  /** The public keys by issuer (AUTH_ISSUER), or those of all tokens (AUTH_JWKS_URL); `undefined` without either. */
  readonly keys: ReadonlyMap<string, RemoteKeys> | RemoteKeys | undefined
  readonly claims: ClaimRules
  /** The wall clock, in ms since the epoch. */
  readonly now: () => number
}

/** One line of an explanation. */
export interface Finding {
  readonly rule: Rule
  /** Why the rule is broken; `undefined` if the token satisfies it. */
  readonly problem: string | undefined
}

const UNAVAILABLE = 'the keys of the issuer can not be fetched at present'

/** Verifies tokens. Each kind of key verifies only the algorithms of its kind. */
export class TokenVerifier {
  readonly #options: VerifierOptions
  readonly #algorithms: readonly string[]

  constructor(options: VerifierOptions) {
    const { secrets, keys } = options
    this.#options = options
    this.#algorithms = [...(secrets.length > 0 ? ['HS256'] : []), ...(keys ? PUBLIC_KEY_ALGORITHMS : [])]
  }

  /** Verifies a token. Returns a promise only for public keys. Neither throws nor rejects. */
  verify(text: string): Identified | Promise<Identified> {
    const token = readToken(text)
    if ('rule' in token) return refused(token)
    const failure = this.#checkAlgorithm(token) ?? checkIssuer(token.claims, this.#options.claims)
    if (failure) return refused(failure)
    const signed = this.#isSigned(token)
    if (!(signed instanceof Promise)) return this.#conclude(token, signed)
    return signed.then(signed => this.#conclude(token, signed))
  }

  /**
   * Checks a token against all rules, in their order. If it can't be read, the rules that need its content are left
   * out.
   */
  async explain(text: string): Promise<readonly Finding[]> {
    const token = readToken(text)
    if ('rule' in token) {
      const before = RULES.slice(0, RULES.indexOf(token.rule))
      return [
        ...before.map(rule => ({ rule, problem: undefined })),
        { rule: token.rule, problem: token.text },
      ]
    }
    const { claims: rules, now } = this.#options
    const grant = grantOf(token.claims, rules)
    const failures: Partial<Record<Rule, Failure | undefined>> = {
      algorithm: this.#checkAlgorithm(token),
      issuer: checkIssuer(token.claims, rules),
      audience: checkAudience(token.claims, rules),
      time: checkTime(token.claims, rules, now()),
      claim: 'rule' in grant ? grant : undefined,
    }
    const problemOfKey =
      failures.algorithm || failures.issuer
        ? 'not checked, because the key depends on the algorithm and the issuer'
        : keyProblem(await this.#isSigned(token))
    return RULES.map(rule => ({ rule, problem: rule === 'key' ? problemOfKey : failures[rule]?.text }))
  }

  #conclude(token: ReadToken, signed: SignedBy): Identified {
    if (signed === 'unavailable') return { state: 'unavailable', text: UNAVAILABLE }
    const problem = keyProblem(signed)
    if (problem !== undefined) return refused({ rule: 'key', text: problem })
    const { claims: rules, now } = this.#options
    const failure = checkAudience(token.claims, rules) ?? checkTime(token.claims, rules, now())
    if (failure) return refused(failure)
    const grant: Grant | Failure = grantOf(token.claims, rules)
    return 'rule' in grant ? refused(grant) : { state: 'known', grant }
  }

  #checkAlgorithm({ alg }: ReadToken): Failure | undefined {
    if (this.#algorithms.includes(alg)) return undefined
    const names = this.#algorithms.join(', ')
    return { rule: 'algorithm', text: `the algorithm of the token ("alg") must be one of: ${names}` }
  }

  #isSigned(token: ReadToken): SignedBy | Promise<SignedBy> {
    if (token.alg === 'HS256') {
      return isSigned(token.signed, token.signature, this.#options.secrets) ? 'yes' : 'no'
    }
    return this.#keysOf(token)?.verify(token) ?? 'no'
  }

  #keysOf({ claims }: ReadToken): RemoteKeys | undefined {
    const { keys, claims: rules } = this.#options
    if (!(keys instanceof Map)) return keys as RemoteKeys | undefined
    const issuer = issuerOf(claims, rules.issuers)
    return issuer === undefined ? undefined : keys.get(issuer)
  }
}

function keyProblem(signed: SignedBy): string | undefined {
  if (signed === 'yes') return undefined
  if (signed === 'unavailable') return UNAVAILABLE
  return 'the token is not signed by a known key'
}

function refused(failure: Failure): Identified {
  return { state: 'refused', ...failure }
}
