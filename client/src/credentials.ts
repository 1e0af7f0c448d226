import { PresenceError } from './errors.ts'
import type { ClientOptions } from './options.ts'
import type { UrlChoice } from './own-status.ts'
import type { Platform } from './platform.ts'
import { SUBPROTOCOL, type Welcome } from './protocol.ts'
import { session } from './session.ts'
import { timer } from './timer.ts'
import { remainingMs } from './token.ts'

/** How long before its end a token is renewed, in ms: time for a slow `getToken` and another attempt. */
const RENEW_BEFORE_MS = 30_000

/** Shortest time between two renewals, in ms: a token that has expired, or a wrong clock, must not cause a loop. */
const MIN_RENEWAL_MS = 10_000

/** The characters that a token may have as a part of a subprotocol's name. */
const TOKEN = /^[\w.~+-]+$/

/** The arguments of a WebSocket. They say who connects. */
export type Credentials = readonly [url: string, protocols: string[]]

/** Prepares the credentials of each connection, and renews the token. */
export interface CredentialsProvider {
  /**
   * Fetches what the next connection needs: the token and the session id, with `isNewSession` another one.
   * The returned function is called when the socket is opened. Rejects with a {@link PresenceError}
   * `bad_token` if `getToken` failed.
   */
  prepare(isNewSession: boolean): Promise<() => Credentials>
  /** The connection is open: plans the renewal of the token. */
  resume(welcome: Welcome): void
  /** The connection is lost: stops the renewal, because the next connection fetches a token anyway. */
  lost(): void
  /** Releases the session id. */
  close(): void
}

/**
 * Makes the provider. `choice` returns what the URL says of the user's status. `renewed` is called when a new
 * token is there before the old one expires: the connection must then be made again. `emitError` gets each
 * failure of `getToken`.
 */
export function credentialsProvider(
  options: ClientOptions,
  platform: Platform,
  choice: () => UrlChoice,
  renewed: () => void,
  emitError: (error: PresenceError) => void,
): CredentialsProvider {
  const { url, userId, token, getToken, sessionId } = options
  const { id, close } = session(platform, `who-is-online:${url}:${userId ?? ''}`, sessionId)
  const renewal = timer(platform)
  let { username } = options
  /** The token of the current connection or attempt. */
  let current: string | undefined
  /** The renewed token, for the next connection. */
  let next: string | undefined

  async function fetchToken(): Promise<string | undefined> {
    if (!getToken) return token
    try {
      const fetched = await getToken()
      if (TOKEN.test(fetched || '')) return fetched
      // For example the HTML page of a proxy.
      throw 'not a token'
    } catch (reason) {
      const error = new PresenceError('bad_token', `getToken failed: ${reason}`)
      emitError(error)
      throw error
    }
  }

  /**
   * Renews the token before it expires in `leftMs`; does nothing for `NaN`. A renewal that fails, or that
   * returns the same token, is repeated while there is time. After that the server closes with 4401, and the
   * next attempt fetches a token.
   */
  function renewIn(leftMs: number): void {
    if (!(leftMs > 0)) return
    const waitMs = Math.max(MIN_RENEWAL_MS, leftMs - RENEW_BEFORE_MS)
    renewal.set(waitMs, async () => {
      const before = current
      const fetched = await fetchToken().catch(() => before)
      if (before !== current) return
      if (fetched === current) return renewIn(leftMs - waitMs)
      next = fetched
      renewed()
    })
  }

  return {
    async prepare(isNewSession) {
      current = next ?? (await fetchToken())
      next = undefined
      const sessionId = await id(isNewSession)
      return () => {
        const query = { sessionId, username, userId: current ? undefined : userId, ...choice() }
        let address = url.replace(/^http/, 'ws')
        for (const [key, value] of Object.entries(query)) {
          if (value) address += `${address.includes('?') ? '&' : '?'}${key}=${encodeURIComponent(value)}`
        }
        // Browsers cannot set headers of a WebSocket, so the token is sent as a subprotocol, which the server
        // never selects.
        return [address, current ? [SUBPROTOCOL, `bearer.${current}`] : [SUBPROTOCOL]]
      }
    },
    resume({ serverTime }) {
      // Sent once: another device may have changed the name before the next connection.
      username = undefined
      renewIn(remainingMs(current, serverTime, platform.atob))
    },
    lost() {
      renewal.stop()
      current = undefined
    },
    close,
  }
}
