// What this client says and hears: the part of protocol v2 it has a use for, as plain types, so that nothing of the
// server's catalogue (and none of its validators) is published with it. `wire.test.ts` holds them to the catalogue.

/** What a user can choose, and what others see. The choice `offline` hides a user who is connected. */
export type Status = 'online' | 'away' | 'busy' | 'offline'

/** One user as others see them. */
export interface User {
  readonly userId: string
  readonly status: Status
  /**
   * ISO 8601. For somebody offline, when they were last proven to be there; for others, a moment ago; `null` for a
   * user whom the server has never seen.
   */
  readonly lastSeen: string | null
  readonly username?: string | undefined
  /** A line beside the status, of at most 128 characters. */
  readonly text?: string | undefined
  /** ISO 8601: when the status falls back to `online`. */
  readonly expiresAt?: string | undefined
}

/** A place in the order of changes: the number of a change, within one life of the server. */
export interface Place {
  readonly epoch: string
  readonly seq: number
}

/** What is followed: exactly one of the three. */
export type Selector =
  | { readonly userIds: readonly string[] }
  | { readonly all: true }
  | { readonly count: true }

/** The requests that this client makes. */
export type Request =
  | {
      readonly type: 'set_status'
      readonly status: Status
      readonly text?: string | undefined
      readonly expiresAt?: string | undefined
    }
  | { readonly type: 'identify'; readonly username: string }
  | { readonly type: 'set_activity'; readonly state: Activity }
  | { readonly type: 'client_state'; readonly state: 'active' | 'inactive' }
  | { readonly type: 'get_users'; readonly userIds: readonly string[] }
  | ({ readonly type: 'subscribe'; readonly since?: Place | undefined } & Selector)
  | ({ readonly type: 'unsubscribe' } & Selector)
  | { readonly type: 'ping' }

/** Whether somebody is at this device. */
export type Activity = 'active' | 'idle'

/** What goes out: a request with the number that its reply is known by, if one is waited for. */
export type Said = Request & { readonly id?: number }

/** What comes in as a reply has the number of its request. */
export interface Numbered {
  readonly id?: string | number | undefined
}

export interface Welcome extends Place {
  readonly type: 'welcome'
  readonly serverTime: string
  readonly heartbeatMs: number
  readonly limits: { readonly maxWatchedUsers: number }
}

export interface PresenceState extends Place {
  readonly type: 'presence_state'
  readonly users: readonly User[]
  readonly last: boolean
  readonly recovered: boolean
  readonly all?: true | undefined
}

export interface PresenceDiff {
  readonly type: 'presence_diff'
  readonly prevSeq: number
  readonly seq: number
  readonly users: readonly User[]
}

export interface StatusUpdated {
  readonly type: 'status_updated'
  readonly status: Status
  /** ISO 8601: when it was chosen. */
  readonly timestamp: string
  readonly text?: string | undefined
  readonly expiresAt?: string | undefined
}

export interface Disconnect {
  readonly type: 'disconnect'
  readonly code: number
  readonly reason: string
  readonly retryAfterMs: number
}

export interface Users {
  readonly type: 'users'
  readonly users: readonly User[]
}

/** Why a server did not do what it was asked. */
export type RefusalCode =
  | 'bad_json'
  | 'bad_message'
  | 'unknown_type'
  | 'too_large'
  | 'too_fast'
  | 'too_many'
  | 'not_allowed'
  | 'bad_token'
  | 'bad_cursor'
  | 'unavailable'
  | 'internal'

export interface Refusal {
  readonly type: 'error'
  readonly message: string
  readonly code: RefusalCode
  readonly retryAfterMs?: number | undefined
}

/** The messages that this client understands; it passes over all others. */
export type Message = (
  | Welcome
  | PresenceState
  | PresenceDiff
  | StatusUpdated
  | Disconnect
  | Refusal
  | { readonly type: 'online_count'; readonly count: number }
  | Users
  | { readonly type: 'ack' }
  | { readonly type: 'pong' }
) &
  Numbered

/** The subprotocol by which a client opts into v2. */
export const SUBPROTOCOL = 'who-is-online.v2'
