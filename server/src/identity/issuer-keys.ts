import { isSafeUrl } from '../setting-values.ts'
import { withoutSlash } from './claims.ts'
import { fetchJson } from './fetch-json.ts'

/**
 * Returns a function that fetches the keys of an issuer by OpenID Connect Discovery. The URL of the keys is fetched
 * once, and again after the keys could not be fetched from it.
 *
 * @param issuer an issuer of the settings, never one that a token names
 */
export function discoveredKeys(issuer: string, timeoutMs: number): () => Promise<unknown> {
  const bare = withoutSlash(issuer)
  let found: string | undefined
  return async () => {
    const url = found ?? (await discover(`${bare}/.well-known/openid-configuration`, bare, timeoutMs))
    found = undefined
    const keys = await fetchJson(url, timeoutMs)
    found = url
    return keys
  }
}

async function discover(url: string, issuer: string, timeoutMs: number): Promise<string> {
  const document = await fetchJson(url, timeoutMs)
  const { issuer: named, jwks_uri: keys } = (document ?? {}) as Readonly<Record<string, unknown>>
  if (typeof named !== 'string' || withoutSlash(named) !== issuer) {
    throw new Error(`the document at ${url} has another "issuer"`)
  }
  if (typeof keys !== 'string' || !isSafeUrl(keys)) {
    throw new Error(`the document at ${url} has no "jwks_uri" with https`)
  }
  return keys
}
