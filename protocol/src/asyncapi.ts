import { catalogue, type Dialect } from './catalogue.ts'
import type { Entry } from './fields.ts'
import { PROTOCOL } from './version.ts'

interface Reference {
  readonly $ref: string
}

/**
 * The dialects, in the words of the document; v1's messages have their own names there, v2's begin with `v2.`. An
 * `error` of v1 can't be told to be the reply to anything; in v2 it has the `id` of its request.
 */
const channels = {
  v1: {
    name: 'presence',
    title: 'Protocol v1: every change of everybody',
    prefix: '',
    query: ['userId', 'username'],
    pushes: ['welcome', 'user_status_change', 'error'],
    refusals: [],
  },
  v2: {
    name: 'presence_v2',
    title: 'Protocol v2: chosen by the subprotocol who-is-online.v2; follow any users, in order',
    prefix: 'v2.',
    query: ['userId', 'username', 'sessionId'],
    pushes: [
      'welcome',
      'presence_state',
      'presence_diff',
      'online_count',
      'status_updated',
      'disconnect',
      'error',
    ],
    refusals: ['error'],
  },
} as const satisfies Record<Dialect, object>

const dialects = Object.keys(channels) as Dialect[]

/** The catalogue as an AsyncAPI 3 document, seen from the server: it receives requests and sends messages. */
export function asyncApi(version: string): object {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Who Is Online',
      version,
      description: `Real-time user presence over a WebSocket. Protocol v1 ${PROTOCOL.v1}, v2 ${PROTOCOL.v2}.`,
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: { local: { host: 'localhost:3050', protocol: 'ws' } },
    channels: Object.fromEntries(dialects.map(dialect => [channels[dialect].name, channel(dialect)])),
    operations: Object.assign({}, ...dialects.map(operations)),
    components: { messages: Object.assign({}, ...dialects.map(described)) },
  }
}

function channel(dialect: Dialect): object {
  const { title, query } = channels[dialect]
  const properties = Object.fromEntries(
    query.map(name => [
      name,
      { type: 'string', ...(name !== 'userId' && { description: 'optional; empty is the same as absent' }) },
    ]),
  )
  const headers = {
    type: 'object',
    required: ['Sec-WebSocket-Protocol'],
    properties: {
      'Sec-WebSocket-Protocol': {
        type: 'string',
        description: 'what the client offers, v2 among it; the server answers with who-is-online.v2',
        pattern: '(^|,\\s*)who-is-online\\.v2(\\s*,|$)',
        examples: ['who-is-online.v2'],
      },
    },
  }
  return {
    address: '/ws',
    title,
    messages: Object.fromEntries(
      Object.keys(everything(dialect)).map(type => [
        type,
        { $ref: `#/components/messages/${channels[dialect].prefix}${type}` },
      ]),
    ),
    bindings: {
      ws: {
        query: { type: 'object', required: ['userId'], properties },
        ...(dialect === 'v2' && { headers }),
      },
    },
  }
}

function operations(dialect: Dialect): object {
  const { prefix, pushes, refusals } = channels[dialect]
  const channel = { $ref: `#/channels/${channels[dialect].name}` }
  const message = (type: string): Reference => ({ $ref: `${channel.$ref}/messages/${type}` })
  const received = Object.entries(catalogue[dialect].requests).map(([type, { sentence, replies }]) => [
    `${prefix}${type}`,
    {
      action: 'receive',
      channel,
      summary: sentence,
      messages: [message(type)],
      ...(replies.length > 0 && { reply: { channel, messages: [...replies, ...refusals].map(message) } }),
    },
  ])
  const push = {
    action: 'send',
    channel,
    summary: 'What the server says unasked',
    messages: pushes.map(message),
  }
  return { ...Object.fromEntries(received), [`${prefix}push`]: push }
}

function described(dialect: Dialect): object {
  return Object.fromEntries(
    Object.entries(everything(dialect)).map(([type, { sentence, schema, example }]) => [
      `${channels[dialect].prefix}${type}`,
      {
        name: type,
        summary: sentence,
        payload: schema,
        ...('id' in schema.properties && { correlationId: { location: '$message.payload#/id' } }),
        examples: [{ payload: example }],
      },
    ]),
  )
}

function everything(dialect: Dialect): Readonly<Record<string, Entry>> {
  return { ...catalogue[dialect].requests, ...catalogue[dialect].messages }
}
