import { isIP } from 'node:net'
import { webOrigin } from '../web-origin.ts'
import { isPrivate } from './address.ts'

/** Which web pages may connect. */
export interface OriginRules {
  /** Origins such as `https://app.example.com`, as `webOrigin` returns them. */
  readonly allowed: readonly string[]
  /**
   * The names of this server, without ports, in lower case; `undefined` if any name may be its own, because each
   * client must prove who it is.
   */
  readonly hosts: readonly string[] | undefined
  /** Whether pages from this machine and from private networks may connect too. */
  readonly development: boolean
}

/** The setting that would allow a page, and its value; without a value if no value would. */
export interface Disallowed {
  readonly setting: 'ALLOWED_ORIGINS' | 'ALLOWED_HOSTS'
  readonly value: string | undefined
}

/**
 * Checks whether a web page may connect; `undefined` if it may. A browser lets any page open a WebSocket to any
 * server, and sends the origin of the page. Other programs send no `Origin` header and may connect. The check
 * protects users of browsers, not the server.
 *
 * A page of the server's own host may connect. But anybody can let a name point to the address of this server (DNS
 * rebinding). A page of that name has no credentials, but where none are asked for, the name must be known, unless it
 * can't be used for that: localhost, or an IP address.
 *
 * @param origin the `Origin` header
 * @param host the `Host` header, which is the server's own name as the client knows it
 */
export function disallowedOrigin(
  origin: string | undefined,
  host: string | undefined,
  rules: OriginRules,
): Disallowed | undefined {
  if (origin === undefined) return undefined
  const normal = webOrigin(origin)
  if (normal === undefined) return { setting: 'ALLOWED_ORIGINS', value: undefined }
  if (rules.allowed.includes(normal)) return undefined
  const refused = { setting: 'ALLOWED_ORIGINS', value: [...rules.allowed, normal].join(',') } as const
  if (!/^https?:/.test(normal)) return refused
  const { protocol, hostname } = new URL(normal)
  const name = hostname.replace(/^\[|\]$/g, '')
  if (rules.development && (isLocal(name) || isPrivate(name))) return undefined
  if (webOrigin(`${protocol}//${host}`) !== normal) return refused
  const { hosts } = rules
  if (!hosts || isLocal(name) || isIP(name) !== 0 || hosts.includes(name)) return undefined
  return { setting: 'ALLOWED_HOSTS', value: [...hosts, name].join(',') }
}

function isLocal(name: string): boolean {
  return name === 'localhost' || name.endsWith('.localhost')
}
