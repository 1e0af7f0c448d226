import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { API_ERRORS, type ApiErrorCode } from '@who-is-online/protocol/api-errors'
import type { Log } from '../log.ts'
import type { Pace } from '../presence/pace.ts'
import { PROBLEM_TYPE, problemJson } from '../problem-json.ts'
import type { Refusals } from '../refusals.ts'
import type { TrustProxy } from '../setting-values.ts'
import { stackOf } from '../stack-of.ts'
import type { Clock } from '../time/clock.ts'
import { clientAddress, countedAs } from './address.ts'
import { AddressRate } from './address-rate.ts'
import { repeatedHeader } from './single-headers.ts'

export interface PlainHttpOptions {
  readonly clock: Pick<Clock, 'steady'>
  readonly log: Pick<Log, 'error' | 'limited'>
  readonly refusals: Refusals
  readonly trustProxy: TrustProxy | undefined
  /** How fast one address may send requests. */
  readonly requests: Pace
  /** Whether a request is limited in another way, so that it does not count for its address. */
  readonly isLimited: (request: IncomingMessage) => boolean
  /** The longest body of a request, in bytes. */
  readonly maxBodyBytes: (request: IncomingMessage) => number
}

/** How many requests of one connection may wait. No browser sends a request before the last one was answered. */
const MAX_WAITING = 16

/** The requests of one socket: whether one is being answered, and those that wait. */
interface Line {
  isBusy: boolean
  readonly waiting: [IncomingMessage, ServerResponse][]
}

/**
 * Limits plain HTTP. It passes on one request of a connection at a time, so that a client which pipelines requests
 * waits for its own answers, and not everybody else.
 */
export class PlainHttp {
  readonly #options: PlainHttpOptions
  readonly #listener: RequestListener
  readonly #rate: AddressRate
  readonly #lines = new WeakMap<Socket, Line>()

  /** @param listener answers the requests that are allowed */
  constructor(options: PlainHttpOptions, listener: RequestListener) {
    this.#options = options
    this.#listener = listener
    this.#rate = new AddressRate(options.requests)
  }

  /** Handles a request, now or after the earlier ones of its connection. */
  readonly handle: RequestListener = (request, response) => {
    const { socket } = request
    if (socket.destroyed) return
    const line = this.#lines.get(socket) ?? { isBusy: false, waiting: [] }
    this.#lines.set(socket, line)
    if (!line.isBusy) this.#serve(request, response, line)
    else if (line.waiting.length < MAX_WAITING) line.waiting.push([request, response])
    else this.#end(socket)
  }

  /** Answers a request. A bug ends only the connection of this client. */
  #serve(request: IncomingMessage, response: ServerResponse, line: Line): void {
    try {
      this.#answer(request, response, line)
    } catch (error) {
      this.#options.log.error('a bug: an HTTP request could not be handled', { error: stackOf(error) })
      request.socket.destroy()
    }
  }

  #answer(request: IncomingMessage, response: ServerResponse, line: Line): void {
    line.isBusy = true
    response.once('close', () => {
      // Not in this turn of the event loop: the requests of other connections come first.
      setImmediate(() => {
        line.isBusy = false
        const next = line.waiting.shift()
        if (next && !request.socket.destroyed) this.#serve(...next, line)
      })
    })
    if (this.#isTooFast(request, response)) return
    if (hasRepeatedHeader(request, response)) return
    if (hasWrongBody(request, response, this.#options.maxBodyBytes(request))) return
    this.#listener(request, response)
  }

  #isTooFast(request: IncomingMessage, response: ServerResponse): boolean {
    const { clock, trustProxy, log, refusals } = this.#options
    const from = clientAddress(request, trustProxy)
    if (!from.own || this.#options.isLimited(request)) return false
    const [address, now] = [countedAs(from.address), clock.steady()]
    const waitMs = this.#rate.waitMs(address, now)
    if (waitMs === 0) {
      this.#rate.count(address, now)
      return false
    }
    refusals.count('HTTP_REQUESTS_PER_SECOND_PER_ADDRESS')
    log.limited('http', 'an HTTP request was refused by HTTP_REQUESTS_PER_SECOND_PER_ADDRESS', {
      address: from.address,
    })
    response.setHeader('Retry-After', Math.ceil(waitMs / 1_000))
    refuse(response, 'too_fast', 'too many requests (HTTP_REQUESTS_PER_SECOND_PER_ADDRESS)')
    return true
  }

  /** Ends a connection with too many requests at once. */
  #end(socket: Socket): void {
    const { refusals, log } = this.#options
    const { remoteAddress: address } = socket
    refusals.count('PIPELINING')
    log.limited('pipelining', 'an HTTP client did not wait for its answers', { address })
    // Node parses the rest of what it has read, even after `destroy`. Without this, that takes five times as long.
    const { parser } = socket as Socket & { parser?: { onIncoming: unknown } }
    if (parser) parser.onIncoming = () => 0
    socket.destroy()
  }
}

/** Refuses a request with a header that must occur once. Returns whether it did. */
function hasRepeatedHeader({ rawHeaders }: IncomingMessage, response: ServerResponse): boolean {
  const repeated = repeatedHeader(rawHeaders)
  if (repeated === undefined) return false
  refuse(response, 'bad_request', repeated)
  return true
}

/** Refuses a request whose body is too long or has no length. Returns whether it did. */
function hasWrongBody({ headers }: IncomingMessage, response: ServerResponse, maxBytes: number): boolean {
  if (headers['transfer-encoding'] !== undefined) {
    refuse(response, 'length_required', 'a request with a body must have a Content-Length')
    return true
  }
  if (Number(headers['content-length'] ?? 0) <= maxBytes) return false
  refuse(response, 'too_large', `the body is longer than ${maxBytes} bytes`)
  return true
}

/** Answers with an error, and closes the connection without reading a body. */
function refuse(response: ServerResponse, code: ApiErrorCode, detail: string): void {
  const { status } = API_ERRORS[code]
  response.writeHead(status, { 'Content-Type': PROBLEM_TYPE, Connection: 'close' })
  response.end(problemJson(status, detail, { code }))
}
