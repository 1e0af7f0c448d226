import { isPrivate } from './address.ts'

export interface OriginRules {
  readonly allowed: readonly string[]
  /** Also let in pages from this machine, private networks and files. */
  readonly development: boolean
}

/**
 * Whether a web page may connect: browsers say where a page comes from, and let any page open a WebSocket to
 * anywhere. Other programs send no Origin and pass; the check protects users of browsers, not the server.
 *
 * @param origin the Origin header; @param host the Host header, the server's own name as the client knows it.
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
