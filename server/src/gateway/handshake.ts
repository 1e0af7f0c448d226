import type { IncomingMessage } from 'node:http'
import type { ProtocolVersion } from '@who-is-online/protocol/catalogue'
import type { UserId } from '@who-is-online/protocol/words'
import type { Grant } from '../identity/grant.ts'
import type { Identified, Identity } from '../identity/identity.ts'
import { Pool, type PoolRefusal } from '../pool.ts'
import type { FirstChoice } from '../presence/choice.ts'
import type { Limit } from '../refusals.ts'
import { normalTarget } from '../request-target.ts'
import type { TrustProxy } from '../setting-values.ts'
import { type ClientAddress, clientAddress, countedAs, isFromProxy } from './address.ts'
import type { ConnectionLimits, TooMany } from './limits.ts'
import { type Disallowed, disallowedOrigin, type OriginRules } from './origin.ts'
import { type Parameters, readParameters } from './parameters.ts'
import { repeatedHeader } from './single-headers.ts'

/** A log line about a refusal. */
export interface Report {
  /** At most one line of a kind is written per second. */
  readonly kind: string
  readonly text: string
  readonly fields: Readonly<Record<string, string>>
  /** Advice that is logged once per process. */
  readonly advice?: string
  readonly limit: Limit
}

/** The decision on an upgrade request. */
export type Verdict =
  | {
      readonly kind: 'accepted'
      readonly grant: Grant
      /** The id that the client gave its tab or device. */
      readonly sessionId: string | undefined
      /** The kind of device, as the client says. */
      readonly device: string | undefined
      /** The choice that the client connects with. */
      readonly choice: FirstChoice | undefined
      readonly version: ProtocolVersion
      /** The client's address, if limits may count it. */
      readonly address: string | undefined
    }
  /**
   * Upgraded, told the reason, and closed: a `WebSocket` object can't read why an upgrade was refused. `bad_message` is
   * closed with 4400, `bad_token` with 4401, `not_allowed` with 4403.
   */
  | {
      readonly kind: 'turned away'
      readonly error: 'bad_message' | 'bad_token' | 'not_allowed'
      readonly text: string
      readonly version: ProtocolVersion
      readonly report?: Report
    }
  /** Answered over plain HTTP. */
  | {
      readonly kind: 'refused'
      readonly status: number
      readonly detail: string
      readonly headers: Readonly<Record<string, string>>
      readonly report?: Report
    }

/** A request that is answered over plain HTTP. */
export type Refused = Extract<Verdict, { kind: 'refused' }>

/** The answer to all requests while the server stops. */
export const STOPPING = unavailable('the server is stopping')

/** The answer to all requests until a node of a cluster knows its users. */
export const LOADING = unavailable('the server does not know all users yet')

export interface HandshakeOptions {
  readonly identity: Identity
  readonly origins: OriginRules
  readonly trustProxy: TrustProxy | undefined
  readonly limits: ConnectionLimits
  /** The path of the WebSocket, such as `/ws`. */
  readonly path: string
  /** Whether a session has a connection. A new connection of the session replaces it. */
  readonly isConnected: (userId: UserId, sessionId: string) => boolean
  /** How much longer a user may not connect, in ms; 0 for all other users. */
  readonly refusedMs: (userId: UserId) => number
}

/**
 * How many requests may wait for their identity at once: as many as the limit of handshakes accepts in this time, in
 * ms. Keys are fetched in less, and until then a whole connection storm may wait. Only an identity provider that hangs
 * takes longer, and it must not collect more.
 */
export const PENDING_MS = 5_000

/** The longest request target, in characters. All parameters together need far less, even percent-encoded. */
export const MAX_URL_CHARS = 8 * 1024

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

/**
 * Decides on upgrade requests. Besides waiting for an identity it does no I/O: it counts handshakes, and
 * returns what to do.
 */
export class Handshake {
  readonly #options: HandshakeOptions
  /** The path of the WebSocket, in the form in which paths are compared. */
  readonly #path: string
  /** The requests that wait for their identity. */
  readonly #pending: Pool

