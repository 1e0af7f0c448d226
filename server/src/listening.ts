import { isIP } from 'node:net'
import type { NetworkInterfaceInfo } from 'node:os'

// Messages at the start about the address of the server: why it can't listen, and where it can be reached.

/** The configured address of the server. */
export interface ListenAddress {
  /** An IP address or a host name; `undefined` for all interfaces. */
  readonly host: string | undefined
  readonly port: number
}

/** An error of Node's system calls. */
interface SystemError extends Error {
  readonly code?: string
  readonly syscall?: string
}

/**
 * The system calls of listening. Errors of other calls, such as EACCES of a file, are not about listening.
 */
const LISTENING = new Set(['listen', 'bind', 'getaddrinfo'])

/** On most systems, only privileged processes may use ports below this one. */
const FIRST_UNPRIVILEGED_PORT = 1_024

/**
 * Lists the addresses of network interfaces in the form that HOST accepts. A link-local IPv6 address includes its
 * zone.
 */
export function addressesOf(interfaces: NodeJS.Dict<NetworkInterfaceInfo[]>): string[] {
  return Object.entries(interfaces).flatMap(([name, all = []]) =>
    all.map(({ address, scopeid }) => (scopeid ? `${address}%${name}` : address)),
  )
}

/**
 * A sentence that says why the server can't listen, with HOST, PORT and what to do. `undefined` for an error
 * that is not about listening.
 *
 * @param setting the setting of the port
 * @param ownAddresses the addresses of this machine
 */
export function whyNotListening(
  error: SystemError,
  { host, port, setting = 'PORT' }: ListenAddress & { readonly setting?: 'PORT' | 'METRICS_PORT' },
  ownAddresses: readonly string[],
): string | undefined {
  const { code, syscall } = error
  if (syscall === undefined || !LISTENING.has(syscall)) return undefined
  const where = `${setting}=${port} on ${host === undefined ? 'all interfaces (HOST is unset)' : `HOST=${host}`}`
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} is in use: another process listens at ${where}; stop it, or set ${setting} to another port${setting === 'PORT' ? ' (0 selects any free one)' : ''}`
    case 'EACCES':
    case 'EPERM':
      return port < FIRST_UNPRIVILEGED_PORT
        ? `not allowed to listen at ${where}: ports below ${FIRST_UNPRIVILEGED_PORT} need a privilege; set ${setting} to a higher one${setting === 'PORT' ? ' behind a proxy' : ''}, or grant CAP_NET_BIND_SERVICE`
        : `not allowed to listen at ${where}: the system reserves this port or address; set ${setting} or HOST to another one`
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EINVAL':
      return `HOST=${host} is not an address of this machine: set HOST to one of ${ownAddresses.join(', ')}, or to 0.0.0.0 for all of them`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
    case 'ENODATA':
      return `HOST=${host} can't be resolved (${code}): set HOST to an IP address of this machine, to localhost, or to 0.0.0.0 for all interfaces`
    default:
      return `can't listen at ${where}: ${error.message}`
  }
}

/** Addresses that mean all interfaces. */
const UNSPECIFIED = new Set(['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '::0'])

/** URLs at which a client on this machine reaches the server. */
export interface Links {
  /** The live page, or the plain page, in a browser; absent if the live page is off. */
  readonly open?: string
  /** The WebSocket endpoint. Where tokens are required, a client adds its own. */
  readonly connect: string
}

/** What the links depend on. */
export interface Offer {
  /** Whether there is a page at `/`. */
  readonly hasPage: boolean
  /** Whether user ids are believed, so that clients need no token. */
  readonly isOpen: boolean
}

/** The URLs to print at the start. `port` is the actual port, even if PORT is 0. */
export function linksTo({ host, port }: ListenAddress, { hasPage, isOpen }: Offer): Links {
  const name = host === undefined || UNSPECIFIED.has(host) ? 'localhost' : host
  // In a URL, the % before a zone is written as %25 (RFC 6874).
  const authority = `${isIP(name) === 6 ? `[${name.replace('%', '%25')}]` : name}:${port}`
  const parameters = isOpen ? '?userId=YOUR_USER_ID' : ''
  return { ...(hasPage && { open: `http://${authority}/` }), connect: `ws://${authority}/ws${parameters}` }
}

/** Whether other machines can connect, that is, whether the address is not a loopback address. */
export function isReachable(host: string | undefined): boolean {
  if (host === undefined) return true
  if (/^(.*\.)?localhost$/i.test(host)) return false
  return !/^(127\.\d+\.\d+\.\d+|::1|0:0:0:0:0:0:0:1|::ffff:127\.\d+\.\d+\.\d+)$/i.test(host)
}
