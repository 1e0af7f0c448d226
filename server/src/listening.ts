import { isIP } from 'node:net'

// What the start says about the address that the server listens on: why it can't, and where it can be reached.

/** Where the server is told to listen. */
export interface ListenAddress {
  /** An address or a host name; undefined for all interfaces. */
  readonly host: string | undefined
  readonly port: number
}

/** The names in which the server tells its own addresses. */
interface SystemError extends Error {
  readonly code?: string
  readonly syscall?: string
}

/** What listening calls in the system. An EACCES of a file, for example, has another one. */
const LISTENING = new Set(['listen', 'bind', 'getaddrinfo'])

/** Below, ports are reserved for privileged processes on most systems. */
const PRIVILEGED_PORTS = 1_024

/**
 * Says why the server can't listen, naming HOST and PORT and what to do. Undefined for an error that has nothing to do with listening.
 *
 * @param ownAddresses the addresses of this machine.
 */
export function whyNotListening(
  error: SystemError,
  { host, port }: ListenAddress,
  ownAddresses: readonly string[],
): string | undefined {
  const { code, syscall } = error
  if (syscall === undefined || !LISTENING.has(syscall)) return undefined
  const where = `PORT=${port} on ${host === undefined ? 'all interfaces (HOST is unset)' : `HOST=${host}`}`
  switch (code) {
    case 'EADDRINUSE':
      return `port ${port} is taken: another process listens at ${where}; stop it, or set PORT to another port (0 takes any free one)`
    case 'EACCES':
    case 'EPERM':
      return port < PRIVILEGED_PORTS
        ? `not allowed to listen at ${where}: ports below ${PRIVILEGED_PORTS} need a privilege; set PORT to a higher one and put a proxy before it, or grant CAP_NET_BIND_SERVICE`
        : `not allowed to listen at ${where}: the system reserves this port or address; set PORT or HOST to another one`
    case 'EADDRNOTAVAIL':
    case 'EAFNOSUPPORT':
    case 'EINVAL':
      return `HOST=${host} is not an address of this machine: set HOST to one of ${ownAddresses.join(', ')}, or leave it unset for all of them`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
    case 'ENODATA':
      return `HOST=${host} can't be resolved (${code}): set HOST to an IP address of this machine, to localhost, or leave it unset for all interfaces`
    default:
      return `can't listen at ${where}: ${error.message}`
  }
}

/** Addresses that stand for all interfaces. */
const UNSPECIFIED = new Set(['0.0.0.0', '::', '0:0:0:0:0:0:0:0', '::0'])

/** Where a client on this machine reaches the server. */
export interface Links {
  /** The live page, or the plain page, in a browser. */
  readonly open: string
  /** The WebSocket endpoint. */
  readonly connect: string
}

/** The links to print. `port` is the one that the system gave, where PORT is 0. */
export function linksTo({ host, port }: ListenAddress): Links {
  const name = host === undefined || UNSPECIFIED.has(host) ? 'localhost' : host
  // A zone is written as %25 in a URL (RFC 6874).
  const authority = `${isIP(name) === 6 ? `[${name.replace('%', '%25')}]` : name}:${port}`
  return { open: `http://${authority}/`, connect: `ws://${authority}/ws?userId=YOUR_USER_ID` }
}

/** Tells whether other machines can connect: the address is not a loopback address. */
export function isReachable(host: string | undefined): boolean {
  if (host === undefined) return true
  if (/^(.*\.)?localhost$/i.test(host)) return false
  return !/^(127\.\d+\.\d+\.\d+|::1|0:0:0:0:0:0:0:1|::ffff:127\.\d+\.\d+\.\d+)$/i.test(host)
}