  constructor(options: HandshakeOptions) {
    this.#options = options
    this.#path = normalTarget(options.path)
    this.#pending = new Pool('PENDING_HANDSHAKES', options.limits.handshakesWithin(PENDING_MS))
  }

  /**
   * Decides on a request, and counts it against the limits of handshakes. If the identity takes time, it
   * returns a promise of a function that decides. Call that function when the connection can be opened at once:
   * limits count the connections there are. The promise never rejects.
   *
   * @param now `Clock.steady`, in ms
   * @param closed the answer to all requests, while the server accepts no clients
   */
  judge(
    request: IncomingMessage,
    now: number,
    closed: Refused | undefined,
  ): Verdict | Promise<() => Verdict> {
    const { origins, trustProxy, limits, path } = this.#options
    const url = normalTarget(request.url ?? '')
    if (url.length > MAX_URL_CHARS) return refused(414, 'the URL is longer than 8 KiB')
    const violation = violationIn(request)
    if (violation) return violation
    if (url.split('?', 1)[0] !== this.#path) return refused(404, `WebSocket clients connect to ${path}`)
    if (closed) return closed

    const from = clientAddress(request, trustProxy)
    const address = from.own ? countedAs(from.address) : undefined
    const tooFast = limits.handshake(address, now)
    if (tooFast) return tooMany(tooFast, from)
    const { origin, host, authorization } = request.headers
    const disallowed = disallowedOrigin(origin, host, origins)
    if (disallowed) return wrongOrigin(origin ?? '', disallowed)

    const version = versionOf(request)
    const parameters = readParameters(url, version)
    if (typeof parameters === 'string') {
      return { kind: 'turned away', error: 'bad_message', text: parameters, version }
    }
    const isFull = this.#pending.refusalOf(1, { address })
    if (isFull) return busy('too many connections wait for their identity', isFull, from)
    const readsHttp = origin === undefined && (version === 'v1' || authorization !== undefined)
    const asked: Asked = { parameters, version, from, address, readsHttp }
    const identified = this.#identify(request, asked)
    if (!(identified instanceof Promise)) return this.#decide(identified, asked)
    this.#pending.take(1, { address })
    return identified
      .then(
        identified => () => this.#decide(identified, asked),
        // It never rejects, so this is a bug, and the caller handles it.
        error => () => {
          throw error
        },
      )
      .finally(() => this.#pending.giveBack(1, { address }))
  }

  #identify(
    request: IncomingMessage,
    { parameters, from, address }: Asked,
  ): Identified | Promise<Identified> {
    const { identity, trustProxy } = this.#options
    const { userId, username, tokens, names } = parameters
    return identity.identify({
      request,
      headers: request.headers,
      rawHeaders: request.rawHeaders,
      userId,
      username,
      tokens,
      names,
      address: from.address,
      countedAddress: address,
      isFromProxy: isFromProxy(request.socket.remoteAddress, trustProxy),
    })
  }

  /** Decides on a request whose user is known, or is not. */
  #decide(identified: Identified, asked: Asked): Verdict {
    const { version, from } = asked
    switch (identified.state) {
      case 'known':
        return this.#admit(identified.grant, asked)
      case 'unusable':
        return { kind: 'turned away', error: 'bad_message', text: identified.text, version }
      case 'refused':
        return wrongToken(identified, asked)
      case 'wrong request':
        return refused(identified.status, identified.text)
      case 'unavailable':
        return identified.full ? busy(identified.text, identified.full, from) : unavailable(identified.text)
    }
  }

  #admit(grant: Grant, { parameters, version, from, address }: Asked): Verdict {
    const { limits, isConnected, refusedMs } = this.#options
    const { sessionId, device, choice } = parameters
    const refusedS = Math.ceil(refusedMs(grant.userId) / 1_000)
    if (refusedS > 0) {
      const text = `this user may not connect for ${refusedS} s: the application has ended all sessions`
      return { kind: 'turned away', error: 'not_allowed', text, version }
    }
    // A connection that replaces another one does not increase the number of connections.
    const { observer } = grant.rights
    if (sessionId === undefined || observer || !isConnected(grant.userId, sessionId)) {
      const full = limits.admits(observer ? undefined : grant.userId, address, sessionId)
      if (full) return tooMany(full, from)
    }
    return { kind: 'accepted', grant, sessionId, device, choice, version, address }
  }
}

