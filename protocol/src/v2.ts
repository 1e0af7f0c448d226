import Type, { type TObject, type TProperties } from 'typebox'
import {
  cursor,
  type Entry,
  epoch,
  id,
  name,
  optional,
  place,
  type RequestEntry,
  seq,
  status,
  statusText,
  time,
  timeToCome,
  user,
  userIds,
  yes,
} from './fields.ts'
import { messages as v1Messages, requests as v1Requests } from './v1.ts'
import { MAX_USER_IDS } from './words.ts'

// Dialect v2, the superset: each request of v1 with an `id`, each reply with keys after those of v1, and changes
// that come batched, in order, and only of those who are followed. `id` is always the last key.

/** The last key of a request, and of its reply. */
const requestId = { id: optional(id) }
const replyId = { id: Type.Optional(id) }

/** A v1 schema with more keys after its own; one of the same name is replaced where it stands. */
function extended<Old extends TProperties, New extends TProperties>(schema: TObject<Old>, more: New) {
  return Type.Object({ ...schema.properties, ...more } as Omit<Old, keyof New> & New)
}

/** What `subscribe` and `unsubscribe` name. */
const selectors = {
  userIds: optional(userIds),
  all: optional(yes),
  count: optional(yes),
}

function together(message: Readonly<Record<string, unknown>>): string | undefined {
  const has = (key: string): boolean => Object.hasOwn(message, key)
  if (Object.keys(selectors).filter(has).length !== 1)
    return `${message['type']} needs exactly one of "userIds", "all" and "count"`
  return has('count') && has('since') ? '"since" goes with "userIds" or "all", not with "count"' : undefined
}

const limits = Type.Object({
  maxMessageBytes: Type.Integer(),
  maxUserIds: Type.Integer(),
  maxWatchedUsers: Type.Integer(),
  messagesPerSecond: Type.Number(),
  messagesBurst: Type.Number(),
})

const TIME = '2023-04-25T10:30:00.000Z'
const LATER = '2035-04-25T12:00:00.000Z'
const ANN = {
  userId: 'ann',
  status: 'busy',
  lastSeen: TIME,
  username: 'Ann',
  text: 'in a call',
  expiresAt: LATER,
} as const
const BOB = { userId: 'bob', status: 'offline', lastSeen: null } as const

/** Client to server. */
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
    sentence: 'Set your status, with a text and an end if you like; `offline` hides you',
    schema: extended(v1Requests.set_status.schema, {
      status,
      text: optional(statusText),
      expiresAt: optional(timeToCome),
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
    sentence: 'Say whether you are active on this device; idle on all of them shows as `away`',
    schema: Type.Object({
      type: Type.Literal('set_activity'),
      state: Type.Enum(['active', 'idle'], { description: '"active" or "idle"' }),
      ...requestId,
    }),
    example: { type: 'set_activity', state: 'idle', id: 6 },
    replies: ['ack'],
  },
  subscribe: {
    sentence:
      'Follow users (`userIds`), everybody (`all`), or the number of those online (`count`), one of the three; with `since`, hear only what changed after it',
    schema: Type.Object({
      type: Type.Literal('subscribe'),
      ...selectors,
      since: optional(place),
      ...requestId,
    }),
    example: {
      type: 'subscribe',
      userIds: ['ann', 'bob'],
      since: { epoch: '8pz4kq2', seq: 41 },
      id: 7,
    },
    replies: ['presence_state', 'online_count'],
    together,
  },
  unsubscribe: {
    sentence: 'Follow them no more; one of `userIds`, `all` and `count`',
    schema: Type.Object({ type: Type.Literal('unsubscribe'), ...selectors, ...requestId }),
    example: { type: 'unsubscribe', userIds: ['bob'], id: 8 },
    replies: ['ack'],
    together,
  },
  get_users: {
    sentence: 'Get any users, known or not',
    schema: Type.Object({ type: Type.Literal('get_users'), userIds, ...requestId }),
    example: { type: 'get_users', userIds: ['ann', 'bob'], id: 9 },
    replies: ['users'],
  },
  list_users: {
    sentence:
      'Get all known users page by page; go on with the `cursor` of the page before while there is one',
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
    example: { type: 'list_users', status: 'online', limit: 100, cursor: '8pz4kq2.2s', id: 10 },
    replies: ['users'],
  },
  client_state: {
    sentence: 'Say whether anybody looks: an inactive client is told nothing until it is active again',
    schema: Type.Object({
      type: Type.Literal('client_state'),
      state: Type.Enum(['active', 'inactive'], { description: '"active" or "inactive"' }),
      ...requestId,
    }),
    example: { type: 'client_state', state: 'inactive', id: 11 },
    replies: ['ack'],
  },
  ping: {
    sentence: 'Ask whether the server is there',
    schema: Type.Object({ type: Type.Literal('ping'), ...requestId }),
    example: { type: 'ping', id: 12 },
    replies: ['pong'],
  },
} as const satisfies Record<string, RequestEntry>

