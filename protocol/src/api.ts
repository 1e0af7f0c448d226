import Type, { type Static, type TObject, type TSchema } from 'typebox'
import { type ApiErrorCode, BODY_ERRORS, COMMON_ERRORS } from './api-errors.ts'
import { askForDetail, queriedUser, sessionCalls } from './api-sessions.ts'
import { changePage, since } from './change-fields.ts'
import { ANN, BOB, LATER, SINCE, TIME } from './examples.ts'
import {
  closed,
  cursor,
  epoch,
  optional,
  seq,
  status,
  statusText,
  timeWithZone,
  user,
  userIdOrNumber,
} from './fields.ts'

// The calls of the HTTP API. The routes of the server, the OpenAPI document and the tables of the docs are made from
// this catalogue, so a call that is not here does not exist.

/** One answer of a call, by its HTTP status. */
export interface Answer {
  readonly sentence: string
  /** The JSON body; without it there is no body. */
  readonly schema?: TSchema
  readonly example?: unknown
  /** The answer does not end: it is a sequence of server-sent events, and each has the schema. */
  readonly isStream?: true
}

/** One call of the HTTP API. */
export interface Call {
  readonly method: 'GET' | 'POST' | 'PUT' | 'DELETE'
  /** The path. `{userId}` stands for a user id, percent-encoded. */
  readonly path: string
  /** What a key must be allowed to do. */
  readonly right: 'read' | 'write'
  readonly sentence: string
  /** The parameters in the query. All of them are optional. */
  readonly query?: TObject
  readonly body?: TObject
  /** The longest body, in bytes. */
  readonly maxBodyBytes?: number
  /** The most values in a body, in all its lists and objects together. */
  readonly maxBodyValues?: number
  readonly answers: Readonly<Record<number, Answer>>
  /** The errors of this call alone; see {@link errorsOf}. */
  readonly errors: readonly ApiErrorCode[]
  /** Good input. */
  readonly example: {
    readonly params?: Readonly<Record<string, string>>
    readonly query?: Readonly<Record<string, unknown>>
    readonly body?: object
  }
}

/** The most ids in one `POST /api/v1/users/query`. */
export const MAX_QUERY_IDS = 10_000

/** The longest body with {@link MAX_QUERY_IDS} ids: 128 bytes each, with quotes and a comma, and some to spare. */
const MAX_QUERY_BYTES = 2 * 1_024 * 1_024

/** The most values in such a body: a list with some ids too many is refused with an error that names the field. */
const MAX_QUERY_VALUES = MAX_QUERY_IDS + 1_000

/** The longest body of all other calls, in bytes, and the most values in it. None has more than a few fields. */
export const MAX_CALL_BYTES = 64 * 1_024
export const MAX_CALL_VALUES = 100

/** How many users a page has where the call does not say, and the most that it may ask for. */
export const PAGE_LIMIT = 100
const MAX_PAGE_LIMIT = 1_000

const EVE = { userId: 'eve', status: 'online', lastSeen: TIME, since: SINCE } as const
const DETAIL = { sessions: 2, active: true, visible: false, lastActive: TIME }

/** How long `getChanges` may wait for a change, in ms. */
export const MAX_WAIT_MS = 30_000

/** The shortest and the longest time for which a user is refused, in ms. */
const MIN_REFUSE_MS = 1_000
const MAX_REFUSE_MS = 3_600_000

/** For how long a user may not come back. */
const refuseForMs = Type.Integer({
  minimum: MIN_REFUSE_MS,
  maximum: MAX_REFUSE_MS,
  description: `a whole number of milliseconds from ${MIN_REFUSE_MS} to ${MAX_REFUSE_MS}`,
})

const limit = Type.Integer({
  minimum: 1,
  maximum: MAX_PAGE_LIMIT,
  default: PAGE_LIMIT,
  description: `a whole number from 1 to ${MAX_PAGE_LIMIT}`,
})

const CHANGES = {
  epoch: '8pz4kq2',
  prevSeq: 40,
  seq: 41,
  recovered: true,
  changes: [
    {
      epoch: '8pz4kq2',
      seq: 41,
      at: TIME,
      userId: 'ann',
      status: 'busy',
      previousStatus: 'online',
      previousSince: null,
      lastSeen: TIME,
      cause: 'chosen',
      username: 'Ann',
      text: 'in a call',
    },
  ],
} as const

/** Where a list stands in the sequence of changes: it has all changes up to `seq`, and may have later ones. */
const place = { epoch, seq }

const count = Type.Integer({ minimum: 0, description: 'a whole number from 0' })

