import { createHash } from 'node:crypto'
import { Pool, type PoolRefusal } from '../pool.ts'
import { readAnswer, refusedByApplication } from './answer.ts'
import { request as send } from './fetch-json.ts'
import type { DefaultRights, Grant } from './grant.ts'
import type { Identified, IdentityRequest } from './identity.ts'

export interface AuthUrlOptions {
  /** The setting AUTH_URL. */
  readonly url: string
  readonly defaultRights: DefaultRights
  /** Durations, in ms: `Clock.steady`. */
  readonly steady: () => number
  /** The wall clock, in ms since the epoch. */
  readonly now: () => number
  /** How long the application may take, in ms. */
  readonly timeoutMs: number
  /** Called with the reason when the application gave no usable answer. */
  readonly failed: (reason: string) => void
}

/** How long the application may take, in ms: a client waits for it before it is connected. */
export const AUTH_URL_MS = 2_000

/** How long an answer is used again, in ms. A user who has signed out can still connect for this time. */
export const CACHE_MS = 30_000

/** How many requests the application gets at once, so that a connection storm does not overload it. */
export const MAX_AT_ONCE = 100

/** How many answers are kept. Beyond that the oldest is dropped. */
const MAX_CACHED = 10_000

interface Cached {
  readonly grant: Grant
  /** When it may no longer be used, in `steady` time. */
  readonly until: number
}

/**
 * Asks the application who a client is, with the credentials that the client sent.
 *
 * Equal requests that arrive while one is under way do not share its answer. A refusal may be outdated by then: the
 * user may have signed in after the first request was sent, with the same cookie. Sharing would also not slow down an
 * attacker, who can send another cookie each time.
 */
export class AuthUrl {
  readonly #options: AuthUrlOptions
  readonly #cache = new Map<string, Cached>()
  /** The requests that the application has not answered. Each ends after `timeoutMs`. */
  readonly #running = new Pool('AUTH_URL', MAX_AT_ONCE)

  constructor(options: AuthUrlOptions) {
    this.#options = options
  }

  /**
   * Identifies a client. `undefined` if the request has nothing that the application could check.
   *
   * @param token a token that the client sent in the URL or in a subprotocol, because a browser can't set
   * `Authorization`
   */
  identify(
    request: IdentityRequest,
    token: string | undefined,
  ): Identified | Promise<Identified> | undefined {
    const { cookie, origin, authorization } = request.headers
    const credentials = authorization ?? (token === undefined ? undefined : `Bearer ${token}`)
    if (cookie === undefined && credentials === undefined) return undefined
    const headers: Record<string, string> = {
      Accept: 'application/json',
      'X-Forwarded-For': request.address,
      ...(cookie !== undefined && { Cookie: cookie }),
      ...(credentials !== undefined && { Authorization: credentials }),
      ...(origin !== undefined && { Origin: origin }),
    }
    const key = hashOf(headers)
    const cached = this.#cached(key)
    if (cached) return { state: 'known', grant: cached }
    const holder = { address: request.countedAddress }
    const full = this.#running.refusalOf(1, holder)
    if (full) return unavailable(full)
    this.#running.take(1, holder)
    return this.#ask(headers, key).finally(() => this.#running.giveBack(1, holder))
  }

  #cached(key: string): Grant | undefined {
    const cached = this.#cache.get(key)
    if (!cached || cached.until <= this.#options.steady()) return undefined
    const { expiresAt } = cached.grant
    return expiresAt === undefined || expiresAt > this.#options.now() ? cached.grant : undefined
  }

  async #ask(headers: Readonly<Record<string, string>>, key: string): Promise<Identified> {
    const { url, timeoutMs, failed } = this.#options
    try {
      const { status, json } = await send(url, { method: 'POST', headers }, timeoutMs)
      if (status === 401 || status === 403) return refusedByApplication()
      if (status < 200 || status > 299) throw new Error(`status ${status}`)
      const identified = readAnswer(json(), this.#options)
      if (identified.state === 'known') this.#keep(key, identified.grant)
      return identified
    } catch (error) {
      failed((error as Error).message)
      return unavailable()
    }
  }

  #keep(key: string, grant: Grant): void {
    this.#cache.delete(key)
    this.#cache.set(key, { grant, until: this.#options.steady() + CACHE_MS })
    if (this.#cache.size <= MAX_CACHED) return
    for (const oldest of this.#cache.keys()) {
      this.#cache.delete(oldest)
      return
    }
  }
}

/** A hash of everything that was forwarded. The credentials themselves are not kept. */
function hashOf(headers: Readonly<Record<string, string>>): string {
  return createHash('sha256').update(JSON.stringify(headers)).digest('base64')
}

/** @param full the limit of requests that are under way, if that is the reason */
function unavailable(full?: PoolRefusal): Identified {
  const text = 'the application cannot be asked who the user is at present'
  return { state: 'unavailable', text, ...(full && { full }) }
}
