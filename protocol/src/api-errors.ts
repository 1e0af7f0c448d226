import Type from 'typebox'

/** The errors of the HTTP API, by the `code` in their body. */
export const API_ERRORS = {
  bad_json: { status: 400, meaning: 'The body is not a JSON object in UTF-8' },
  bad_request: {
    status: 400,
    meaning:
      'A parameter or a field of the body is missing, wrong or unknown; `field` names it. Or a header occurs twice',
  },
  bad_cursor: { status: 400, meaning: 'The cursor is not one that the server sent; start again without one' },
  bad_key: { status: 401, meaning: 'The key is missing or wrong; `detail` says what to send' },
  not_allowed: { status: 403, meaning: 'The key may only read' },
  not_found: { status: 404, meaning: 'There is no call with this path' },
  method_not_allowed: { status: 405, meaning: 'The path has no call with this method; see `Allow`' },
  no_session: { status: 409, meaning: 'The user has no session, and the status has no end' },
  session_connected: { status: 409, meaning: 'A client is connected with this session id' },
  too_many_sessions: {
    status: 409,
    meaning: 'The user has 20 leased sessions, or this node has 100,000',
  },
  user_refused: { status: 409, meaning: 'The user may not connect for a while (`forMs`)' },
  too_many_refused: { status: 409, meaning: '10,000 users are refused already (`forMs`)' },
  length_required: { status: 411, meaning: 'The body has no `Content-Length`' },
  too_large: { status: 413, meaning: 'The body is longer, or has more values, than this call allows' },
  unsupported_media_type: {
    status: 415,
    meaning: 'The body is not `application/json`, or it is compressed',
  },
  too_fast: {
    status: 429,
    meaning: 'Too many requests with this key, or from this address; see `Retry-After`',
  },
  internal: { status: 500, meaning: 'A bug in the server; see its log' },
  unavailable: {
    status: 503,
    meaning:
      'The server stops, does not know all users or sessions yet, can not store what it would answer, or has 10,000 ends and erasures that wait for Redis; see `Retry-After`',
  },
} as const satisfies Readonly<Record<string, { readonly status: number; readonly meaning: string }>>

export type ApiErrorCode = keyof typeof API_ERRORS

/** The errors that every call can have. */
export const COMMON_ERRORS = ['bad_request', 'bad_key', 'too_fast', 'internal', 'unavailable'] as const

/** The errors of calls with a body. */
export const BODY_ERRORS = ['bad_json', 'length_required', 'too_large', 'unsupported_media_type'] as const

/** The body of an error (RFC 9457, problem details). */
export const problemSchema = Type.Object({
  title: Type.String({ description: 'the name of the HTTP status' }),
  status: Type.Integer({ description: 'the HTTP status' }),
  detail: Type.String({ description: 'what was wrong, and what to do' }),
  code: Type.Enum(Object.keys(API_ERRORS) as ApiErrorCode[], { description: 'the error, for programs' }),
  field: Type.Optional(
    Type.String({ description: 'the parameter or the field that is wrong, such as userIds[3]' }),
  ),
})
