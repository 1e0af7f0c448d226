import { CLOSE, CLOSE_ADVICE } from '@who-is-online/protocol/close-codes'
import { position as place, user } from '@who-is-online/protocol/fields'
import { USER_FIELDS } from '@who-is-online/protocol/tables'
import { ERROR_CODES, endedSubscriptions, messages, requests } from '@who-is-online/protocol/v2'
import { PROTOCOL } from '@who-is-online/protocol/version'
import { MAX_NAME_BYTES, MAX_TEXT_CHARS, STATUSES } from '@who-is-online/protocol/words'
import {
  alias,
  constant,
  header,
  list,
  quoted,
  type Schema,
  sentence,
  shapeOf,
  type Typing,
  type,
} from './schema-types.ts'

// The part of protocol v2 that the client uses, as TypeScript without imports: the published client contains nothing of
// the catalogue and none of its validators.

/** The requests that the client sends. */
const REQUESTS = [
  'set_status',
  'identify',
  'set_activity',
  'client_state',
  'get_users',
  'subscribe',
  'unsubscribe',
  'refresh',
  'ping',
] as const satisfies readonly (keyof typeof requests)[]

/** The messages that the client understands. */
const MESSAGES = [
  'welcome',
  'presence_state',
  'presence_diff',
  'online_count',
  'status_updated',
  'users',
  'ack',
  'pong',
  'error',
  'disconnect',
] as const satisfies readonly (keyof typeof messages)[]

/** The close codes that the client sends or treats specially. */
const CLOSE_CODES = [
  'normal',
  'badIdentity',
  'badToken',
  'replaced',
  'tooFast',
] as const satisfies readonly (keyof typeof CLOSE)[]

/** Names of the types whose name in the protocol would hide a global one. */
const TYPE_NAMES: Readonly<Record<string, string>> = { error: 'ErrorMessage' }

/** Fields with the same meaning in each message. */
const FIELDS: Readonly<Record<string, string>> = {
  id: 'The `id` of the request that this message answers. Absent in a message that answers none.',
  lastSeen: 'ISO 8601 in UTC; `null` for a user never seen.',
  since: 'Ask only for what changed after this position.',
}

/** Types with a name of their own, by their schema without its description. */
const NAMED = new Map<string, string>([
  [shapeOf(user), 'User'],
  [shapeOf(place), 'Position'],
  [shapeOf(user.properties.status), 'Status'],
  [shapeOf(endedSubscriptions), 'EndedSubscriptions'],
  [shapeOf({ enum: Object.keys(ERROR_CODES) }), 'ServerErrorCode'],
])

const TYPING: Typing = { nameOf: schema => NAMED.get(shapeOf(schema)), fields: FIELDS }

/** The text of client/src/protocol.ts. */
export function clientProtocol(): string {
  return [
    ...header('The part of protocol v2 that this client uses.'),
    constant('The WebSocket subprotocol that selects protocol v2.', 'SUBPROTOCOL', subprotocol()),
    constant('The longest user id and username, in bytes of UTF-8.', 'MAX_NAME_BYTES', MAX_NAME_BYTES),
    constant('The longest text beside a status, in UTF-16 code units.', 'MAX_TEXT_CHARS', MAX_TEXT_CHARS),
    constant('All statuses.', 'STATUSES', list(STATUSES), ': readonly Status[]'),
    alias(
      'What a user can choose and what others see. A user who chooses `offline` is hidden.',
      'Status',
      STATUSES,
    ),
    alias('Why the server refused a request.', 'ServerErrorCode', Object.keys(ERROR_CODES)),
    type('One user as others see them.', 'User', user, TYPING, USER_FIELDS),
    type(
      'A position in the server’s sequence of changes. Numbers of different epochs cannot be compared.',
      'Position',
      place,
      TYPING,
    ),
    type('Subscriptions that the server has ended.', 'EndedSubscriptions', endedSubscriptions, TYPING),
    ...REQUESTS.map(name => entry(name, requests[name], true)),
    ...MESSAGES.map(name => entry(name, messages[name], false)),
  ].join('\n')
}

/** The text of client/src/close-codes.ts. */
export function clientCloseCodes(): string {
  return [
    ...header('Close codes of the protocol that this client sends or treats specially.'),
    ...CLOSE_CODES.map(name => constant(sentence(CLOSE_ADVICE[name].meaning), name, CLOSE[name])),
  ].join('\n')
}

function subprotocol(): string {
  return quoted(`who-is-online.v${PROTOCOL.v2.split('.')[0]}`)
}

function entry(
  name: string,
  { sentence: meaning, schema }: { sentence: string; schema: object },
  isRequest: boolean,
): string {
  const words = TYPE_NAMES[name] ?? name
  const typeName = words.replace(/(?:^|_)([a-z])/g, (_, letter: string) => letter.toUpperCase())
  return type(sentence(meaning), typeName, isRequest ? withoutId(schema) : schema, { ...TYPING, isRequest })
}

/** The client gives each request a number of its own as its `id`. */
function withoutId(schema: Schema): Schema {
  const { id: _, ...properties } = schema.properties ?? {}
  return { ...schema, properties }
}
