import { createSecretKey } from 'node:crypto'
import type { Log } from '../log.ts'
import type { Settings } from '../settings.ts'
import type { Clock } from '../time/clock.ts'
import { AUTH_URL_MS, AuthUrl } from './auth-url.ts'
import { CheckedIdentity } from './checked-identity.ts'
import type { ClaimRules } from './claims.ts'
import { FETCH_MS, fetchJson } from './fetch-json.ts'
import type { Identity } from './identity.ts'
import { discoveredKeys } from './issuer-keys.ts'
import type { LivePageTokens } from './live-page-tokens.ts'
import { openIdentity } from './open.ts'
import { RemoteKeys } from './remote-keys.ts'
import { TokenVerifier } from './token-verifier.ts'

// Builds what the settings describe. `readSettings` has refused settings that contradict each other.

export interface IdentityPorts {
  readonly clock: Pick<Clock, 'now' | 'steady'>
  readonly log: Pick<Log, 'limited'>
}

/** Whether user ids are believed without a proof: AUTH=open, or development without another setting of identity. */
export function isOpen(settings: Settings): boolean {
  const { AUTH_ISSUER, AUTH_JWKS_URL, AUTH_SECRET, AUTH_URL, AUTH_HEADER } = settings
  return (AUTH_ISSUER ?? AUTH_JWKS_URL ?? AUTH_SECRET ?? AUTH_URL ?? AUTH_HEADER) === undefined
}

/**
 * Whether a page of an unknown name could read without a credential of its own, if somebody lets that name point to
 * this server (DNS rebinding): where none is asked for, where a proxy may know the user by the address, and in
 * development, where the live page is open.
 */
export function mustKnowItsNames(settings: Settings): boolean {
  return isOpen(settings) || settings.AUTH_HEADER !== undefined || settings.ENVIRONMENT === 'development'
}

/**
 * Creates the adapter of `Identity` that the settings describe. It fetches no keys before the first token.
 *
 * @param livePageTokens the tokens of the live page; `undefined` without one
 * @param observer the user id of live pages where user ids are believed; `undefined` without a live page
 */
export function createIdentity(
  settings: Settings,
  ports: IdentityPorts,
  livePageTokens: LivePageTokens | undefined,
  observer: string | undefined,
): Identity {
  if (isOpen(settings)) return openIdentity(observer)
  const { AUTH_URL, AUTH_COOKIE, AUTH_HEADER } = settings
  const { clock, log } = ports
  const defaultRights = { watch: settings.AUTH_WATCH }
  return new CheckedIdentity({
    verifier: createVerifier(settings, ports),
    livePageTokens,
    authUrl:
      AUTH_URL === undefined
        ? undefined
        : new AuthUrl({
            url: AUTH_URL,
            defaultRights,
            steady: () => clock.steady(),
            now: () => clock.now(),
            timeoutMs: AUTH_URL_MS,
            failed: reason => log.limited('application', 'AUTH_URL gave no usable answer', { reason }),
          }),
    cookie: AUTH_COOKIE,
    header: AUTH_HEADER,
    defaultRights,
  })
}

/** Creates the verifier that the settings describe; `undefined` if they name no keys. */
export function createVerifier(settings: Settings, { clock, log }: IdentityPorts): TokenVerifier | undefined {
  const { AUTH_ISSUER: issuers = [], AUTH_JWKS_URL: url, AUTH_SECRET: secrets = [] } = settings
  const remoteKeys = (from: string, fetchKeys: () => Promise<unknown>): RemoteKeys =>
    new RemoteKeys({
      fetchKeys,
      steady: () => clock.steady(),
      failed: reason =>
        log.limited('keys', 'the keys of tokens could not be fetched', { from: withoutQuery(from), reason }),
    })
  const byIssuer = (): ReadonlyMap<string, RemoteKeys> =>
    new Map(issuers.map(issuer => [issuer, remoteKeys(issuer, discoveredKeys(issuer, FETCH_MS))]))
  if (url === undefined && issuers.length === 0 && secrets.length === 0) return undefined
  const keys = url === undefined ? byIssuer() : remoteKeys(url, () => fetchJson(url, FETCH_MS))
  return new TokenVerifier({
    secrets: secrets.map(secret => createSecretKey(Buffer.from(secret))),
    keys: keys instanceof Map && keys.size === 0 ? undefined : keys,
    claims: claimRulesOf(settings),
    now: () => clock.now(),
  })
}

/** A URL as it may be logged: a query can contain a key. */
function withoutQuery(url: string): string {
  const { origin, pathname } = new URL(url)
  return `${origin}${pathname}`
}

function claimRulesOf(settings: Settings): ClaimRules {
  return {
    issuers: settings.AUTH_ISSUER ?? [],
    audiences: settings.AUTH_AUDIENCE ?? 'any',
    userClaim: settings.AUTH_USER_CLAIM,
    nameClaim: settings.AUTH_NAME_CLAIM,
    rightsClaim: settings.AUTH_CLAIMS,
    defaultRights: { watch: settings.AUTH_WATCH },
    leewayMs: settings.AUTH_LEEWAY_MS,
  }
}
