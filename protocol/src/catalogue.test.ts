import type { TSchema } from 'typebox'
import { Compile } from 'typebox/compile'
import { expect, test } from 'vitest'
import { asyncApi } from './asyncapi.ts'
import { messages, requests } from './catalogue.ts'

const everything = { ...requests, ...messages }

test.each(Object.entries(everything))(
  '[P8] the example of %s is as its schema says',
  (type, { schema, example }) => {
    expect(Compile(schema as TSchema).Check(example)).toBe(true)
    expect(example.type).toBe(type)
    expect(schema.properties.type.const).toBe(type)
  },
)

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
  expect(Object.keys(document.components.messages).sort()).toEqual(Object.keys(everything).sort())
  expect(JSON.stringify(document)).not.toMatch(/~refine|~kind/)
})
