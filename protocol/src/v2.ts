import Type, { type TObject, type TProperties } from 'typebox'
import { ANN, BOB, LATER, TIME } from './examples.ts'
import {
  activeForMs,
  cursor,
  type Entry,
  epoch,
  id,
  literalTrue,
  name,
  optional,
  position,
  type RequestEntry,
  seq,
  status,
  statusText,
  time,
  timeWithZone,
  token,
  user,
  userIds,
} from './fields.ts'
import { messages as v1Messages, requests as v1Requests } from './v1.ts'
import { MAX_USER_IDS } from './words.ts'

// Protocol v2, a superset of v1. Each request of v1 may have an `id`, and each reply adds its keys after
// those of v1. Changes are sent in batches, in order, and only for subscribed users. `id` is always the last
// key.

/** The last key of a request. */
const requestId = { id: optional(id) }
/** The last key of a reply. */
const replyId = { id: Type.Optional(id) }

/** A v1 schema with more keys after its own. A key with the same name is replaced in place. */
function extended<Old extends TProperties, New extends TProperties>(schema: TObject<Old>, more: New) {
  return Type.Object({ ...schema.properties, ...more } as Omit<Old, keyof New> & New)
}

/** What `subscribe` and `unsubscribe` select. */
const selectors = {
  userIds: optional(userIds),
  all: optional(literalTrue),
  count: optional(literalTrue),
}

/** Exactly one selector must be present. `since` needs a list of users or `all`. */
function checkSelectors(message: Readonly<Record<string, unknown>>): string | undefined {
  const has = (key: string): boolean => Object.hasOwn(message, key)
  if (Object.keys(selectors).filter(has).length !== 1)
    return `"${message['type']}" needs exactly one of "userIds", "all" and "count"`
  return has('count') && has('since')
    ? '"since" must not be combined with "count": it needs "userIds" or "all"'
    : undefined
}

/** Subscriptions that the server has ended. */
export const endedSubscriptions = Type.Object(
  {
    userIds: Type.Optional(Type.Array(name)),
    all: Type.Optional(literalTrue),
    count: Type.Optional(literalTrue),
  },
  { description: 'the subscriptions that have ended, because a new token does not allow them' },
)

const limits = Type.Object({
  maxMessageBytes: Type.Integer(),
  maxUserIds: Type.Integer(),
  maxWatchedUsers: Type.Integer(),
  messagesPerSecond: Type.Number(),
  messagesBurst: Type.Number(),
})