/** All calls, by their names, with their exact types. */
const exact = {
  getUser: {
    method: 'GET',
    path: '/api/v1/users/{userId}',
    right: 'read',
    sentence: 'One user as others see them. An unknown user is offline',
    answers: { 200: { sentence: 'The user', schema: user, example: ANN } },
    errors: [],
    example: { params: { userId: 'ann' } },
  },
  queryUsers: {
    method: 'POST',
    path: '/api/v1/users/query',
    right: 'read',
    sentence: `Up to ${MAX_QUERY_IDS.toLocaleString('en-US')} users as others see them, in the order of the ids. With "detail" also whether to push a notification: unless the user is active and visible. Each 1,000 ids count as one more request`,
    body: closed({
      userIds: Type.Array(userIdOrNumber, {
        maxItems: MAX_QUERY_IDS,
        description: `a list of at most ${MAX_QUERY_IDS} user ids`,
      }),
      detail: askForDetail,
    }),
    maxBodyBytes: MAX_QUERY_BYTES,
    maxBodyValues: MAX_QUERY_VALUES,
    answers: {
      200: {
        sentence: 'The users',
        schema: Type.Object({ ...place, users: Type.Array(queriedUser) }),
        example: { epoch: '8pz4kq2', seq: 41, users: [{ ...EVE, detail: DETAIL }, BOB] },
      },
    },
    errors: [],
    example: { body: { userIds: ['eve', 'bob'] } },
  },
  listUsers: {
    method: 'GET',
    path: '/api/v1/users',
    right: 'read',
    sentence:
      'A page of all known users, in an order that does not change. A page may be short, or empty: the last one has no `cursor`',
    query: Type.Object({
      status: Type.Optional(status),
      limit: Type.Optional(limit),
      cursor: Type.Optional(cursor),
    }),
    answers: {
      200: {
        sentence: 'A page',
        schema: Type.Object({ ...place, users: Type.Array(user), cursor: Type.Optional(cursor) }),
        example: { epoch: '8pz4kq2', seq: 41, users: [EVE], cursor: '1f.eve' },
      },
    },
    errors: ['bad_cursor'],
    example: { query: { status: 'online', limit: 100 } },
  },
  getCount: {
    method: 'GET',
    path: '/api/v1/count',
    right: 'read',
    sentence:
      'How many users are online (not offline), how many connections they have (up to a second old), and how many users are known',
    answers: {
      200: {
        sentence: 'The numbers',
        schema: Type.Object({ online: count, connections: count, known: count }),
        example: { online: 2, connections: 3, known: 10 },
      },
    },
    errors: [],
    example: {},
  },
  getCountHistory: {
    method: 'GET',
    path: '/api/v1/count/history',
    right: 'read',
    sentence:
      'How many users were online at each minute of the last 24 hours, oldest first, since the start of this process. `until` is the time of the last number, in ms since the epoch; a number is null if the process was suspended',
    answers: {
      200: {
        sentence: 'The numbers',
        schema: Type.Object({
          stepMs: count,
          until: Type.Integer({ description: 'ms since the epoch' }),
          online: Type.Array(Type.Union([count, Type.Null()])),
        }),
        example: { stepMs: 60_000, until: 1_682_418_600_000, online: [1, null, 2] },
      },
    },
    errors: [],
    example: {},
  },
  getChanges: {
    method: 'GET',
    path: '/api/v1/changes',
    right: 'read',
    sentence:
      'The visible changes after a place, in order, or without `since` the present place. There may be more than `limit`, because all changes with one `seq` come together. If there is no change, the answer waits for one up to `waitMs`. If what changed after the place is not known any more, `recovered` is false, and the full state follows: go on with `cursor` until `last` is true, then with `since`. A user who is on none of its pages is offline',
    query: Type.Object({
      since: Type.Optional(since),
      waitMs: Type.Optional(
        Type.Integer({
          minimum: 0,
          maximum: MAX_WAIT_MS,
          default: 0,
          description: `a whole number of milliseconds from 0 to ${MAX_WAIT_MS}`,
        }),
      ),
      limit: Type.Optional(limit),
      cursor: Type.Optional(cursor),
    }),
    answers: { 200: { sentence: 'A page', schema: changePage, example: CHANGES } },
    errors: ['bad_cursor'],
    example: { query: { since: '8pz4kq2:40', limit: 100 } },
  },
  streamChanges: {
    method: 'GET',
    path: '/api/v1/stream',
    right: 'read',
    sentence:
      'The same pages as server-sent events, as they come. Each event has the id `EPOCH:SEQ`, from which the header `Last-Event-ID` or `since` resumes; the pages of a full state before its last one have none. A comment comes each 15 s',
    query: Type.Object({ since: Type.Optional(since), limit: Type.Optional(limit) }),
    answers: { 200: { sentence: 'The pages', schema: changePage, example: CHANGES, isStream: true } },
    errors: [],
    example: { query: { since: '8pz4kq2:40', limit: 100 } },
  },
  setStatus: {
    method: 'PUT',
    path: '/api/v1/users/{userId}/status',
    right: 'write',
    sentence:
      'Set the status of a user, as a client of the user does, on whatever node the user is. Others may see it later: the visible changes of a user are limited. For a user without a session it needs `expiresAt`: it is kept until then and applies when the user connects, and nothing is visible before',
    body: closed({
      status,
      text: optional(statusText),
      expiresAt: optional(timeWithZone),
    }),
    answers: {
      200: { sentence: 'The user as others see them now', schema: user, example: ANN },
      202: {
        sentence: 'The status is set, but another node did not confirm it within 2 s',
        schema: user,
        example: ANN,
      },
    },
    errors: ['no_session'],
    example: { params: { userId: 'ann' }, body: { status: 'busy', text: 'in a call', expiresAt: LATER } },
  },
  endSessions: {
    method: 'DELETE',
    path: '/api/v1/users/{userId}/sessions',
    right: 'write',
    sentence:
      'End all sessions of a user and close the connections with 4403. Without `forMs` the user may come back at once. With it, no connection and no lease of the user is accepted for that time, at most an hour; a later call replaces it',
    query: Type.Object({ forMs: Type.Optional(refuseForMs) }),
    answers: {
      204: { sentence: 'The sessions have ended, or there was none' },
      202: {
        sentence: 'The sessions end, but Redis or another node did not confirm it within 2 s. It goes on',
      },
    },
    errors: ['too_many_refused'],
    example: { params: { userId: 'joe' }, query: { forMs: 60_000 } },
  },
  eraseUser: {
    method: 'DELETE',
    path: '/api/v1/users/{userId}',
    right: 'write',
    sentence:
      'Erase a person: end all sessions, and remove the user from memory, from the files and from Redis. Who connects with the id again is a new user',
    answers: {
      204: { sentence: 'The user is erased, or was not known' },
      202: {
        sentence:
          'Redis, another node or the disk did not confirm within 2 s that the user is erased. It goes on',
      },
    },
    errors: [],
    example: { params: { userId: 'max' } },
  },
  ...sessionCalls,
  testWebhooks: {
    method: 'POST',
    path: '/api/v1/webhooks/test',
    right: 'write',
    sentence:
      'Send a signed test message to each endpoint of `WEBHOOK_URLS`, and answer what each said. It takes up to 10 s. The message is a page without changes and with `test: true`',
    answers: {
      200: {
        sentence: 'What the endpoints said, in the order of `WEBHOOK_URLS`',
        schema: Type.Object({
          endpoints: Type.Array(
            Type.Object({
              url: Type.String({ description: 'the origin of the URL' }),
              delivered: Type.Boolean({ description: 'whether the status was 2xx' }),
              status: Type.Optional(Type.Integer({ description: 'the HTTP status, if there was an answer' })),
              error: Type.Optional(Type.String({ description: 'why it was not delivered' })),
            }),
          ),
        }),
        example: {
          endpoints: [{ url: 'https://app.example.com', delivered: true, status: 204 }],
        },
      },
    },
    errors: [],
    example: {},
  },
} as const satisfies Readonly<Record<string, Call>>

