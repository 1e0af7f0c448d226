import Type from 'typebox'
import {
  basicStatus,
  type Entry,
  name,
  type RequestEntry,
  time,
  timeOrNever,
  userIdOrNumber,
} from './fields.ts'

// Protocol v1, for any plain WebSocket client. Each message has one entry: its schema (keys in the order in
// which they are sent), its meaning, an example and its replies. Types, decoders, encoders, the AsyncAPI
// document and the tables in the docs are generated from these entries. Nothing about a message is defined
// anywhere else.

/** Requests of v1, client to server. */
export const requests = {
  get_online_count: {
    sentence: 'Get the number of online users',
    schema: Type.Object({ type: Type.Literal('get_online_count') }),
    example: { type: 'get_online_count' },
    replies: ['online_count'],
  },
  check_user_status: {
    sentence: 'Check if a user is online',
    schema: Type.Object({ type: Type.Literal('check_user_status'), targetUserId: userIdOrNumber }),
    example: { type: 'check_user_status', targetUserId: '123' },
    replies: ['user_status'],
  },
  get_all_users: {
    sentence: 'Get a list of all users',
    schema: Type.Object({ type: Type.Literal('get_all_users') }),
    example: { type: 'get_all_users' },
    replies: ['all_users'],
  },
  set_status: {
    sentence: 'Set your status',
    schema: Type.Object({ type: Type.Literal('set_status'), status: basicStatus }),
    example: { type: 'set_status', status: 'online' },
    replies: ['status_updated'],
  },
  identify: {
    sentence: 'Set your username',
    schema: Type.Object({ type: Type.Literal('identify'), username: name }),
    example: { type: 'identify', username: 'john_doe' },
    replies: [],
  },
} as const satisfies Record<string, RequestEntry>

/** Messages of v1, server to client. */
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
      lastSeen: timeOrNever,
    }),
    example: { type: 'user_status', userId: '123', online: true, lastSeen: '2023-04-25T10:30:00.000Z' },
  },
  all_users: {
    sentence: 'List of all users',
    schema: Type.Object({
      type: Type.Literal('all_users'),
      users: Type.Array(
        Type.Object({ userId: name, status: basicStatus, lastSeen: time, username: Type.Optional(name) }),
      ),
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
    schema: Type.Object({ type: Type.Literal('status_updated'), status: basicStatus, timestamp: time }),
    example: { type: 'status_updated', status: 'online', timestamp: '2023-04-25T10:30:00.000Z' },
  },
  user_status_change: {
    sentence: 'Notification of user status change',
    schema: Type.Object({
      type: Type.Literal('user_status_change'),
      userId: name,
      status: basicStatus,
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
    schema: Type.Object({
      type: Type.Literal('error'),
      message: Type.String({ description: 'a code, such as bad_message, then a colon, a space and a text' }),
      timestamp: time,
    }),
    example: { type: 'error', message: 'Invalid request', timestamp: '2023-04-25T10:30:00.000Z' },
  },
} as const satisfies Record<string, Entry>