/** Requests of v2, client to server. */
export const requests = {
  get_online_count: {
    ...v1Requests.get_online_count,
    schema: extended(v1Requests.get_online_count.schema, requestId),
    example: { type: 'get_online_count', id: 1 },
  },
  check_user_status: {
    ...v1Requests.check_user_status,
    schema: extended(v1Requests.check_user_status.schema, requestId),
    example: { type: 'check_user_status', targetUserId: '123', id: 2 },
  },
  get_all_users: {
    ...v1Requests.get_all_users,
    schema: extended(v1Requests.get_all_users.schema, requestId),
    example: { type: 'get_all_users', id: 3 },
  },
  set_status: {
    sentence: 'Set your status, with an optional text and expiry; `offline` hides you from others',
    schema: extended(v1Requests.set_status.schema, {
      status,
      text: optional(statusText),
      expiresAt: optional(timeWithZone),
      ...requestId,
    }),
    example: { type: 'set_status', status: 'busy', text: 'in a call', expiresAt: LATER, id: 4 },
    replies: ['status_updated'],
  },
  identify: {
    ...v1Requests.identify,
    schema: extended(v1Requests.identify.schema, requestId),
    example: { type: 'identify', username: 'john_doe', id: 5 },
    replies: ['ack'],
  },
  set_activity: {
    sentence:
      'Report whether you are active on this device; a user who is idle on all devices is shown as `away`. With `forMs`, an active device becomes idle after that time unless it reports again',
    schema: Type.Object({
      type: Type.Literal('set_activity'),
      state: Type.Enum(['active', 'idle'], { description: '"active" or "idle"' }),
      forMs: optional(activeForMs),
      ...requestId,
    }),
    example: { type: 'set_activity', state: 'active', forMs: 360_000, id: 6 },
    replies: ['ack'],
    checkCombination: message =>
      message['state'] === 'idle' && Object.hasOwn(message, 'forMs')
        ? '"forMs" must not be combined with "state": "idle"'
        : undefined,
  },
  subscribe: {
    sentence:
      'Subscribe to users (`userIds`), to all users (`all`) or to the number of online users (`count`); give exactly one of the three. With `since`, the reply contains only what changed after that position',
    schema: Type.Object({
      type: Type.Literal('subscribe'),
      ...selectors,
      since: optional(position),
      ...requestId,
    }),
    example: {
      type: 'subscribe',
      userIds: ['ann', 'bob'],
      since: { epoch: '8pz4kq2', seq: 41 },
      id: 7,
    },
    replies: ['presence_state', 'online_count'],
    checkCombination: checkSelectors,
  },
  unsubscribe: {
    sentence: 'End subscriptions; give exactly one of `userIds`, `all` and `count`',
    schema: Type.Object({ type: Type.Literal('unsubscribe'), ...selectors, ...requestId }),
    example: { type: 'unsubscribe', userIds: ['bob'], id: 8 },
    replies: ['ack'],
    checkCombination: checkSelectors,
  },
  get_users: {
    sentence: 'Get users by id; a user the server never saw is `offline` with `lastSeen: null`',
    schema: Type.Object({ type: Type.Literal('get_users'), userIds, ...requestId }),
    example: { type: 'get_users', userIds: ['ann', 'bob'], id: 9 },
    replies: ['users'],
  },
  list_users: {
    sentence: 'Get all known users in pages; pass the `cursor` of the previous page until a page has none',
    schema: Type.Object({
      type: Type.Literal('list_users'),
      status: optional(status),
      limit: optional(
        Type.Integer({
          minimum: 1,
          maximum: MAX_USER_IDS,
          description: `a whole number from 1 to ${MAX_USER_IDS}`,
        }),
      ),
      cursor: optional(cursor),
      ...requestId,
    }),
    example: { type: 'list_users', status: 'online', limit: 100, cursor: '2s.bob', id: 10 },
    replies: ['users'],
  },
  client_state: {
    sentence:
      'Report whether the client is visible; an inactive client receives only replies until it is active again',
    schema: Type.Object({
      type: Type.Literal('client_state'),
      state: Type.Enum(['active', 'inactive'], { description: '"active" or "inactive"' }),
      ...requestId,
    }),
    example: { type: 'client_state', state: 'inactive', id: 11 },
    replies: ['ack'],
  },
  refresh: {
    sentence:
      'Continue this connection with a new token of the same user; if the token is refused, the connection keeps its old one',
    schema: Type.Object({ type: Type.Literal('refresh'), token, ...requestId }),
    example: { type: 'refresh', token: 'eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dX', id: 13 },
    replies: ['ack'],
  },
  ping: {
    sentence: 'Check that the server responds',
    schema: Type.Object({ type: Type.Literal('ping'), ...requestId }),
    example: { type: 'ping', id: 12 },
    replies: ['pong'],
  },
} as const satisfies Record<string, RequestEntry>

/** The codes of `error`, and what each means. */
export const ERROR_CODES = {
  bad_json: 'The message is not JSON',
  bad_message: 'A field is missing or invalid; the message names the field and what it must be',
  unknown_type: 'There is no request with this `type`; the message lists the known types',
  too_large: 'The request is larger than the server accepts',
  too_fast:
    'Too many messages. Without `retryAfterMs` nothing was dropped: your messages are answered later, in order. With it, the request with this `id` was dropped; retry after that time',
  too_many:
    'More users than one connection can subscribe to (`limits.maxWatchedUsers`), or than the server has room for; the message says which. The request had no effect',
  not_allowed:
    'This user does not have the right to do this. With `ended`, a new token does not allow these subscriptions, and they have ended',
  bad_token: 'The token is invalid, expired or of another user; get a new one',
  bad_cursor: 'The cursor is not one that the server sent; start again without one',
  unavailable: "The server can't answer now; retry later",
  internal: 'A bug in the server; see its log',
} as const

const errorCodes = Object.keys(ERROR_CODES) as (keyof typeof ERROR_CODES)[]

