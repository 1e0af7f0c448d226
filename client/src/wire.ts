import type {
  Ack,
  ClientState,
  Disconnect,
  ErrorMessage,
  GetUsers,
  Identify,
  OnlineCount,
  Ping,
  Pong,
  PresenceDiff,
  PresenceState,
  Refresh,
  SetActivity,
  SetStatus,
  StatusUpdated,
  Subscribe,
  Unsubscribe,
  Users,
  Welcome,
} from './protocol.ts'

// What this client sends and receives, put together from the generated types.

/** Whether somebody uses this device: `active`, or `idle` after a while without input. */
export type Activity = SetActivity['state']

/** What a subscription is for. The server requires exactly one of the three. */
export type Selector =
  | { readonly userIds: readonly string[] }
  | { readonly all: true }
  | { readonly count: true }

type WithSelector<Subscription> = Omit<Subscription, 'userIds' | 'all' | 'count'> & Selector

/** A request without its `id`. */
export type Request =
  | SetStatus
  | Identify
  | SetActivity
  | ClientState
  | GetUsers
  | WithSelector<Subscribe>
  | WithSelector<Unsubscribe>
  | Refresh
  | Ping

/** A request as it is sent. The reply carries its `id`. */
export type SentRequest = Request & { readonly id?: number }

/** What a reply has: the `id` of its request. */
export interface Reply {
  readonly id?: string | number | undefined
}

/** The messages that this client understands; it ignores all others. */
export type Message = (
  | Welcome
  | PresenceState
  | PresenceDiff
  | StatusUpdated
  | Disconnect
  | ErrorMessage
  | OnlineCount
  | Users
  | Ack
  | Pong
) &
  Reply
