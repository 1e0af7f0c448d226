import { badToken, replaced } from './close-codes.ts'
import { errorFrom, PresenceError } from './errors.ts'
import type { ClientOptions } from './options.ts'
import type { UrlChoice } from './own-status.ts'
import type { Platform } from './platform.ts'
import { SUBPROTOCOL } from './protocol.ts'
import { session } from './session.ts'
import { timer } from './timer.ts'
import { expiryOf } from './token.ts'
import type { Message, Request } from './wire.ts'

/**
 * How long before its end a token is renewed, in ms: time for a slow `getToken` and another attempt. A short token is
 * renewed when a third of its time is left.
 */
const RENEW_BEFORE_MS = 30_000

/** Shortest time between two renewals, in ms: a token that has expired, or a wrong clock, must not cause a loop. */
const MIN_RENEWAL_MS = 10_000

/** The time between two renewals after the token has expired, in ms. The server keeps the connection for a while. */
const EXPIRED_RENEWAL_MS = 60_000

/** The characters that a token may have as a part of a subprotocol's name. */
const TOKEN = /^[\w.~+-]+$/

/** The arguments of a WebSocket. They say who connects. */
export type Credentials = readonly [url: string, protocols: string[]]

/** Prepares the credentials of each connection, and renews the token. */
export interface CredentialsProvider {
  /**
   * Fetches what the next connection needs: the token and the session id. `code` is the close code of the last
   * connection: after 4409 it takes another session id, and after the second 4401 in a row it calls `renew`. The
   * returned function is called when the socket is opened. Rejects with a {@link PresenceError} `bad_token` if
   * `getToken` or `renew` failed.
   */
  prepare(code: number): Promise<() => Credentials>
  /** The connection is open: plans the renewal of the token. */
  resume(): void
  /** Renews the token if that is due and its timer is late: browsers delay the timers of hidden pages. */
  wake(): void
  /** Takes a message. Returns whether it is the reply to a renewal. */
  receive(message: Message): boolean
  /** The connection is lost: stops the renewal, because the next connection fetches a token anyway. */
  lost(): void
  /** Releases the session id. */
  close(): void
}

/**
 * Makes the provider. `now` returns the time of the server, from the first welcome on. `choice` returns
 * what the URL says of the user's status. `emitError` gets each failure of
 * `getToken` and `renew`, and each token that the server refuses on an open connection.
 */
export function credentialsProvider(
  options: ClientOptions,
  platform: Platform,
  now: () => number,
  choice: () => UrlChoice,
  send: (request: Request) => number,
  emitError: (error: PresenceError) => void,
): CredentialsProvider {
  const { url, userId, token, getToken, renew, sessionId, device } = options
  const { id, close } = session(platform, `who-is-online:${url}:${userId ?? ''}`, sessionId)
  const renewal = timer(platform)
  let { username } = options
  /** The token of the current connection or attempt. */
  let current: string | undefined
  /** The tokens that were sent to renew this connection and are not answered, by the `id` of the request. */
  let sent = new Map<unknown, string | undefined>()
  /** When the token must be renewed, by the server's clock; Infinity if that is not planned. */
  let dueAt = Number.POSITIVE_INFINITY
  /** Connections that the server has refused with 4401 since the last one that it accepted. */
  let refusals = 0

  /** Takes back the plan to renew the token. */
  function cancel(): void {
    renewal.stop()
    dueAt = Number.POSITIVE_INFINITY
  }

  /** Calls a function of the application. If it fails, that is reported and thrown. */
  async function ask<Value>(name: string, task: () => Value): Promise<Awaited<Value>> {
    try {
      return await task()
    } catch (reason) {
      const error = new PresenceError('bad_token', `${name} failed: ${reason}`)
      emitError(error)
      throw error
    }
  }

  async function fetchToken(): Promise<string | undefined> {
    if (!getToken) return token
    return ask('getToken', async () => {
      const fetched = await getToken()
      if (TOKEN.test(fetched || '')) return fetched
      // For example the HTML page of a proxy.
      throw 'not a token'
    })
  }

  /** Plans the next renewal, soon if the last one failed; none for a token that does not say when it expires. */
  function plan(hasFailed = false): void {
    const leftMs = expiryOf(current, platform.atob) - now()
    if (!getToken || Number.isNaN(leftMs)) return
    const earlyMs = hasFailed ? leftMs : Math.min(RENEW_BEFORE_MS, leftMs / 3)
    const waitMs = leftMs > 0 ? Math.max(MIN_RENEWAL_MS, leftMs - earlyMs) : EXPIRED_RENEWAL_MS
    dueAt = now() + waitMs
    renewal.set(waitMs, refresh)
  }

  /**
   * Fetches a token and continues the open connection with it. If that fails, or returns the same token, it is
   * repeated. If it never succeeds, the server closes with 4401, and the next attempt fetches a token.
   */
  async function refresh(): Promise<void> {
    cancel()
    const before = sent
    const fetched = await fetchToken().catch(() => current)
    // Meanwhile the connection was lost; the next one fetches a token of its own.
    if (before !== sent) return
    if (fetched !== current) sent.set(send({ type: 'refresh', token: fetched as string }), fetched)
    // Until the server has accepted another token.
    plan(true)
  }

  return {
    async prepare(code) {
      if (code === badToken && ++refusals > 1 && renew) await ask('renew', renew)
      current = await fetchToken()
      const sessionId = await id(code === replaced)
      return () => {
        const query = { sessionId, device, username, userId, ...choice() }
        let address = url.replace(/^http/, 'ws')
        for (const [key, value] of Object.entries(query)) {
          if (value) address += `${address.includes('?') ? '&' : '?'}${key}=${encodeURIComponent(value)}`
        }
        // Browsers cannot set headers of a WebSocket, so the token is sent as a subprotocol, which the server
        // never selects.
        return [address, current ? [SUBPROTOCOL, `bearer.${current}`] : [SUBPROTOCOL]]
      }
    },
    resume() {
      // Sent once: another device may have changed the name before the next connection.
      username = undefined
      refusals = 0
      plan()
    },
    wake() {
      if (now() >= dueAt) void refresh()
    },
    receive(message) {
      if (!sent.has(message.id)) return false
      if (message.type !== 'error') {
        current = sent.get(message.id)
        plan()
      } else if (message.code === 'bad_token') emitError(errorFrom(message))
      return sent.delete(message.id)
    },
    lost() {
      cancel()
      sent = new Map()
    },
    close,
  }
}