/** Messages of v2, server to client. */
export const messages = {
  welcome: {
    sentence: 'First message of a connection: your user, the current position in the changes, and the limits',
    schema: extended(v1Messages.welcome.schema, {
      sessionId: name,
      connectionId: Type.String(),
      epoch,
      seq,
      serverTime: time,
      heartbeatMs: Type.Integer(),
      graceMs: Type.Integer(),
      limits,
    }),
    example: {
      type: 'welcome',
      userId: '123',
      message: 'Connected to server',
      sessionId: 'tab-1',
      connectionId: '0b1f3a52-5e0a-4a61-9a0e-0c7f2f5d3f10',
      epoch: '8pz4kq2',
      seq: 41,
      serverTime: TIME,
      heartbeatMs: 15_000,
      graceMs: 5_000,
      limits: {
        maxMessageBytes: 65_536,
        maxUserIds: 1_000,
        maxWatchedUsers: 10_000,
        messagesPerSecond: 20,
        messagesBurst: 200,
      },
    },
  },
  online_count: {
    sentence: 'Number of online users; sent to subscribers at most once per second, when it has changed',
    schema: extended(v1Messages.online_count.schema, replyId),
    example: { ...v1Messages.online_count.example, id: 1 },
  },
  user_status: {
    ...v1Messages.user_status,
    schema: extended(v1Messages.user_status.schema, replyId),
    example: { ...v1Messages.user_status.example, id: 2 },
  },
  all_users: {
    sentence: 'List of all users',
    schema: extended(v1Messages.all_users.schema, { users: Type.Array(user), ...replyId }),
    example: { type: 'all_users', users: [ANN, BOB], timestamp: TIME, id: 3 },
  },
  status_updated: {
    sentence:
      'Your status: the reply to `set_status`; also sent when it changed on another device or expired',
    schema: extended(v1Messages.status_updated.schema, {
      status,
      text: Type.Optional(statusText),
      expiresAt: Type.Optional(time),
      ...replyId,
    }),
    example: {
      type: 'status_updated',
      status: 'busy',
      timestamp: TIME,
      text: 'in a call',
      expiresAt: LATER,
      id: 4,
    },
  },
  presence_state: {
    sentence:
      'The current state of the users you subscribed to, in pages of 1,000. If `recovered` is true, only the users that changed after `since`. If `all` is true, all users: everyone who is missing is offline',
    schema: Type.Object({
      type: Type.Literal('presence_state'),
      epoch,
      seq,
      users: Type.Array(user),
      last: Type.Boolean(),
      recovered: Type.Boolean(),
      all: Type.Optional(literalTrue),
      ...replyId,
    }),
    example: {
      type: 'presence_state',
      epoch: '8pz4kq2',
      seq: 42,
      users: [ANN, BOB],
      last: true,
      recovered: false,
      all: true,
      id: 7,
    },
  },
  presence_diff: {
    sentence: 'Changes since the last message: the newest state of each changed user, once',
    schema: Type.Object({ type: Type.Literal('presence_diff'), prevSeq: seq, seq, users: Type.Array(user) }),
    example: { type: 'presence_diff', prevSeq: 42, seq: 45, users: [ANN] },
  },
  users: {
    sentence: 'The requested users',
    schema: Type.Object({
      type: Type.Literal('users'),
      users: Type.Array(user),
      seq,
      cursor: Type.Optional(cursor),
      ...replyId,
    }),
    example: { type: 'users', users: [ANN, BOB], seq: 45, cursor: '2s.bob', id: 10 },
  },
  disconnect: {
    sentence:
      'The server is about to close the connection: the reason, whether to reconnect, and after how long',
    schema: Type.Object({
      type: Type.Literal('disconnect'),
      code: Type.Integer(),
      reason: Type.String(),
      reconnect: Type.Boolean(),
      retryAfterMs: Type.Integer({ minimum: 0 }),
    }),
    example: {
      type: 'disconnect',
      code: 4503,
      reason: 'the server is restarting',
      reconnect: true,
      retryAfterMs: 800,
    },
  },
  ack: {
    sentence: 'The request succeeded',
    schema: Type.Object({ type: Type.Literal('ack'), ...replyId }),
    example: { type: 'ack', id: 8 },
  },
  pong: {
    sentence: 'Reply to `ping`',
    schema: Type.Object({ type: Type.Literal('pong'), ...replyId }),
    example: { type: 'pong', id: 12 },
  },
  error: {
    sentence: 'A request failed; `code` is for programs, `message` for developers',
    schema: extended(v1Messages.error.schema, {
      code: Type.Enum(errorCodes),
      retryAfterMs: Type.Optional(Type.Integer({ minimum: 0 })),
      ended: Type.Optional(endedSubscriptions),
      ...replyId,
    }),
    example: {
      type: 'error',
      message: 'too_fast: more lists of all users than allowed; retry in 50 ms',
      timestamp: TIME,
      code: 'too_fast',
      retryAfterMs: 50,
      id: 14,
    },
  },
} as const satisfies Record<string, Entry>
