import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { describe, expect, test } from 'vitest'
import { asyncApi } from './asyncapi.ts'
import { catalogue } from './catalogue.ts'

const entries = (['v1', 'v2'] as const).flatMap(version =>
  Object.entries({ ...catalogue[version].requests, ...catalogue[version].messages }).map(
    ([type, entry]) => [version, type, entry] as const,
  ),
)

test.each(entries)('[P8] the example of %s %s matches its schema', (_version, type, entry) => {
  const { schema, example } = entry as { schema: TSchema; example: object }
  expect(Compile(schema).Check(example)).toBe(true)
  expect(example).toMatchObject({ type })
  expect(schema).toMatchObject({ properties: { type: { const: type } } })
})

test('[P12] the schema of an optional field allows null in requests, but not in messages of the server', () => {
  for (const { requests, messages } of Object.values(catalogue)) {
    const optionalFields = (entries: typeof requests | typeof messages): TSchema[] =>
      Object.values(entries).flatMap(({ schema }) =>
        Object.entries(schema.properties)
          .filter(([field]) => !(schema.required as readonly string[]).includes(field))
          .map(([, property]) => property as TSchema),
      )
    for (const schema of optionalFields(requests)) expect(Compile(schema).Check(null)).toBe(true)
    for (const schema of optionalFields(messages)) expect(Compile(schema).Check(null)).toBe(false)
  }
})

test('[P6] keys that v2 adds to a message come after the keys of v1', () => {
  for (const kind of ['requests', 'messages'] as const) {
    for (const [type, { schema }] of Object.entries(catalogue.v1[kind])) {
      const extended = catalogue.v2[kind][type]
      if (!extended) continue
      const keys = Object.keys(schema.properties)
      expect(Object.keys(extended.schema.properties).slice(0, keys.length)).toEqual(keys)
    }
  }
})

test('[P9] every reference in the AsyncAPI document resolves, and the document has every message', () => {
  const document = JSON.parse(JSON.stringify(asyncApi('1.2.3')))
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(
    match => match[1] as string,
  )
  expect(references.length).toBeGreaterThan(20)
  for (const reference of references) {
    const target = reference.split('/').reduce((node, key) => node?.[key], document)
    expect(target, reference).toBeDefined()
  }
  const names = entries.map(([version, type]) => (version === 'v1' ? type : `v2.${type}`))
  expect(Object.keys(document.components.messages).sort()).toEqual(names.sort())
  expect(JSON.stringify(document)).not.toMatch(/~refine|~kind/)
})

interface Document {
  readonly channels: Record<
    string,
    { address: string; messages: Record<string, Reference>; bindings: Bindings }
  >
  readonly operations: Record<string, Operation>
  readonly components: { messages: Record<string, { name: string; payload: object; correlationId?: object }> }
}
interface Reference {
  readonly $ref: string
}
interface Operation {
  readonly action: string
  readonly channel: Reference
  readonly messages: readonly Reference[]
  readonly reply?: { readonly channel: Reference; readonly messages: readonly Reference[] }
}
interface Bindings {
  readonly ws: { query: object; headers?: { properties: Record<string, { pattern: string }> } }
}

describe.each([
  ['v1', 'presence', ''],
  ['v2', 'presence_v2', 'v2.'],
] as const)('[P9] the AsyncAPI document of %s', (version, channelName, prefix) => {
  const document: Document = JSON.parse(JSON.stringify(asyncApi('1.2.3')))
  const channel = document.channels[channelName]
  const operations = Object.values(document.operations).filter(
    operation => operation.channel.$ref === `#/channels/${channelName}`,
  )
  const typesOf = (references: readonly Reference[] = []) =>
    references.map(({ $ref }) => $ref.replace(`#/channels/${channelName}/messages/`, ''))

  test('has one channel at /ws with all messages of the version', () => {
    expect(channel?.address).toBe('/ws')
    const { requests, messages } = catalogue[version]
    expect(Object.keys(channel?.messages ?? {})).toEqual([...Object.keys(requests), ...Object.keys(messages)])
    for (const [type, { $ref }] of Object.entries(channel?.messages ?? {})) {
      expect($ref).toBe(`#/components/messages/${prefix}${type}`)
      expect(document.components.messages[`${prefix}${type}`]).toMatchObject({
        name: type,
        payload: { type: 'object', properties: { type: { const: type } } },
      })
    }
  })

  test('receives every request, and sends every message as a reply or a push', () => {
    const received = operations.filter(({ action }) => action === 'receive')
    expect(received.flatMap(({ messages }) => typesOf(messages))).toEqual(
      Object.keys(catalogue[version].requests),
    )
    const sent = operations.flatMap(({ action, messages, reply }) =>
      action === 'send' ? typesOf(messages) : typesOf(reply?.messages),
    )
    expect([...new Set(sent)].toSorted()).toEqual(Object.keys(catalogue[version].messages).toSorted())
    for (const { reply } of received)
      expect(reply?.channel.$ref ?? `#/channels/${channelName}`).toBe(`#/channels/${channelName}`)
  })

  test('each reply of a request is a message of the catalogue', () => {
    const { requests, messages } = catalogue[version]
    for (const [type, { replies }] of Object.entries(requests)) {
      for (const reply of replies) {
        expect(reply in messages, `"${reply}", a reply of "${type}", is not a message of ${version}`).toBe(
          true,
        )
      }
    }
  })

  test('lists the replies of the catalogue', () => {
    for (const [type, { replies }] of Object.entries(catalogue[version].requests)) {
      const { reply } = document.operations[`${prefix}${type}`] as Operation
      expect(typesOf(reply?.messages).filter(name => name !== 'error')).toEqual(replies)
    }
  })
})

test('[P9] only the channel of v2 requires a subprotocol, and only replies of v2 have a correlation id', () => {
  const { channels, components }: Document = JSON.parse(JSON.stringify(asyncApi('1.2.3')))
  expect(channels['presence']?.bindings.ws.headers).toBeUndefined()
  const offered = channels['presence_v2']?.bindings.ws.headers?.properties['Sec-WebSocket-Protocol']
  const pattern = new RegExp(offered?.pattern ?? '')
  for (const good of ['who-is-online.v2', 'who-is-online.v1, who-is-online.v2', 'who-is-online.v2, bearer.x'])
    expect(good).toMatch(pattern)
  for (const bad of ['who-is-online.v1', 'who-is-online.v22', 'xwho-is-online.v2'])
    expect(bad).not.toMatch(pattern)
  expect(components.messages['v2.users']).toMatchObject({
    correlationId: { location: '$message.payload#/id' },
  })
  expect(components.messages['error']).not.toHaveProperty('correlationId')
})
