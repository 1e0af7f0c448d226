import type { ClientOptions } from './options.ts'
import type { Platform } from './platform.ts'
import { session } from './session.ts'
import { timer } from './timer.ts'
import { renewIn } from './token.ts'
import { SUBPROTOCOL } from './wire.ts'

/** Where to connect, and as whom. */
export type Credentials = readonly [url: string, protocols: string[]]

export interface Passport {
  /** Called for every connection. */
  present(newSession: boolean): Promise<Credentials>
  /** The name as it was told last: a connection that named another one would rename the user. */
  rename(to: string): void
  /** The server has taken the token, at this time of its clock. */
  welcomed(serverTime: string): void
  /** The connection is gone; the next one brings a token of its own. */
  lost(): void
  end(): void
}

/**
 * Says who this client is, at each connection. `renewed` is called when there is a new token, in time before the old one
 * ends, and the connection should be made anew with it.
 */
export function passport(options: ClientOptions, platform: Platform, renewed: () => void): Passport {
  const { url, userId, token, getToken, sessionId } = options
  const { id, end } = session(platform, `who-is-online:${url}:${userId ?? ''}`, sessionId)
  const renewal = timer(platform)
  let { username } = options
  let inUse: string | undefined
  let next: string | undefined

  async function renew(): Promise<void> {
    const before = inUse
    try {
      const fetched = await getToken?.()
      // Meanwhile there may be another connection, with another token.
      if (before !== inUse) return
      next = fetched
      renewed()
    } catch {
      // The server will close with 4401 when the token has ended: then it is asked for again.
    }
  }

  return {
    async present(newSession) {
      inUse = next ?? token ?? (await getToken?.())
      next = undefined
      const query = { userId: inUse ? undefined : userId, username, sessionId: await id(newSession) }
      let address = url.replace(/^http/, 'ws')
      for (const [key, value] of Object.entries(query)) {
        if (value) address += `${address.includes('?') ? '&' : '?'}${key}=${encodeURIComponent(value)}`
      }
      // A browser can send no header with a WebSocket: the token travels as a subprotocol that is never selected.
      return [address, inUse ? [SUBPROTOCOL, `bearer.${inUse}`] : [SUBPROTOCOL]]
    },
    rename(to) {
      username = to
    },
    welcomed(serverTime) {
      const ms = getToken && inUse && renewIn(inUse, serverTime, platform.atob)
      if (ms) renewal.set(ms, () => void renew())
    },
    lost: renewal.stop,
    end,
  }
}
