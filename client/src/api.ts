import type { MyStatus } from './choice.ts'
import type { PresenceError } from './errors.ts'
import type { ConnectionState } from './machine.ts'
import type { Status, User } from './protocol.ts'
import type { Freshness, PresenceUser } from './roster.ts'
import type { Activity } from './wire.ts'

/** A connection to a presence service, made by `createClient`. Its functions need no `this`. */
export interface PresenceClient {
  // Users

  /**
   * Follows users, as long as the function that is returned has not been called. Each id costs the server once, however
   * often it is followed here, and as many messages as it takes are sent. `listener` is called when one of these users
   * has changed; {@link PresenceClient.onChange} hears of all.
   *
   * Throws a {@link PresenceError}: `bad_user_id`, or `too_many` beyond what a connection may follow (10,000, once the
   * server has said so; {@link PresenceClient.watchAll} and {@link PresenceClient.watchCount} count as one each).
   */
  subscribe(userIds: Iterable<string>, listener?: () => void): () => void

  /** Follows everybody, as long as the function that is returned has not been called. */
  watchAll(): () => void

  /** Follows the number of users who are online, as long as the function that is returned has not been called. */
  watchCount(): () => void

  /**
   * A user who is followed; `undefined` until the server has told of them, and for one who is not followed. The same
   * object until something about the user changes.
   */
  get(userId: string): PresenceUser | undefined

  /** All users who are followed and known. The same array until one of them changes. */
  users(): readonly PresenceUser[]

  /** How many users are online, as {@link PresenceClient.watchCount} was told last; `undefined` until then. */
  readonly count: number | undefined

  /**
   * Whether all that is followed is as the server has it at this moment. While it is `stale`, the connection is down,
   * states are on their way, or the page is hidden; each user says so too.
   */
  readonly freshness: Freshness

  /** Asks for users, followed or not, as they are at this moment, in the order of the ids. Nobody is followed by it. */
  getUsers(userIds: Iterable<string>): Promise<User[]>

  // This user

  /**
   * What this user has chosen, here or on another device. Others may see less: `away` when every device is idle,
   * `offline` when that was chosen.
   */
  readonly myStatus: MyStatus

  /**
   * Chooses a status, on all devices of this user: until it is changed, until `expiresAt`, or until the client is closed.
   * `offline` hides the user. Resolves when the server has it; rejects with a {@link PresenceError}, `bad_message` for a
   * wrong value.
   *
   * The client keeps the choice and begins each connection with it, unless another device has chosen since. So a choice
   * that is made before the first connection, or without one, is in force before anybody sees the user. That also holds
   * for one whose promise was rejected with `timeout`.
   */
  setStatus(
    status: Status,
    more?: { readonly text?: string | undefined; readonly expiresAt?: Date | string | undefined },
  ): Promise<MyStatus>

  /** Names this user. Resolves when the server has it; rejects with a {@link PresenceError}. */
  identify(username: string): Promise<void>

  /**
   * Says whether somebody is at this device. In a browser the client sees that by itself; elsewhere (React Native's
   * `AppState`, Electron's `powerMonitor`) the application says so.
   */
  setActivity(state: Activity): void

  /**
   * Says whether anybody looks. While nobody does, the server keeps what changes to itself, and {@link PresenceClient.get} stands still;
   * and is `stale`; when somebody does again, the newest comes at once, and all is `live`. Say it when it changes: each time that somebody looks the line is tried. In a browser the client sees that by itself.
   */
  setVisible(isVisible: boolean): void

  // The connection

  /** Where the connection is. */
  readonly connectionStatus: ConnectionState

  /** Why the server did not want this client back, while the connection is `suspended`. */
  readonly refusal: PresenceError | undefined

  /**
   * Connects, if that is not done or under way; ends a wait, once until a connection has held. Not needed where `autoConnect` is; needed after the server has refused
   * this client. Throws a {@link PresenceError}: `no_websocket`, or `closed`.
   */
  connect(): void

  /** Leaves, at once and for good: others see it now. Requests that wait are rejected with `closed`. */
  close(): void

  // Listeners; each returns what takes it off again

  /** Hears of changes: those users who have changed, each once, as they are now. */
  onChange(listener: (changed: readonly PresenceUser[]) => void): () => void

  /** Hears of the number of users who are online; see {@link PresenceClient.watchCount}. */
  onCount(listener: (count: number) => void): () => void

  /** Hears of what this user has chosen, wherever that was. */
  onMyStatus(listener: (status: MyStatus) => void): () => void

  /** Hears of where the connection is, each time that is another. */
  onConnectionChange(listener: (state: ConnectionState) => void): () => void

  /** Hears of what went wrong where no promise could say so: the server refused this client, or a subscription; there is no `WebSocket`; `getToken` gave no token. */
  onError(listener: (error: PresenceError) => void): () => void
}