/** Why a request was refused: the code for programs, and what it means. */
export const ERROR_CODES = {
  bad_json: 'The message is not JSON',
  bad_message: 'A field is missing or wrong; the text names it and says what it must be',
  unknown_type: 'There is no request of this `type`; the text lists those that there are',
  too_large: 'The request is larger than the server takes',
  too_fast:
    'More than allowed; the request was dropped, ask again later (after `retryAfterMs`, if it is there)',
  too_many:
    'More users than a connection can follow (`limits.maxWatchedUsers`); nothing of the request was done',
  not_allowed: 'This user may not do that',
  bad_token: 'The token is wrong or has expired',
  bad_cursor: 'The cursor is none of this server’s, or of before its restart; begin without one',
  unavailable: 'Not now; ask again later',
  internal: 'A bug of the server; its log has it',
} as const

const errorCodes = Object.keys(ERROR_CODES) as (keyof typeof ERROR_CODES)[]

/** Server to client. */
export const messages = {
  welcome: {
    sentence: 'Welcome message on connection: who you are, where the order of changes stands, and the limits',
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
    sentence: 'Number of online users; pushed to its subscribers once a second at most, when it is another',
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
      'What you have chosen: the reply to `set_status`, and unasked when it changed on another device or expired',
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
      'What is so now of those you subscribed to, in pages of 1,000; with `recovered`, only what changed since you were told last; with `all`, everybody: whoever is missing is offline',
    schema: Type.Object({
      type: Type.Literal('presence_state'),
      epoch,
      seq,
      users: Type.Array(user),
      last: Type.Boolean(),
      recovered: Type.Boolean(),
      all: Type.Optional(yes),
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
    sentence: 'What changed: the newest of each user, once',
    schema: Type.Object({ type: Type.Literal('presence_diff'), prevSeq: seq, seq, users: Type.Array(user) }),
    example: { type: 'presence_diff', prevSeq: 42, seq: 45, users: [ANN] },
  },
  users: {
    sentence: 'The users you asked for',
    schema: Type.Object({
      type: Type.Literal('users'),
      users: Type.Array(user),
      seq,
      cursor: Type.Optional(cursor),
      ...replyId,
    }),
    example: { type: 'users', users: [ANN, BOB], seq: 45, cursor: '8pz4kq2.2s', id: 10 },
  },
  disconnect: {
    sentence: 'The server is about to close the connection: why, whether to come back, and after how long',
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
    sentence: 'It is done',
    schema: Type.Object({ type: Type.Literal('ack'), ...replyId }),
    example: { type: 'ack', id: 8 },
  },
  pong: {
    sentence: 'The server is there',
    schema: Type.Object({ type: Type.Literal('pong'), ...replyId }),
    example: { type: 'pong', id: 12 },
  },
  error: {
    sentence: 'Something you sent was not taken; the code is for programs, the message for you',
    schema: extended(v1Messages.error.schema, {
      code: Type.Enum(errorCodes),
      retryAfterMs: Type.Optional(Type.Integer({ minimum: 0 })),
      ...replyId,
    }),
    example: {
      type: 'error',
      message: 'too_fast: more messages than allowed; retry in 50 ms',
      timestamp: TIME,
      code: 'too_fast',
      retryAfterMs: 50,
      id: 13,
    },
  },
} as const satisfies Record<string, Entry>
