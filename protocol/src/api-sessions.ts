import Type from 'typebox'
import { TIME } from './examples.ts'
import { closed, device, literalTrue, name, optional, status, statusText, time, user } from './fields.ts'

// The calls about the sessions of a user, a part of the catalogue in api.ts.

const LATER = '2023-04-25T10:31:00.000Z'

/** How long a session can be leased, in ms. */
const MIN_TTL_MS = 2_000
const MAX_TTL_MS = 3_600_000

const session = Type.Object({
  sessionId: name,
  kind: Type.Enum(['socket', 'lease'], {
    description: '"socket", or "lease": a session without a connection',
  }),
  device: Type.Optional(device),
  node: Type.String({ description: 'the name of the node that has the session' }),
  connectedAt: time,
  lastAliveAt: Type.String({
    format: 'date-time',
    description: 'the last proof of life, or the last renewal',
  }),
  active: Type.Boolean({ description: 'whether somebody uses the device' }),
  visible: Type.Boolean({
    description: 'whether the client is connected and visible, or the session is leased',
  }),
  leaseEndsAt: Type.Optional(time),
})

/** Which nodes of a cluster an answer leaves out. */
const incomplete = Type.Array(Type.String(), {
  description:
    'the names of the nodes that may have more sessions of the user: they did not answer within 2 s or could not be asked, or have more than 100; empty if all is known',
})

const SOCKET = {
  sessionId: 'tab-1',
  kind: 'socket',
  device: 'web',
  node: 'node-1',
  connectedAt: TIME,
  lastAliveAt: TIME,
  active: true,
  visible: true,
} as const
const LEASE = { ...SOCKET, sessionId: 'agent-1', kind: 'lease', device: 'bot', leaseEndsAt: LATER } as const

/** The field of a query that asks for more of each user. */
export const askForDetail = optional(literalTrue)

/** What decides whether to push a notification. */
const detail = Type.Object(
  {
    sessions: Type.Integer({ minimum: 0 }),
    active: Type.Boolean({ description: 'whether a session is active' }),
    visible: Type.Boolean({ description: 'whether a session is connected and visible' }),
    lastActive: Type.Union([time, Type.Null()], { description: 'when the user was last active, or null' }),
  },
  { description: 'with "detail": push a notification unless "active" and "visible" are true' },
)

/** A user in the answer to a query. */
export const queriedUser = Type.Object({ ...user.properties, detail: Type.Optional(detail) })

const reasons = [
  'noSession',
  'hidden',
  'chosen',
  'idle',
  'active',
  'leased',
  'grace',
  'delayed',
  'elsewhere',
] as const

const explanation = Type.Object({
  shown: user,
  reason: Type.Enum([...reasons], {
    description:
      'why others see that: no session, hidden, what the user chose, idle in every session, active in a connection, active in a leased session, active in a lost session whose grace runs, the rate limit delays a change, or another node that did not answer decides it',
  }),
  hidden: Type.Boolean({ description: 'whether the user is present and chose to appear offline' }),
  sessions: Type.Array(session),
  graces: Type.Array(Type.Object({ sessionId: Type.Optional(name), endsAt: time }), {
    description:
      'the sessions whose connection was lost, and when they end; without "sessionId" those of before a restart',
  }),
  choice: Type.Object({
    status,
    text: Type.Optional(statusText),
    expiresAt: Type.Optional(time),
    chosenAt: Type.Optional(time),
  }),
  choiceKeptUntil: Type.Optional(
    Type.String({
      format: 'date-time',
      description: 'until when the choice of an absent user is remembered',
    }),
  ),
  delayed: Type.Optional(
    Type.Object(
      { status, until: time },
      { description: 'what the rate limit of changes delays, and until when' },
    ),
  ),
  incomplete,
})

const ANN = { userId: 'ann', status: 'online', lastSeen: TIME } as const
const OF_ANN = { userId: 'ann', sessionId: 'agent-1' } as const

export const sessionCalls = {
  getSessions: {
    method: 'GET',
    path: '/api/v1/users/{userId}/sessions',
    right: 'write',
    sentence: 'The sessions of a user on all nodes, also of a hidden user',
    answers: {
      200: {
        sentence: 'The sessions',
        schema: Type.Object({ sessions: Type.Array(session), incomplete }),
        example: { sessions: [SOCKET, LEASE], incomplete: [] },
      },
    },
    errors: [],
    example: { params: { userId: 'ann' } },
  },
  explainUser: {
    method: 'GET',
    path: '/api/v1/users/{userId}/explain',
    right: 'write',
    sentence: 'Why a user shows as they do, by what all nodes know. It tells whether the user is hidden',
    answers: {
      200: {
        sentence: 'The reason, and all that decides it',
        schema: explanation,
        example: {
          shown: ANN,
          reason: 'active',
          hidden: false,
          sessions: [SOCKET],
          graces: [],
          choice: { status: 'online' },
          incomplete: [],
        },
      },
    },
    errors: [],
    example: { params: { userId: 'ann' } },
  },
  leaseSession: {
    method: 'PUT',
    path: '/api/v1/users/{userId}/sessions/{sessionId}',
    right: 'write',
    sentence:
      'Lease a session, or renew it: the user is present without a connection. Without a renewal within `ttlMs` the session ends. A new session is `active`',
    body: closed({
      ttlMs: Type.Integer({
        minimum: MIN_TTL_MS,
        maximum: MAX_TTL_MS,
        description: `a whole number of milliseconds from ${MIN_TTL_MS} to ${MAX_TTL_MS}`,
      }),
      device: optional(device),
      activity: optional(Type.Enum(['active', 'idle'], { description: '"active" or "idle"' })),
      username: optional(name),
    }),
    answers: {
      200: { sentence: 'The session', schema: session, example: LEASE },
      202: {
        sentence: 'The session is leased, but another node did not confirm it within 2 s',
        schema: session,
        example: LEASE,
      },
    },
    errors: ['session_connected', 'too_many_sessions', 'user_refused'],
    example: { params: OF_ANN, body: { ttlMs: 60_000, device: 'bot', activity: 'active' } },
  },
  endSession: {
    method: 'DELETE',
    path: '/api/v1/users/{userId}/sessions/{sessionId}',
    right: 'write',
    sentence: 'End one session of a user, on any node. A connection is closed with 4403',
    answers: {
      204: { sentence: 'The session has ended, or there was none' },
      202: {
        sentence: 'The session ends, but Redis or another node did not confirm it within 2 s. It goes on',
      },
    },
    errors: [],
    example: { params: OF_ANN },
  },
} as const