/** What is known of a request before its user is. */
interface Asked {
  readonly parameters: Parameters
  readonly version: ProtocolVersion
  readonly from: ClientAddress
  readonly address: string | undefined
  /**
   * Whether the client can read the answer to a refused upgrade. A `WebSocket` object, as in browsers and in Node.js,
   * can't: browsers send an `Origin`, and the client library offers v2 and can't set an `Authorization` header.
   */
  readonly readsHttp: boolean
}

/** Refuses a request without a valid credential, in the way that the client can read. */
function wrongToken(
  { rule, text }: Extract<Identified, { state: 'refused' }>,
  { readsHttp, version, from }: Asked,
): Verdict {
  const report = {
    kind: 'token',
    text: 'a connection was refused because of its token',
    fields: { rule, reason: text, address: from.address },
    limit: 'AUTH',
  } as const
  if (readsHttp) return { ...refused(401, text, { 'WWW-Authenticate': 'Bearer' }), report }
  return { kind: 'turned away', error: 'bad_token', text, version, report }
}

function refused(status: number, detail: string, headers: Readonly<Record<string, string>> = {}): Refused {
  return { kind: 'refused', status, detail, headers }
}

function unavailable(detail: string): Refused {
  return refused(503, detail, { 'Retry-After': '1' })
}

/** Asks a client to come back, because others or its own address use all of a pool. */
function busy(detail: string, { limit, of }: PoolRefusal, from: ClientAddress): Refused {
  const text = `a connection was refused by ${limit}`
  const report = { kind: limit, limit, text, fields: { of, address: from.address } }
  return { ...unavailable(`${detail} (${limit})`), report }
}

/** Checks what RFC 6455, section 4.2.1, requires of a handshake and `ws` does not check, and {@link repeatedHeader}. */
function violationIn({ httpVersion, rawHeaders, headers }: IncomingMessage): Verdict | undefined {
  const version = { 'Sec-WebSocket-Version': '13' }
  if (httpVersion !== '1.1') return refused(400, 'a WebSocket handshake must use HTTP/1.1', version)
  if (headers.host === undefined) return refused(400, 'a Host header is required', version)
  const repeated = repeatedHeader(rawHeaders)
  if (repeated !== undefined) return refused(400, repeated, version)
  if (Number(headers['content-length'] ?? 0) !== 0 || headers['transfer-encoding'] !== undefined) {
    return refused(400, 'a WebSocket handshake must have no body')
  }
  if (headers['sec-websocket-version'] === '13') return undefined
  return refused(426, 'Sec-WebSocket-Version must be 13', version)
}

function tooMany({ status, limit, retryAfterMs }: TooMany, from: ClientAddress): Verdict {
  return {
    kind: 'refused',
    status,
    detail: `too many connections (${limit})`,
    headers: { 'Retry-After': String(Math.ceil(retryAfterMs / 1_000)) },
    report: {
      kind: 'refused',
      limit,
      text: `a connection was refused by ${limit}`,
      fields: { address: from.address },
      ...(from.forwarded && {
        advice:
          'a refused connection has an X-Forwarded-For header: if your proxy sets that header, set TRUST_PROXY',
      }),
    },
  }
}

function wrongOrigin(origin: string, { setting, value }: Disallowed): Verdict {
  const what = setting === 'ALLOWED_HOSTS' ? 'the name of this server' : 'this origin'
  return {
    kind: 'refused',
    status: 403,
    detail: `${what} is not allowed: add it to ${setting}`,
    headers: {},
    report: {
      kind: 'origin',
      limit: setting,
      text:
        setting === 'ALLOWED_HOSTS'
          ? 'a web page was refused: to allow the name of this server, set ALLOWED_HOSTS'
          : 'a web page was refused: to allow its origin, set ALLOWED_ORIGINS',
      fields: { origin, ...(value !== undefined && { set: `${setting}=${value}` }) },
    },
  }
}
