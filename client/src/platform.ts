// All that this client takes from where it runs. Nothing of it is needed but timers, so it is there in a browser, on a
// server while a page is rendered, in a worker and on a phone. No other file looks at a global.

/**
 * The part of a WebSocket that is used: the browsers', `ws`, undici's and React Native's have it. They do not agree on
 * the types of their events, so nothing is said of them here.
 */
export interface WebSocketLike {
  onmessage: ((event: never) => void) | null
  onclose: ((event: never) => void) | null
  onerror: ((event: never) => void) | null
  send(text: string): void
  close(code?: number, reason?: string): void
}

/** Whatever makes a WebSocket. */
export type WebSocketConstructor = new (url: string, protocols: string[]) => WebSocketLike

/** Something that tells of events. */
export interface EventSourceLike {
  addEventListener(type: string, listener: () => void, options?: { passive: boolean; capture: boolean }): void
  removeEventListener(
    type: string,
    listener: () => void,
    options?: { passive: boolean; capture: boolean },
  ): void
}

/** The part of `document` that tells whether somebody is there. */
export interface DocumentLike extends EventSourceLike {
  readonly visibilityState?: string
}

/** The part of `sessionStorage` that is used. */
export interface StorageLike {
  getItem(key: string): string | null
  setItem(key: string, value: string): void
}

/** The part of `navigator.locks` that is used. */
export interface LocksLike {
  request(name: string, options: { ifAvailable: true }, held: (lock: unknown) => unknown): Promise<unknown>
}

/**
 * Where a client runs. Each part can be replaced: in tests, and on platforms that have their own. Timers and `atob` are
 * called without their `this`.
 */
export interface Platform {
  readonly WebSocket: WebSocketConstructor | undefined
  readonly document: DocumentLike | undefined
  /** Tells `online` and `offline`. */
  readonly network: EventSourceLike | undefined
  readonly storage: StorageLike | undefined
  readonly locks: LocksLike | undefined
  /** Whether a user sits in front of this, so that a client connects without being asked. */
  readonly isUsers: boolean
  /** Reads base64, to see when a token ends. */
  readonly atob: ((text: string) => string) | undefined
  /** From 0 up to 1. */
  random(): number
  /** Ms since the epoch, by the clock of this device. */
  now(): number
  readonly setTimeout: (task: () => void, ms: number) => unknown
  readonly clearTimeout: (timer: unknown) => void
}

/** What the usual globals are called. */
type Globals = Partial<EventSourceLike> & {
  readonly WebSocket?: WebSocketConstructor
  readonly document?: DocumentLike
  readonly sessionStorage?: StorageLike
  readonly navigator?: { readonly product?: string; readonly locks?: LocksLike }
  readonly atob?: (text: string) => string
} & Pick<Platform, 'setTimeout' | 'clearTimeout'>

/** This platform, as the globals show it. */
export function surroundings(): Platform {
  const globals = globalThis as unknown as Globals
  const { WebSocket, document, navigator, atob, setTimeout, clearTimeout } = globals
  let storage: StorageLike | undefined
  try {
    storage = globals.sessionStorage
  } catch {
    // A page that may keep nothing: the session lives as long as the page.
  }
  return {
    WebSocket,
    document,
    network: globals.addEventListener && (globals as EventSourceLike),
    // On a server, where there is no document, "session" storage would be shared by all users.
    storage: document && storage,
    locks: document && navigator?.locks,
    isUsers: !!document || navigator?.product === 'ReactNative',
    atob,
    random: Math.random,
    now: Date.now,
    setTimeout,
    clearTimeout,
  }
}
