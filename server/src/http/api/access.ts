import type { IncomingMessage } from 'node:http'
import type { ApiKey, KeyRight } from '../../api-keys.ts'
import { isReachable } from '../../listening.ts'
import { type Pace, readyAt, type Spent, spend } from '../../presence/pace.ts'
import type { Clock } from '../../time/clock.ts'
import { KeyRing } from '../api-key.ts'
import { ApiFailure } from './failure.ts'

/** Who sends a request: a key, or nobody in development. */
export interface ApiCaller {
  /** The name of the key, for logs. */
  readonly name: string
  readonly right: KeyRight
}

export interface AccessOptions {
  readonly keys: readonly ApiKey[]
  readonly isDevelopment: boolean
  /** How fast one key may send requests. */
  readonly pace: Pace
  readonly clock: Pick<Clock, 'steady'>
}

/** Who calls without a key, where that is allowed. */
const DEVELOPER: ApiCaller = { name: 'development', right: 'write' }

/** Headers with which a proxy says that it passes on the request of somebody else. */
const FORWARDING = /^(forwarded|via|x-real-ip|x-forwarded-.*)$/

/** Decides who may call the API, and how often. */
export class ApiAccess {
  readonly #options: AccessOptions
  readonly #ring: KeyRing
  readonly #spent = new Map<string, Spent>()

  constructor(options: AccessOptions) {
    this.#options = options
    this.#ring = new KeyRing(options.keys)
  }

  /** Whether a request has a key. Then the limit of the key counts it. */
  hasKey({ headers }: IncomingMessage): boolean {
    return this.#ring.find(headers.authorization) !== undefined
  }

  /**
   * Whether a request may see what tells of hidden users: it has a write key, or comes from a program on this machine
   * without a read key.
   */
  isOperator(request: IncomingMessage): boolean {
    const key = this.#ring.find(request.headers.authorization)
    return key ? key.right === 'write' : isLocal(request)
  }

  /**
   * The sender of a request.
   *
   * @throws ApiFailure `bad_key`, which says what to send or to set
   */
  callerOf(request: IncomingMessage): ApiCaller {
    const key = this.#ring.find(request.headers.authorization)
    if (key) return key
    const { keys, isDevelopment } = this.#options
    if (keys.length > 0) throw new ApiFailure('bad_key', 'send a key of API_KEYS: Authorization: Bearer KEY')
    if (isDevelopment && isLocal(request)) return DEVELOPER
    throw new ApiFailure(
      'bad_key',
      isDevelopment
        ? 'set API_KEYS on the server: without it, only programs on the same machine may call the API in development'
        : 'the API is off: set API_KEYS on the server',
    )
  }

  /**
   * How long a caller has to wait before the next request, in ms. If it need not wait, this request is counted.
   */
  waitMs({ name }: ApiCaller): number {
    const { pace, clock } = this.#options
    const now = clock.steady()
    const spent = this.#spent.get(name) ?? 0
    const waitMs = readyAt(pace, spent) - now
    if (waitMs > 0) return waitMs
    this.#spent.set(name, spend(pace, spent, now))
    return 0
  }

  /** Counts a request that was counted already as some more, because it is large. */
  countMore({ name }: ApiCaller, requests: number): void {
    const { pace, clock } = this.#options
    const now = clock.steady()
    let spent = this.#spent.get(name) ?? 0
    for (let more = 0; more < requests; more++) spent = spend(pace, spent, now)
    this.#spent.set(name, spent)
  }
}

/**
 * Whether a request comes from a program on this machine: not from another machine, through a proxy, or from a web page
 * of another host, also one whose name points to this machine (DNS rebinding).
 */
function isLocal({ socket, headers }: IncomingMessage): boolean {
  const { host = '', origin } = headers
  if (isReachable(socket.remoteAddress ?? '')) return false
  if (Object.keys(headers).some(name => FORWARDING.test(name))) return false
  if (!URL.canParse(`http://${host}`)) return false
  const { hostname, host: own } = new URL(`http://${host}`)
  if (isReachable(hostname.replace(/^\[|\]$/g, ''))) return false
  return origin === undefined || origin === `http://${own}`
}
