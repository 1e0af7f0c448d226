import type { IncomingHttpHeaders } from 'node:http'
import { BlockList, isIP } from 'node:net'
import type { TrustProxy } from '../setting-values.ts'

/** Loopback, private and link-local ranges (RFC 1918, 4193, 4291, 3927, 6598): this machine, or a proxy. */
const privateRanges = new BlockList()
for (const [address, bits] of [
  ['127.0.0.0', 8],
  ['10.0.0.0', 8],
  ['172.16.0.0', 12],
  ['192.168.0.0', 16],
  ['169.254.0.0', 16],
  ['100.64.0.0', 10],
] as const) {
  privateRanges.addSubnet(address, bits, 'ipv4')
}
privateRanges.addAddress('::1', 'ipv6')
privateRanges.addSubnet('fc00::', 7, 'ipv6')
privateRanges.addSubnet('fe80::', 10, 'ipv6')

/** Whether an address is of this machine or a private network. False for what is no address. */
export function isPrivate(address: string): boolean {
  return within(privateRanges, address)
}

export interface ClientAddress {
  readonly address: string
  /** Whether it is surely the client's own, so that limits per address may count it. */
  readonly own: boolean
  /** Whether somebody who is not believed said otherwise. */
  readonly forwarded: boolean
}

/** The part of a request that says where it comes from. */
export interface AddressedRequest {
  readonly headers: IncomingHttpHeaders
  readonly socket: { readonly remoteAddress?: string | undefined }
}

/** Where a client comes from, as far as the settings let anybody say so. */
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
  // Each proxy appends whom it saw: read from the right, as far as those who wrote are believed.
  const chain = [...hops, peer].reverse()
  const believed =
    trust.kind === 'hops' ? trust.hops : chain.findIndex(address => !within(trust.ranges, address))
  let index = Math.min(believed < 0 ? chain.length : believed, chain.length - 1)
  // What is no address says nothing: the last that is one, and was believed, counts.
  while (index > 0 && isIP(chain[index] ?? '') === 0) index--
  const address = chain[index] ?? peer
  return { address, own: true, forwarded: false }
}

/** How many groups of an IPv6 address name the network (RFC 4291, section 2.5.4: 64 bits). */
const NETWORK_GROUPS = 4
const GROUPS = 8

/**
 * What limits per address count a client as. Whoever has one IPv6 address has all of its network, so that is counted: of
 * `2001:db8:0:1::2` it is `2001:db8:0:1::/64`.
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

/** Some proxies write `1.2.3.4:5678` or `[2001:db8::1]:5678`. */
function withoutPort(hop: string): string {
  const [, v6, v4] = /^(?:\[([^\]]*)\](?::\d+)?|(\d+\.\d+\.\d+\.\d+):\d+)$/.exec(hop) ?? []
  return v6 ?? v4 ?? hop
}

/** `::ffff:10.0.0.1` is 10.0.0.1. */
function plain(address: string): string {
  return address.startsWith('::ffff:') && isIP(address.slice(7)) === 4 ? address.slice(7) : address
}
