import { messages, requests } from './catalogue.ts'

interface Described {
  readonly sentence: string
  readonly schema: object
  readonly example: object
}

/** The catalogue as an AsyncAPI 3 document, seen from the server: it receives requests and sends messages. */
export function asyncApi(version: string): object {
  const described: Record<string, Described> = { ...requests, ...messages }
  return {
    asyncapi: '3.0.0',
    info: {
      title: 'Who Is Online',
      version,
      description: 'Real-time user presence over a WebSocket.',
      license: { name: 'MIT' },
    },
    defaultContentType: 'application/json',
    servers: { local: { host: 'localhost:3050', protocol: 'ws' } },
    channels: {
      presence: {
        address: '/ws',
        messages: mapValues(described, (_entry, type) => ({ $ref: `#/components/messages/${type}` })),
        bindings: {
          ws: {
            query: {
              type: 'object',
              required: ['userId'],
              properties: { userId: { type: 'string' }, username: { type: 'string' } },
            },
          },
        },
      },
    },
    operations: {
      ...mapValues(requests, ({ sentence, reply }, type) => ({
        action: 'receive',
        channel: { $ref: '#/channels/presence' },
        summary: sentence,
        messages: [{ $ref: `#/channels/presence/messages/${type}` }],
        ...(reply !== null && {
          reply: {
            channel: { $ref: '#/channels/presence' },
            messages: [{ $ref: `#/channels/presence/messages/${reply}` }],
          },
        }),
      })),
      push: {
        action: 'send',
        channel: { $ref: '#/channels/presence' },
        summary: 'What the server says unasked',
        messages: ['welcome', 'user_status_change', 'error'].map(type => ({
          $ref: `#/channels/presence/messages/${type}`,
        })),
      },
    },
    components: {
      messages: mapValues(described, ({ sentence, schema, example }, type) => ({
        name: type,
        summary: sentence,
        payload: schema,
        examples: [{ payload: example }],
      })),
    },
  }
}

function mapValues<In, Out>(
  record: Readonly<Record<string, In>>,
  map: (value: In, key: string) => Out,
): Record<string, Out> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]))
}
