import Type, { type Static, type TObject, type TSchema } from 'typebox'
import { isName, MAX_NAME_BYTES, NAME_RULE } from './words.ts'

// Everything that can be said, each message once: what it looks like (its keys in the order they are sent),
// what it means, one example, and what answers it. Types, decoders, encoders, the AsyncAPI document and the
// tables of the README are made from this page; nothing about a message is written down anywhere else.
//
// A field's `description` completes the sentence `"field" must be …` in the error a client gets.

interface Entry<Schema extends TObject = TObject> {
  readonly sentence: string
  readonly schema: Schema
  readonly example: Static<Schema>
}

interface RequestEntry extends Entry {
  /** The type of the message that answers; null where success is silent. An `error` can answer any request. */
  readonly reply: string | null
}

const name = Type.Refine(
  Type.String({ minLength: 1, maxLength: MAX_NAME_BYTES, description: NAME_RULE }),
  isName,
)

/** Where clients name another user: applications with numeric ids send numbers, and 123 means "123". */
const userIdOrNumber = Type.Union(
  [name, Type.Integer({ minimum: Number.MIN_SAFE_INTEGER, maximum: Number.MAX_SAFE_INTEGER })],
  { description: `${NAME_RULE}, or a whole number` },
)

const status = Type.Enum(['online', 'offline'], { description: '"online" or "offline"' })
const time = Type.String({ format: 'date-time', description: 'a time in ISO 8601, UTC' })

/** Client to server. */
export const requests = {
  get_online_count: {
    sentence: 'Get the number of online users',
    schema: Type.Object({ type: Type.Literal('get_online_count') }),
    example: { type: 'get_online_count' },
    reply: 'online_count',
  },
  check_user_status: {
    sentence: 'Check if a user is online',
    schema: Type.Object({ type: Type.Literal('check_user_status'), targetUserId: userIdOrNumber }),
    example: { type: 'check_user_status', targetUserId: '123' },
    reply: 'user_status',
  },
  get_all_users: {
    sentence: 'Get a list of all users',
    schema: Type.Object({ type: Type.Literal('get_all_users') }),
    example: { type: 'get_all_users' },
    reply: 'all_users',
  },
  set_status: {
    sentence: 'Set your status',
    schema: Type.Object({ type: Type.Literal('set_status'), status }),
    example: { type: 'set_status', status: 'online' },
    reply: 'status_updated',
  },
  identify: {
    sentence: 'Set your username',
    schema: Type.Object({ type: Type.Literal('identify'), username: name }),
    example: { type: 'identify', username: 'john_doe' },
    reply: null,
  },
} as const satisfies Record<string, RequestEntry>

/** Server to client. */
export const messages = {
  welcome: {
    sentence: 'Welcome message on connection',
    schema: Type.Object({ type: Type.Literal('welcome'), userId: name, message: Type.String() }),
    example: { type: 'welcome', userId: '123', message: 'Connected to server' },
  },
  online_count: {
    sentence: 'Number of online users',
    schema: Type.Object({
      type: Type.Literal('online_count'),
      count: Type.Integer({ minimum: 0 }),
      timestamp: time,
    }),
    example: { type: 'online_count', count: 5, timestamp: '2023-04-25T10:30:00.000Z' },
  },
  user_status: {
    sentence: 'Status of a specific user',
    schema: Type.Object({
      type: Type.Literal('user_status'),
      userId: name,
      online: Type.Boolean(),
      lastSeen: Type.Union([time, Type.Null()], { description: 'a time, or null for a user never seen' }),
    }),
    example: { type: 'user_status', userId: '123', online: true, lastSeen: '2023-04-25T10:30:00.000Z' },
  },
  all_users: {
    sentence: 'List of all users',
    schema: Type.Object({
      type: Type.Literal('all_users'),
      users: Type.Array(Type.Object({ userId: name, status, lastSeen: time, username: Type.Optional(name) })),
      timestamp: time,
    }),
    example: {
      type: 'all_users',
      users: [{ userId: '123', status: 'online', lastSeen: '2023-04-25T10:30:00.000Z' }],
      timestamp: '2023-04-25T10:30:00.000Z',
    },
  },
  status_updated: {
    sentence: 'Confirmation of status update',
    schema: Type.Object({ type: Type.Literal('status_updated'), status, timestamp: time }),
    example: { type: 'status_updated', status: 'online', timestamp: '2023-04-25T10:30:00.000Z' },
  },
  user_status_change: {
    sentence: 'Notification of user status change',
    schema: Type.Object({
      type: Type.Literal('user_status_change'),
      userId: name,
      status,
      timestamp: time,
    }),
    example: {
      type: 'user_status_change',
      userId: '123',
      status: 'offline',
      timestamp: '2023-04-25T10:30:00.000Z',
    },
  },
  error: {
    sentence: 'Error message',
    schema: Type.Object({ type: Type.Literal('error'), message: Type.String(), timestamp: time }),
    example: { type: 'error', message: 'Invalid request', timestamp: '2023-04-25T10:30:00.000Z' },
  },
} as const satisfies Record<string, Entry>

type Of<Catalogue extends Record<string, { schema: TSchema }>> = {
  [Kind in keyof Catalogue]: Static<Catalogue[Kind]['schema']>
}

/** A request as it comes out of {@link decode}: what the schema says, ids as strings. */
export type ClientMessage = {
  [Kind in keyof Of<typeof requests>]: {
    [Field in keyof Of<typeof requests>[Kind]]: Exclude<Of<typeof requests>[Kind][Field], number>
  }
}[keyof typeof requests]

export type ServerMessage = Of<typeof messages>[keyof typeof messages]
export type ListedUser = Of<typeof messages>['all_users']['users'][number]
