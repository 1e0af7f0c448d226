import type { MyStatus } from './choice.ts'
import type { PresenceError } from './errors.ts'
import type { UserId } from './ids.ts'
import type { ConnectionState } from './machine.ts'
import type { Status, User } from './protocol.ts'
import type { Readable } from './readable.ts'
import type { Freshness, PresenceUser } from './user-view.ts'
import type { Activity } from './wire.ts'

/** A client of the presence service, made by `createClient`. Its functions can be called without `this`. */
export interface PresenceClient {
  // Other users

  /**
   * Subscribes to one user or to several, until the returned function is called. A user costs one subscription
   * however often the application subscribes; long lists are sent in several messages. `listener` is called when one of
   * these users has changed; {@link PresenceClient.onChange} gets all changes.
   *
   * Throws a {@link PresenceError}: `bad_user_id`, or `too_many` beyond the server's limit of subscriptions a
   * connection (by default 10,000; known after the first connection). {@link PresenceClient.watchAll} and
   * {@link PresenceClient.watchCount} count as one each.
   */
  subscribe(userIds: UserId | Iterable<UserId>, listener?: () => void): () => void

  /** Subscribes to all users until the returned function is called. */
  watchAll(): () => void

  /** Subscribes to the number of users who are online until the returned function is called. */
  watchCount(): () => void

  /**
   * Returns a user; `undefined` without a subscription, and until the server has sent the user's state. The
   * same object until something about the user changes.
   */
  get(userId: UserId): PresenceUser | undefined

  /**
   * Returns a readable of one user, which is subscribed while the readable has subscribers. Its value is `undefined`
   * until the server has sent the user's state. Throws a {@link PresenceError} `bad_user_id`.
   */
  user(userId: UserId): Readable<PresenceUser | undefined>

  /**
   * Returns a readable of users: those whose state has arrived, in the order of the ids. The same array until one of
   * them changes. Throws a {@link PresenceError} `bad_user_id`.
   */
  list(userIds: UserId | Iterable<UserId>): Readable<readonly PresenceUser[]>

  /** Returns a readable of the number of users who are online. Its value is `undefined` until it has arrived. */
  onlineCount(): Readable<number | undefined>

  /** Returns all users whom this client knows from its subscriptions. The same array until one of them changes. */
  users(): readonly PresenceUser[]

  /** How many users are online, as last received for {@link PresenceClient.watchCount}; `undefined` until then. */
  readonly count: number | undefined

  /**
   * `live` if all subscriptions are up to date. `stale` if the connection is lost, the page is hidden, the device has
   * slept and the server has not answered since, or a state has not arrived yet. Each user has a freshness of its own.
   */
  readonly freshness: Freshness

  /**
   * Asks for the current state of any users, once and without a subscription. Resolves in the order of the
   * ids. Rejects with a {@link PresenceError}, for example `bad_user_id` or `timeout`.
   */
  getUsers(userIds: UserId | Iterable<UserId>): Promise<User[]>

  // This user

  /**
   * What this user has chosen, here or on another device. Others may see less: `away` if all devices are
   * idle, `offline` if that was chosen.
   */
  readonly myStatus: MyStatus

  /**
   * Sets the status on all devices of this user: until it is changed, until `expiresAt`, or until the client
   * is closed. `offline` hides the user. `text` has at most 128 characters; `expiresAt` is a `Date` or ISO
   * 8601, in the future. Resolves when the server has the status; rejects with a {@link PresenceError},
   * `bad_message` for an invalid value.
   *
   * The client keeps the choice and begins each connection with it, unless another device has chosen since.
   * So a choice made before the first connection, or without one, is in force before anybody sees the user.
   * That also holds for a choice whose promise was rejected with `timeout`: without a connection, it is sent later.
   */
  setStatus(
    status: Status,
    more?: { readonly text?: string | undefined; readonly expiresAt?: Date | string | undefined },
  ): Promise<MyStatus>

  /**
   * Sets the name that others see, of 1 to 128 UTF-8 bytes. Resolves when the server has it; rejects with a
   * {@link PresenceError}, for example `not_allowed` if the token has the name.
   */
  identify(username: string): Promise<void>

  /**
   * Tells whether somebody uses this device. In a browser the client detects that itself; elsewhere the
   * application calls this, for example with React Native's `AppState` or Electron's `powerMonitor`.
   *
   * With `forMs`, 10,000 to 3,600,000, the server takes an active device as idle after that time, unless this is called
   * again. So a client that was stopped does not stay active. Repeated calls are sent at most once a minute.
   */
  setActivity(state: Activity, forMs?: number): void

  /**
   * Tells whether the user can see this page. While it is hidden, the server sends no changes and all users
   * are `stale`. When it is visible again, the newest state arrives at once and the connection is checked.
   * Call it only when it changes. In a browser the client detects that itself.
   */
  setVisible(isVisible: boolean): void

  // The connection

  /**
   * Returns the time of the server in ms since the epoch, with which `lastSeen` and `expiresAt` can be compared: the
   * clock of this device may be wrong by minutes. Before the first connection it is the time of this device.
   */
  serverTime(): number

  /** The state of the connection. */
  readonly connectionStatus: ConnectionState

  /** Why the server refuses this client, while the connection is `refused`; otherwise `undefined`. */
  readonly refusal: PresenceError | undefined

  /**
   * Connects now. During backoff it retries at once, but only once until a connection has been stable. Needed
   * with `autoConnect: false`, and after the server has refused this client. Throws a {@link PresenceError}:
   * `no_websocket`, or `closed`.
   */
  connect(): void

  /** Closes the client for good. Others see it at once. Pending requests reject with `closed`. */
  close(): void

  // Listeners. Each function returns the one that removes the listener.

  /** Calls `listener` with the users who have changed, each once and in its newest state. */
  onChange(listener: (changed: readonly PresenceUser[]) => void): () => void

  /** Calls `listener` with the number of users who are online; see {@link PresenceClient.watchCount}. */
  onCount(listener: (count: number) => void): () => void

  /** Calls `listener` when this user's choice changes, here or on another device. */
  onMyStatus(listener: (status: MyStatus) => void): () => void

  /** Calls `listener` when the state of the connection changes. */
  onConnectionChange(listener: (state: ConnectionState) => void): () => void

  /**
   * Calls `listener` with errors that no promise reports: the server refuses this client or a subscription, cannot be
   * reached (once, after the first three attempts), there is no `WebSocket`, or `getToken` failed.
   */
  onError(listener: (error: PresenceError) => void): () => void
}
