import type { Platform, WebSocketConstructor } from './platform.ts'

/** Who connects: a user id where the server takes it on trust (development), else a token. */
export type Identity =
  | { readonly userId: string; readonly token?: never; readonly getToken?: never }
  /** A token that lasts as long as the client does. */
  | { readonly token: string; readonly userId?: string; readonly getToken?: never }
  /**
   * Called before every connection, and in time before a token ends. Should answer with one that is good now. When it
   * rejects, or answers with what can't be a token, that is told to `onError`, and the client tries again later. A token should be
   * good for more than ten seconds.
   */
  | { readonly getToken: () => string | Promise<string>; readonly userId?: string; readonly token?: never }

/** What a client is made of. */
export type ClientOptions = Identity & {
  /** Where the server is, such as `wss://presence.example.com/ws`. */
  readonly url: string
  /** The name that others see beside the user id, said with the first connection; `identify` changes it. */
  readonly username?: string
  /**
   * Names this tab or device, the same over reconnects, another one for each. Left out, the client makes one and keeps
   * it in `sessionStorage` where there is one.
   */
  readonly sessionId?: string
  /** For platforms without a global `WebSocket` (Node before 22): for example that of the package `ws`. */
  readonly WebSocket?: WebSocketConstructor
  /**
   * Whether to connect at once. Left out: yes where a user is (browser, React Native) or a `WebSocket` was given; else with the
   * first thing asked for, so that rendering a page on a server opens nothing. `false`: not before `connect`.
   */
  readonly autoConnect?: boolean
  /** After how many milliseconds without a sign of the user this device is idle; 5 minutes. `false`: never. */
  readonly idleAfterMs?: number | false
  /** How many milliseconds a request waits for a connection and its reply; 10,000. */
  readonly timeoutMs?: number
  /** Replaces parts of the platform: for tests, and for platforms that have their own. */
  readonly platform?: Partial<Platform>
}
