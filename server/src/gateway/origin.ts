import { isPrivate } from './address.ts'

/** Which web pages may connect. */
export interface OriginRules {
  /** Origins such as `https://app.example.com`. */
  readonly allowed: readonly string[]
  /** Whether pages from this machine, from private networks and from files may connect too. */
  readonly development: boolean
}

/**
 * Whether a web page may connect. A browser lets any page open a WebSocket to any server, and sends the origin of
 * the page. Other programs send no `Origin` header and may connect. The check protects users of browsers, not the
 * server.
 *
 * @param origin the `Origin` header
 * @param host the `Host` header, which is the server's own name as the client knows it
 */
export function isAllowedOrigin(
  origin: string | undefined,
  host: string | undefined,
  rules: OriginRules,
): boolean {
  if (origin === undefined) return true
  if (rules.allowed.includes(origin)) return true
  if (origin === 'null') return rules.development
  if (!URL.canParse(origin)) return false
  const { host: originHost, hostname, protocol } = new URL(origin)
  if (protocol !== 'http:' && protocol !== 'https:') return false
  if (host !== undefined && originHost === host.toLowerCase()) return true
  const address = hostname.replace(/^\[|\]$/g, '')
  return (
    rules.development && (address === 'localhost' || address.endsWith('.localhost') || isPrivate(address))
  )
}
