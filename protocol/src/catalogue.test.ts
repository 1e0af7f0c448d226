import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { expect, test } from 'vitest'
import { asyncApi } from './asyncapi.ts'
import { catalogue } from './catalogue.ts'

const everything = (['v1', 'v2'] as const).flatMap(dialect =>
  Object.entries({ ...catalogue[dialect].requests, ...catalogue[dialect].messages }).map(
    ([type, entry]) => [dialect, type, entry] as const,
  ),
)

test.each(everything)('[P8] the example of %s %s is as its schema says', (_dialect, type, entry) => {
  const { schema, example } = entry as { schema: TSchema; example: object }
  expect(Compile(schema).Check(example)).toBe(true)
  expect(example).toMatchObject({ type })
  expect(schema).toMatchObject({ properties: { type: { const: type } } })
})

test('[P6] whatever v2 adds to a message of v1 stands after the keys of v1', () => {
  for (const kind of ['requests', 'messages'] as const) {
    for (const [type, { schema }] of Object.entries(catalogue.v1[kind])) {
      const extended = catalogue.v2[kind][type]
      if (!extended) continue
      const keys = Object.keys(schema.properties)
      expect(Object.keys(extended.schema.properties).slice(0, keys.length)).toEqual(keys)
    }
  }
})

test('[P9] every reference in the AsyncAPI document leads somewhere, and every message is in it', () => {
  const document = JSON.parse(JSON.stringify(asyncApi('1.2.3')))
  const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(
    match => match[1] as string,
  )
  expect(references.length).toBeGreaterThan(20)
  for (const reference of references) {
    const target = reference.split('/').reduce((node, key) => node?.[key], document)
    expect(target, reference).toBeDefined()
  }
  const names = everything.map(([dialect, type]) => (dialect === 'v1' ? type : `v2.${type}`))
  expect(Object.keys(document.components.messages).sort()).toEqual(names.sort())
  expect(JSON.stringify(document)).not.toMatch(/~refine|~kind/)
})
