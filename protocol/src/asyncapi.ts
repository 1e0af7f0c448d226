import { catalogue, type ProtocolVersion } from './catalogue.ts'
import type { Entry } from './fields.ts'
import { PROTOCOL } from './version.ts'

interface Reference {
  readonly $ref: string
}

/**
 * The channel of each protocol version. Names of v2 messages start with `v2.` in the document. In v1 an
 * `error` is listed as a push only, because it does not name its request; in v2 it carries the `id` of the
 * request.
 */
const channels = {
  v1: {
    name: 'presence',
    title: 'Protocol v1: every change of every user',
    prefix: '',
    query: ['userId', 'username'],
    pushes: ['welcome', 'user_status_change', 'error'],
    refusals: [],
  },
  v2: {
    name: 'presence_v2',
    title: 'Protocol v2: selected by the subprotocol who-is-online.v2; subscribe to users, ordered changes',
    prefix: 'v2.',
    query: ['userId', 'username', 'sessionId', 'device'],
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
} as const satisfies Record<ProtocolVersion, object>

const versions = Object.keys(channels) as ProtocolVersion[]

/**
 * The catalogue as an AsyncAPI 3 document from the view of the server: it receives requests and sends
 * messages. `productVersion` is the version of the server package.
 */
export function asyncApi(productVersion: string): object {
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Who Is Online',
      version: productVersion,
      description: `Real-time user presence over a WebSocket. Protocol v1 ${PROTOCOL.v1}, v2 ${PROTOCOL.v2}.`,
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: { local: { host: 'localhost:3050', protocol: 'ws' } },
    channels: Object.fromEntries(versions.map(version => [channels[version].name, channel(version)])),
    operations: Object.assign({}, ...versions.map(operations)),
    components: { messages: Object.assign({}, ...versions.map(described)) },
  }
}

function channel(version: ProtocolVersion): object {
  const { title, query } = channels[version]
  const properties = Object.fromEntries(
    query.map(name => [
      name,
      {
        type: 'string',
        ...(name !== 'userId' && { description: 'optional; an empty value is the same as absent' }),
      },
    ]),
  )
  const headers = {
    type: 'object',
    required: ['Sec-WebSocket-Protocol'],
    properties: {
      'Sec-WebSocket-Protocol': {
        type: 'string',
        description:
          'the subprotocols that the client offers, including v2; the server answers with who-is-online.v2',
        pattern: '(^|,\\s*)who-is-online\\.v2(\\s*,|$)',
        examples: ['who-is-online.v2'],
      },
    },
  }
  return {
    address: '/ws',
    title,
    messages: Object.fromEntries(
      Object.keys(messagesOf(version)).map(type => [
        type,
        { $ref: `#/components/messages/${channels[version].prefix}${type}` },
      ]),
    ),
    bindings: {
      ws: {
        query: { type: 'object', required: ['userId'], properties },
        ...(version === 'v2' && { headers }),
      },
    },
  }
}

function operations(version: ProtocolVersion): object {
  const { prefix, pushes, refusals } = channels[version]
  const channel = { $ref: `#/channels/${channels[version].name}` }
  const message = (type: string): Reference => ({ $ref: `${channel.$ref}/messages/${type}` })
  const received = Object.entries(catalogue[version].requests).map(([type, { sentence, replies }]) => [
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
    summary: 'Messages that are not replies',
    messages: pushes.map(message),
  }
  return { ...Object.fromEntries(received), [`${prefix}push`]: push }
}

function described(version: ProtocolVersion): object {
  return Object.fromEntries(
    Object.entries(messagesOf(version)).map(([type, { sentence, schema, example }]) => [
      `${channels[version].prefix}${type}`,
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

function messagesOf(version: ProtocolVersion): Readonly<Record<string, Entry>> {
  return { ...catalogue[version].requests, ...catalogue[version].messages }
}
