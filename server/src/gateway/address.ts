import type { IncomingHttpHeaders } from 'node:http'
import { BlockList, isIP } from 'node:net'
import type { TrustProxy } from '../setting-values.ts'

/** Loopback, private, link-local and carrier-grade NAT ranges of IPv4 (RFC 1918, 3927, 6598). */
const PRIVATE_V4 =
  /^(?:127|10|192\.168|169\.254|172\.(?:1[6-9]|2\d|3[01])|100\.(?:6[4-9]|[7-9]\d|1[01]\d|12[0-7]))\./

/** The same of IPv6 (RFC 4193, 4291). */
const privateV6 = new BlockList()
privateV6.addAddress('::1', 'ipv6')
privateV6.addSubnet('fc00::', 7, 'ipv6')
privateV6.addSubnet('fe80::', 10, 'ipv6')

/** Whether an address belongs to this machine or to a private network. `false` if it is not an IP address. */
export function isPrivate(address: string): boolean {
  // Each connection is checked twice, and a `BlockList` takes 20 times as long.
  return isIP(address) === 4 ? PRIVATE_V4.test(address) : within(privateV6, address)
}

/** The address that a request comes from. */
export interface ClientAddress {
  readonly address: string
  /** Whether it is certainly the address of the client itself, so that limits per address may count it. */
  readonly own: boolean
  /** Whether the request has an `X-Forwarded-For` header that was ignored, because no proxy is trusted. */
  readonly forwarded: boolean
}

/** The parts of a request that determine its address. */
export interface AddressedRequest {
  readonly headers: IncomingHttpHeaders
  readonly socket: { readonly remoteAddress?: string | undefined }
}

/**
 * Finds the address of a client. `X-Forwarded-For` is used only as far as its proxies are trusted.
 *
 * @param trust the setting TRUST_PROXY; `undefined` if no proxy is trusted
 */
export function clientAddress(request: AddressedRequest, trust: TrustProxy | undefined): ClientAddress {
  const peer = plain(request.socket.remoteAddress ?? '')
  const header = request.headers['x-forwarded-for']
  const hops =
    header === undefined
      ? []
      : (Array.isArray(header) ? header.join(',') : header)
          .split(',')
          .map(hop => plain(withoutPort(hop.trim())))
  if (!trust) {
    return { address: peer, own: !isPrivate(peer), forwarded: header !== undefined }
  }
  // Each proxy appends the address of its peer. Read from the right, up to the first address that is not of a
  // trusted proxy.
  const chain = [...hops, peer].reverse()
  const trusted =
    trust.kind === 'hops' ? trust.hops : chain.findIndex(address => !within(trust.ranges, address))
  let index = Math.min(trusted < 0 ? chain.length : trusted, chain.length - 1)
  // An entry can be something else than an IP address, such as `unknown`. Then use the next valid entry to the
  // right.
  while (index > 0 && isIP(chain[index] ?? '') === 0) index--
  const address = chain[index] ?? peer
  return { address, own: true, forwarded: false }
}

/**
 * Whether the peer of a connection is a trusted proxy by its address. A number of proxies says nothing about the
 * peer: anybody who can reach the port could be it.
 */
export function isFromProxy(peer: string | undefined, trust: TrustProxy | undefined): boolean {
  return trust?.kind === 'ranges' && within(trust.ranges, plain(peer ?? ''))
}

/**
 * The address of a socket, if limits may count it; `undefined` if it may be the address of a proxy. Without a trusted
 * proxy, private addresses may be.
 */
export function peerAddress(
  remoteAddress: string | undefined,
  trust: TrustProxy | undefined,
): string | undefined {
  const peer = plain(remoteAddress ?? '')
  if (isIP(peer) === 0) return undefined
  if (!trust) return isPrivate(peer) ? undefined : peer
  const isProxy = trust.kind === 'hops' ? trust.hops > 0 : within(trust.ranges, peer)
  return isProxy ? undefined : peer
}

/** How many 16-bit groups of an IPv6 address identify its network: 64 bits (RFC 4291, section 2.5.4). */
const NETWORK_GROUPS = 4
const GROUPS = 8

/**
 * The key by which limits count an address. A client with one IPv6 address can use all addresses of its /64
 * network, so the network is counted: `2001:db8:0:1::/64` for `2001:db8:0:1::2`. Other texts are returned
 * unchanged.
 */
export function countedAs(address: string): string {
  if (isIP(address) !== 6) return address
  const [before = '', after] = address.split('::')
  const groupsOf = (part: string): string[] => part.split(':').filter(group => group !== '')
  const [front, back] = [groupsOf(before), groupsOf(after ?? '')]
  const dotted = back.at(-1)?.includes('.') ? 1 : 0
  const zeros = after === undefined ? 0 : GROUPS - front.length - back.length - dotted
  const groups = [...front, ...Array<string>(zeros).fill('0'), ...back]
  const network = groups.slice(0, NETWORK_GROUPS).map(group => Number.parseInt(group, 16).toString(16))
  return `${network.join(':')}::/64`
}

function within(ranges: BlockList, address: string): boolean {
  const family = isIP(address)
  return family !== 0 && ranges.check(address, family === 6 ? 'ipv6' : 'ipv4')
}

/** Removes the port that some proxies add: `1.2.3.4:5678` or `[2001:db8::1]:5678`. */
function withoutPort(hop: string): string {
  const [, v6, v4] = /^(?:\[([^\]]*)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$/.exec(hop) ?? []
  return v6 ?? v4 ?? hop
}

/** Converts an IPv4-mapped IPv6 address to IPv4: `::ffff:10.0.0.1` to `10.0.0.1`. */
function plain(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address
}
