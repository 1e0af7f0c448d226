import { isName, NAME_RULE, YEAR_10000 } from '@who-is-online/protocol/words'
import { type DefaultRights, type Grant, isNameGiven, rightsOf } from './grant.ts'
import type { Failure } from './identity.ts'

/** The claims of a token, by name. */
export type Claims = Readonly<Record<string, unknown>>

/** What the claims of a token must be. */
export interface ClaimRules {
  /** The accepted issuers; empty if any issuer is accepted. */
  readonly issuers: readonly string[]
  /** The accepted audiences; `any` if the audience is not checked. */
  readonly audiences: readonly string[] | 'any'
  readonly userClaim: string
  readonly nameClaim: string
  /** The claim with the object that has the rights. */
  readonly rightsClaim: string
  readonly defaultRights: DefaultRights
  /** How much the clocks of issuer and server may differ, in ms. */
  readonly leewayMs: number
}

/**
 * The configured issuer that a token names. They are compared exactly, except for one trailing slash: providers write
 * it in the token and leave it out in their documentation, or the reverse.
 */
export function issuerOf({ iss }: Claims, issuers: readonly string[]): string | undefined {
  return typeof iss === 'string'
    ? issuers.find(issuer => withoutSlash(issuer) === withoutSlash(iss))
    : undefined
}

/** Checks the issuer. */
export function checkIssuer(claims: Claims, { issuers }: ClaimRules): Failure | undefined {
  if (issuers.length === 0 || issuerOf(claims, issuers) !== undefined) return undefined
  return { rule: 'issuer', text: 'the issuer of the token ("iss") is not in AUTH_ISSUER' }
}

/**
 * Checks the audience. Some tokens name it only in `azp` (Clerk) or in `client_id` (access tokens of Cognito).
 */
export function checkAudience(
  { aud, azp, client_id }: Claims,
  { audiences }: ClaimRules,
): Failure | undefined {
  if (audiences === 'any') return undefined
  const named = [aud, azp, client_id].flat()
  if (named.some(name => typeof name === 'string' && audiences.includes(name))) return undefined
  return {
    rule: 'audience',
    text: 'the audience of the token ("aud", "azp" or "client_id") is not in AUTH_AUDIENCE',
  }
}

/** Checks `exp`, which must be present, `nbf` and `iat` at `now`, in ms since the epoch. */
export function checkTime(
  { exp, nbf, iat }: Claims,
  { leewayMs }: ClaimRules,
  now: number,
): Failure | undefined {
  const wrong = (text: string): Failure => ({ rule: 'time', text })
  if (exp === undefined) return wrong('the token has no "exp": it must end at some time')
  for (const [name, time] of [
    ['exp', exp],
    ['nbf', nbf],
    ['iat', iat],
  ] as const) {
    const isNumber = typeof time === 'number' && Number.isFinite(time)
    if (time !== undefined && !isNumber) return wrong(`"${name}" of the token must be a number of seconds`)
  }
  const seconds = (ms: number): string => `${Math.ceil(ms / 1_000)} s`
  const expired = now - (exp as number) * 1_000
  if (expired >= leewayMs) return wrong(`the token expired ${seconds(expired)} ago ("exp")`)
  for (const [name, time] of [
    ['nbf', nbf],
    ['iat', iat],
  ] as const) {
    const early = ((time ?? 0) as number) * 1_000 - now
    if (early > leewayMs) {
      return wrong(
        `the token is valid only in ${seconds(early)} ("${name}"): compare the clocks of issuer and server`,
      )
    }
  }
  return undefined
}

/** Makes the grant of claims that satisfy all other rules. */
export function grantOf(claims: Claims, rules: ClaimRules): Grant | Failure {
  const wrong = (text: string): Failure => ({ rule: 'claim', text })
  const userId = valueAt(claims, rules.userClaim)
  if (userId === undefined) return wrong(`the token has no claim "${rules.userClaim}" (AUTH_USER_CLAIM)`)
  if (typeof userId !== 'string' || !isName(userId)) return wrong(`"${rules.userClaim}" must be ${NAME_RULE}`)
  const rights = rightsOf(valueAt(claims, rules.rightsClaim), rules.defaultRights)
  if (typeof rights === 'string') return wrong(`"${rules.rightsClaim}" is wrong: ${rights}`)
  const name = valueAt(claims, rules.nameClaim)
  return {
    userId,
    // A name that can't be shown must not keep a user out. It is left out, and the user still can't choose another.
    username: typeof name === 'string' && isName(name) ? name : undefined,
    isNameFixed: isNameGiven(name),
    expiresAt: Math.min((claims['exp'] as number) * 1_000, YEAR_10000 - 1),
    rights,
  }
}

/** A claim by its exact name, else by a path with dots: `user.id`, or a URL as Auth0 requires for its own claims. */
function valueAt(claims: Claims, name: string): unknown {
  if (Object.hasOwn(claims, name)) return claims[name]
  let value: unknown = claims
  for (const key of name.split('.')) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    value = (value as Claims)[key]
  }
  return value
}

/** An issuer without a slash at its end, so that two can be compared. */
export function withoutSlash(issuer: string): string {
  return issuer.endsWith('/') ? issuer.slice(0, -1) : issuer
}