export type CallName = keyof typeof exact

/** All calls, by their names. */
export const calls: Readonly<Record<CallName, Call>> = exact

/** All errors that a call can have. */
export function errorsOf({ right, body, errors }: Call): readonly ApiErrorCode[] {
  return [
    ...COMMON_ERRORS,
    ...(right === 'write' ? (['not_allowed'] as const) : []),
    ...(body ? BODY_ERRORS : []),
    ...errors,
  ]
}

/** The parameters in a path such as `/users/{userId}`. */
type ParamsOf<Path extends string> = Path extends `${string}{${infer Name}}${infer Rest}`
  ? { readonly [Key in Name]: string } & ParamsOf<Rest>
  : unknown

/** The fields as code uses them: an optional field may be `undefined`, but never `null`, which is removed. */
type Fields<Entry, Part extends string> = Entry extends {
  readonly [Key in Part]: infer Schema extends TObject
}
  ? { readonly [Key in keyof Static<Schema>]: Exclude<Static<Schema>[Key], null> }
  : unknown

/** What a call is given, after it was checked: its parameters and the fields of its body in one object. */
export type InputOf<Name extends CallName> = ParamsOf<(typeof exact)[Name]['path']> &
  Fields<(typeof exact)[Name], 'query'> &
  Fields<(typeof exact)[Name], 'body'>
