import { PresenceError } from './errors.ts'
import type { ClientOptions } from './options.ts'
import type { Platform } from './platform.ts'
import { SUBPROTOCOL } from './protocol.ts'
import type { SaidChoice } from './self.ts'
import { session } from './session.ts'
import { timer } from './timer.ts'
import { lifeMs } from './token.ts'

/** How long before its end a token is renewed. */
const AHEAD_MS = 30_000

/** Shortest time between two renewals, whatever the tokens say, and whatever the clocks. */
const RENEW_MS = 10_000

/** What can travel as a part of a subprotocol. */
const TOKEN = /^[\w.~+-]+$/

/** Where to connect, and as whom. */
export type Credentials = readonly [url: string, protocols: string[]]

export interface Passport {
  /** Called for every connection. What it resolves with is called when the socket is made. */
  present(newSession: boolean): Promise<() => Credentials>
  /** The server has taken the token, at this time of its clock. */
  welcomed(serverTime: string): void
  /** The connection is gone; the next one brings a token of its own. */
  lost(): void
  end(): void
}

/**
 * Says who this client is, at each connection, and what its user has chosen (`choice`). `renewed` is called when there is
 * a new token, in time before the old one ends: the connection should then be made again with it.
 */
export function passport(
  options: ClientOptions,
  platform: Platform,
  choice: () => SaidChoice,
  renewed: () => void,
  tellError: (error: PresenceError) => void,
): Passport {
  const { url, userId, token, getToken, sessionId } = options
  const { id, end } = session(platform, `who-is-online:${url}:${userId ?? ''}`, sessionId)
  const renewal = timer(platform)
  let { username } = options
  /** What a connection was made with, or is being made. */
  let inUse: string | undefined
  let next: string | undefined

  async function fetched(): Promise<string | undefined> {
    if (!getToken) return token
    try {
      const found = await getToken()
      if (TOKEN.test(found || '')) return found
      // Such as the page of a proxy that has a bad day.
      throw 'no token'
    } catch (reason) {
      const error = new PresenceError('bad_token', String(reason))
      tellError(error)
      throw error
    }
  }

  /**
   * Renews what ends in so many milliseconds, if there is time. What fails is tried again; when there is no time left the
   * server closes with 4401, and a token is asked for again.
   */
  function renewIn(leftMs: number): void {
    if (!inUse || !(leftMs > 0)) return
    const waitMs = Math.max(RENEW_MS, leftMs - AHEAD_MS)
    renewal.set(waitMs, async () => {
      const before = inUse
      const found = await fetched().catch(() => before)
      if (before !== inUse) return
      if (found === inUse) return renewIn(leftMs - waitMs)
      next = found
      renewed()
    })
  }

  return {
    async present(newSession) {
      inUse = next ?? (await fetched())
      next = undefined
      const sessionId = await id(newSession)
      return () => {
        const query = { sessionId, username, userId: inUse ? undefined : userId, ...choice() }
        let address = url.replace(/^http/, 'ws')
        for (const [key, value] of Object.entries(query)) {
          if (value) address += `${address.includes('?') ? '&' : '?'}${key}=${encodeURIComponent(value)}`
        }
        // A browser can send no header with a WebSocket: the token travels as a subprotocol that is never selected.
        return [address, inUse ? [SUBPROTOCOL, `bearer.${inUse}`] : [SUBPROTOCOL]]
      }
    },
    welcomed(serverTime) {
      // SentRequest once: by the time of another connection the user may have another name, given on another device.
      username = undefined
      if (inUse) renewIn(lifeMs(inUse, serverTime, platform.atob))
    },
    lost() {
      renewal.stop()
      inUse = undefined
    },
    end,
  }
}
