import type { UserId } from './ids.ts'
import type { Platform, WebSocketConstructor } from './platform.ts'

/**
 * Who connects: a token, or a plain user id where the server accepts one (`AUTH=open`, for development). With both, the
 * same code works in development, where the server reads only the user id, and in production. There the token decides,
 * and the server refuses a `userId` of another user.
 */
export type Identity =
  | { readonly userId: UserId; readonly token?: never; readonly getToken?: never; readonly renew?: never }
  /** A token that is valid as long as the client is used. */
  | { readonly token: string; readonly userId?: UserId; readonly getToken?: never; readonly renew?: never }
  /**
   * Returns a valid token. Called before each connection, and 30 s before the token in use expires (a token that
   * is valid for less than 90 s: when a third of its time is left). The client then continues the open connection
   * with the new token. If it rejects, or returns something that cannot be a token, `onError` gets a `bad_token`
   * and the client calls it again later. A token should be valid for more than ten seconds.
   */
  | {
      readonly getToken: () => string | Promise<string>
      readonly userId?: UserId
      readonly token?: never
      readonly renew?: never
    }
  /**
   * Nothing of this: cookies of the page, or a proxy, say who connects. If the server refuses them (4401), the client
   * connects once more. If they are refused again, it calls `renew`, which should renew them, and connects a last time.
   */
  | {
      readonly renew?: () => unknown
      readonly userId?: never
      readonly token?: never
      readonly getToken?: never
    }

/** The options of `createClient` that do not say who connects. */
export interface CommonOptions {
  /** The server's address, such as `wss://presence.example.com/ws`. `https:` and `http:` are accepted too. */
  readonly url: string
  /** The name that others see beside the user id. Sent with the first connection only; `identify` changes it. */
  readonly username?: string
  /**
   * The id of this tab or device: the same over reconnects, and unique. Default: a random id, kept in
   * `sessionStorage` where there is one.
   */
  readonly sessionId?: string
  /** The kind of this device, such as `web` or `ios`, at most 32 bytes. Only the application's backend sees it. */
  readonly device?: string
  /**
   * The WebSocket class, for platforms without a global one (Node before 22): for example that of the package
   * `ws`.
   */
  readonly WebSocket?: WebSocketConstructor
  /**
   * Whether to connect by itself. Default: at once in browsers, in React Native and if `WebSocket` is given;
   * otherwise with the first call that needs a connection, so that rendering a page on a server opens none.
   * `false`: only by `connect()`.
   */
  readonly autoConnect?: boolean
  /**
   * After how many milliseconds without input this device is idle. Default: 300,000 (5 minutes). `false`:
   * never.
   */
  readonly idleAfterMs?: number | false
  /** How many milliseconds a request waits for a connection and its reply. Default: 10,000. */
  readonly timeoutMs?: number
  /** Replaces parts of the platform, in tests and on platforms with other APIs. Default: taken from the globals. */
  readonly platform?: Partial<Platform>
}

/** The options of `createClient`. */
export type ClientOptions = Identity & CommonOptions
