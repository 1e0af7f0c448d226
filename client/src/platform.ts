// Everything that this client takes from its platform; no other file reads a global. Only timers are
// required, so the client can be loaded in a browser, during server-side rendering, in a worker and in React
// Native.

/**
 * The part of a WebSocket that is used. Browsers, `ws`, undici and React Native have it, but with different
 * types of events, so the events are not typed here.
 */
export interface WebSocketLike {
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  send(text: string): void
  close(code?: number, reason?: string): void
}

/** A WebSocket class. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike

/** A listener of DOM events. `persisted` is a field of `pagehide`. */
type Listener = (event: { readonly persisted?: boolean }) => void

interface ListenerOptions {
  readonly passive: boolean
  readonly capture: boolean
}

/** An object that emits DOM events. */
export interface EventSourceLike {
  addEventListener(type: string, listener: Listener, options?: ListenerOptions): void
  removeEventListener(type: string, listener: Listener, options?: ListenerOptions): void
}

/** The part of `document` that is used: its events and its visibility. */
export interface DocumentLike extends EventSourceLike {
  readonly visibilityState?: string
}

/** The part of `sessionStorage` that is used. */
export interface StorageLike {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

/** The part of `navigator.locks` (Web Locks API) that is used. */
export interface LocksLike {
  request(name: string, options: { ifAvailable: true }, held: (lock: unknown) => unknown): Promise<unknown>
}

/**
 * What the client needs from its platform. By default it is taken from the globals; the option `platform`
 * replaces parts, in tests and on platforms with other APIs. Timers and `atob` are called without `this`.
 */
export interface Platform {
  /** Opens connections. Undefined: every call that needs a connection fails with `no_websocket`. */
  readonly WebSocket: WebSocketConstructor | undefined
  /** Shows input and visibility. Undefined: the application calls `setActivity` and `setVisible`. */
  readonly document: DocumentLike | undefined
  /** Emits `online` when the network is back. */
  readonly network: EventSourceLike | undefined
  /** Keeps the session id over a reload. Undefined: the id lasts as long as the client. */
  readonly storage: StorageLike | undefined
  /** Detects a duplicated tab before it connects. */
  readonly locks: LocksLike | undefined
  /** Whether a user sits in front of this device, so that the client connects without being asked. */
  readonly isUsers: boolean
  /** Whether this is a phone or a tablet, which may stop a hidden page at once. */
  readonly isTouch?: boolean
  /** Decodes base64, to read when a token expires. Undefined: tokens are not renewed before the server asks. */
  readonly atob: ((text: string) => string) | undefined
  /** Returns a random number from 0 up to 1. */
  random(): number
  /** Returns the time of this device in ms since the epoch. */
  now(): number
  readonly setTimeout: (task: () => void, ms: number) => unknown
  readonly clearTimeout: (timer: unknown) => void
}

/** The globals by their usual names. */
type Globals = Partial<EventSourceLike> & {
  readonly WebSocket?: WebSocketConstructor
  readonly document?: DocumentLike
  readonly sessionStorage?: StorageLike
  readonly navigator?: {
    readonly product?: string
    readonly maxTouchPoints?: number
    readonly locks?: LocksLike
  }
  readonly atob?: (text: string) => string
} & Pick<Platform, 'setTimeout' | 'clearTimeout'>

/** Returns the platform that the globals describe, with another WebSocket class if one is given. */
export function detectPlatform(WebSocket?: WebSocketConstructor): Platform {
  const globals = globalThis as unknown as Globals
  const { document, navigator, atob, setTimeout, clearTimeout } = globals
  let storage: StorageLike | undefined
  try {
    storage = globals.sessionStorage
  } catch {
    // The browser forbids storage for this page.
  }
  return {
    WebSocket: WebSocket ?? globals.WebSocket,
    document,
    network: globals.addEventListener && (globals as EventSourceLike),
    // Node has a global `sessionStorage` too, which all users of a rendering server would share.
    storage: document && storage,
    locks: document && navigator?.locks,
    isUsers: !!document || navigator?.product === 'ReactNative',
    isTouch: !!navigator?.maxTouchPoints,
    atob,
    random: Math.random,
    now: Date.now,
    setTimeout,
    clearTimeout,
  }
}
