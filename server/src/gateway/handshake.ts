import type { IncomingMessage } from 'node:http'
import type { ProtocolVersion } from '@who-is-online/protocol/catalogue'
import type { UserId } from '@who-is-online/protocol/words'
import type { TrustProxy } from '../setting-values.ts'
import { type ClientAddress, clientAddress, countedAs } from './address.ts'
import type { Identified, Identity } from './identity.ts'
import type { ConnectionLimits, TooMany } from './limits.ts'
import { isAllowedOrigin, type OriginRules } from './origin.ts'

/** What a connection may be: who its user is, and what it brings along. */
export interface Grant extends Omit<Extract<Identified, { state: 'known' }>, 'state'> {
  /** Whether the connection only reads, and its user is never present. */
  readonly isObserver: boolean
}

/** A line for the log about a refusal. */
export interface Report {
  /** Lines of one kind are written once a second at most. */
  readonly kind: string
  readonly text: string
  readonly fields: Readonly<Record<string, string>>
  /** Advice that is written once in the life of the process. */
  readonly advice?: string
}

/** What becomes of an upgrade request. */
export type Verdict =
  | {
      readonly kind: 'accepted'
      readonly grant: Grant
      readonly version: ProtocolVersion
      /** The client's address, if limits may count it. */
      readonly address: string | undefined
    }
  /** Upgraded, told why, and closed with 4400: a browser cannot read why an upgrade was refused. */
  | { readonly kind: 'turned away'; readonly text: string; readonly version: ProtocolVersion }
  /** Answered over plain HTTP. */
  | {
      readonly kind: 'refused'
      readonly status: number
      readonly detail: string
      readonly headers: Readonly<Record<string, string>>
      readonly report?: Report
    }

/** The part of a request that is judged. */
export type UpgradeRequest = Pick<IncomingMessage, 'url' | 'headers' | 'rawHeaders' | 'httpVersion'> & {
  readonly socket: { readonly remoteAddress?: string | undefined }
}

export interface HandshakeOptions {
  readonly identity: Identity
  readonly origins: OriginRules
  readonly trustProxy: TrustProxy | undefined
  /** The user whose connections are observers, as many as there are; undefined without a live page. */
  readonly observer: UserId | undefined
  readonly limits: ConnectionLimits
  /** Whether a session has a connection, whose place a new one takes. */
  readonly isConnected: (userId: UserId, sessionId: string) => boolean
}

/** Longest request target, in characters: a path and all parameters, percent-encoded, many times over. */
export const MAX_URL_CHARS = 8 * 1024

/** The absolute form of a request's target, which proxies send and servers must take (RFC 9112, section 3.2.2). */
const SCHEME_AND_HOST = /^https?:\/\/[^/?]*/i

/** The subprotocol that requests each protocol version. v1 needs none. */
export const SUBPROTOCOL: Readonly<Record<ProtocolVersion, string>> = {
  v1: 'who-is-online.v1',
  v2: 'who-is-online.v2',
}

/** The protocol version that a client requests: v2 if it offers that, else v1. */
export function versionOf({ headers }: Pick<IncomingMessage, 'headers'>): ProtocolVersion {
  const offered = (headers['sec-websocket-protocol'] ?? '').split(',').map(offer => offer.trim())
  return offered.includes(SUBPROTOCOL.v2) ? 'v2' : 'v1'
}

/** Judges upgrade requests. Does no I/O: it counts, and returns what is to be done. */
export class Handshake {
  readonly #options: HandshakeOptions

  constructor(options: HandshakeOptions) {
    this.#options = options
  }

  /**
   * @param now `Clock.steady`
   * @param isStopping whether the server takes no more connections.
   */
  judge(request: UpgradeRequest, now: number, isStopping: boolean): Verdict {
    const { identity, origins, trustProxy, observer, limits, isConnected } = this.#options
    const url = (request.url ?? '').replace(SCHEME_AND_HOST, '')
    if (url.length > MAX_URL_CHARS) return refused(414, 'the URL is longer than 8 KiB')
    const violation = violationIn(request)
    if (violation) return violation
    if (url.split('?', 1)[0] !== '/ws') return refused(404, 'WebSocket clients connect to /ws?userId=ID')
    if (isStopping) return refused(503, 'the server is stopping', { 'Retry-After': '1' })

    const from = clientAddress(request, trustProxy)
    const address = from.own ? countedAs(from.address) : undefined
    const flood = limits.handshake(address, now)
    if (flood) return tooMany(flood, from)
    const { origin, host } = request.headers
    if (!isAllowedOrigin(origin, host, origins)) return wrongOrigin(origin ?? '', origins)

    const version = versionOf(request)
    const identified = identity.identify(url, version)
    if (identified.state === 'unusable') return { kind: 'turned away', text: identified.text, version }
    const { state: _, ...known } = identified
    const grant = { ...known, isObserver: known.userId === observer }
    // A connection that takes the place of another one needs no room of its own.
    if (grant.sessionId === undefined || !isConnected(grant.userId, grant.sessionId)) {
      const crowd = limits.admits(grant.isObserver ? undefined : grant.userId, address)
      if (crowd) return tooMany(crowd, from)
    }
    return { kind: 'accepted', grant, version, address }
  }
}

function refused(status: number, detail: string, headers: Readonly<Record<string, string>> = {}): Verdict {
  return { kind: 'refused', status, detail, headers }
}

/** What RFC 6455, section 4.2.1, asks of a handshake and `ws` does not. */
function violationIn({ httpVersion, rawHeaders, headers }: UpgradeRequest): Verdict | undefined {
  const version = { 'Sec-WebSocket-Version': '13' }
  let hosts = 0
  for (let at = 0; at < rawHeaders.length; at += 2) if (/^host$/i.test(rawHeaders[at] as string)) hosts++
  if (httpVersion !== '1.1') return refused(400, 'a WebSocket handshake is HTTP/1.1', version)
  if (hosts !== 1) return refused(400, 'one Host header is needed', version)
  if (headers['sec-websocket-version'] === '13') return undefined
  return refused(426, 'the version of the WebSocket protocol must be 13', version)
}

function tooMany({ status, setting, retryAfterMs }: TooMany, from: ClientAddress): Verdict {
  return {
    kind: 'refused',
    status,
    detail: `too many connections (${setting})`,
    headers: { 'Retry-After': String(Math.ceil(retryAfterMs / 1_000)) },
    report: {
      kind: 'refused',
      text: `a connection was refused by ${setting}`,
      fields: { address: from.address },
      ...(from.forwarded && {
        advice:
          'a connection met a limit per address and carries X-Forwarded-For: if a proxy of yours sets it, set TRUST_PROXY',
      }),
    },
  }
}

function wrongOrigin(origin: string, { allowed }: OriginRules): Verdict {
  return {
    kind: 'refused',
    status: 403,
    detail: 'this web page may not connect (ALLOWED_ORIGINS)',
    headers: {},
    report: {
      kind: 'origin',
      text: 'a web page was refused; to let it in, set ALLOWED_ORIGINS',
      fields: { origin, set: `ALLOWED_ORIGINS=${[...allowed, origin].join(',')}` },
    },
  }
}
