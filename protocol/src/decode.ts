import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { type ClientMessage, catalogue, type Dialect } from './catalogue.ts'
import { id as idSchema, type RequestEntry } from './fields.ts'

/** What was wrong with a text, in words for the developer who sent it. */
export interface Refusal {
  readonly type: 'refusal'
  readonly code: 'bad_json' | 'bad_message' | 'unknown_type'
  readonly text: string
  /** What the request was to be known by, if that could be read. */
  readonly id?: string | number | undefined
}

interface Field {
  readonly name: string
  readonly schema: FieldSchema
  readonly isOptional: boolean
}

interface Decoder {
  readonly validator: Validator
  readonly fields: readonly Field[]
  readonly together: RequestEntry['together']
}

/** The parts of JSON Schema that say what is wrong. */
interface FieldSchema {
  readonly type?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, TSchema>>
  readonly required?: readonly string[]
  readonly items?: TSchema
}

/** Deepest nesting of a message. The deepest one known has 2; more is somebody trying. */
const MAX_DEPTH = 4

// A type named `constructor` is an unknown type like any other: strangers' keys go into a Map.
const decoders: Readonly<Record<Dialect, ReadonlyMap<string, Decoder>>> = {
  v1: decodersOf('v1'),
  v2: decodersOf('v2'),
}

const isId = Compile(idSchema)

/**
 * Turns the text of one frame into a request. The only place that looks at what a stranger sent: what it
 * returns has the fields that the dialect knows and no others, each checked; what it refuses it explains by field.
 */
export function decode(text: string, dialect: Dialect): ClientMessage | Refusal {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return refusal('bad_json', 'the message is not JSON')
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    return refusal('bad_message', 'the message must be a JSON object such as {"type":"get_online_count"}')
  }
  if (!isShallow(value, MAX_DEPTH))
    return refusal('bad_message', `the message is nested deeper than ${MAX_DEPTH}`)

  const message = value as Record<string, unknown>
  const id =
    dialect === 'v2' && Object.hasOwn(message, 'id') && isId.Check(message['id']) ? message['id'] : undefined
  const decoder = decoderOf(message, dialect)
  if ('code' in decoder) return { ...decoder, id }
  if (!decoder.validator.Check(message))
    return refusal('bad_message', whatIsWrong(message, decoder.fields), id)
  if (decoder.together && !decoder.together.holds(message))
    return refusal('bad_message', decoder.together.rule, id)
  return pick(message, decoder.fields)
}

function decodersOf(dialect: Dialect): ReadonlyMap<string, Decoder> {
  return new Map(
    Object.entries(catalogue[dialect].requests).map(([type, { schema, together }]) => {
      const required: readonly string[] = (schema as FieldSchema).required ?? []
      const fields = Object.entries(schema.properties).map(([name, field]) => ({
        name,
        schema: field as FieldSchema,
        isOptional: !required.includes(name),
      }))
      return [type, { validator: Compile(schema as TSchema), fields, together }]
    }),
  )
}

/** The fields in which clients name other users. */
const USER_ID_FIELDS: ReadonlySet<string> = new Set(['targetUserId', 'userIds'])

/** A user id that was written as a number is the id it spells. */
function spell(value: unknown): unknown {
  return typeof value === 'number' ? String(value) : value
}

function decoderOf(message: Record<string, unknown>, dialect: Dialect): Decoder | Refusal {
  if (!Object.hasOwn(message, 'type')) return refusal('bad_message', '"type" is missing')
  const { type } = message
  if (typeof type !== 'string') return refusal('bad_message', '"type" must be a string')
  const known = decoders[dialect]
  return (
    known.get(type) ??
    refusal('unknown_type', `"type" is ${quote(type)}; known types are ${[...known.keys()].join(', ')}`)
  )
}

function refusal(code: Refusal['code'], text: string, id?: Refusal['id']): Refusal {
  return { type: 'refusal', code, text, id }
}

function isShallow(value: object, depth: number): boolean {
  if (depth === 0) return false
  for (const key in value) {
    const inner = (value as Record<string, unknown>)[key]
    if (typeof inner === 'object' && inner !== null && !isShallow(inner, depth - 1)) return false
  }
  return true
}

function whatIsWrong(message: Record<string, unknown>, fields: readonly Field[]): string {
  for (const { name, schema, isOptional } of fields) {
    const problem = problemOf(name, message, name, schema, isOptional)
    if (problem) return problem
  }
  return 'the message does not have the form of its type'
}

/** What is wrong with one field of an object, as deep inside as it can be said. */
function problemOf(
  path: string,
  holder: Record<string, unknown>,
  key: string,
  schema: FieldSchema,
  isOptional: boolean,
): string | undefined {
  if (!Object.hasOwn(holder, key) || (isOptional && holder[key] === undefined)) {
    return isOptional ? undefined : `"${path}" is missing; it must be ${schema.description}`
  }
  const value = holder[key]
  if (check(schema, value)) return undefined
  if (schema.properties && typeof value === 'object' && value !== null && !Array.isArray(value)) {
    for (const [inner, innerSchema] of Object.entries(schema.properties)) {
      const problem = problemOf(
        `${path}.${inner}`,
        value as Record<string, unknown>,
        inner,
        innerSchema as FieldSchema,
        !schema.required?.includes(inner),
      )
      if (problem) return problem
    }
  }
  if (schema.items && Array.isArray(value)) {
    const items = schema.items as FieldSchema
    const index = value.findIndex(item => !check(items, item))
    if (index >= 0) return `"${path}[${index}]" must be ${items.description}`
  }
  return `"${path}" must be ${schema.description}`
}

/** Only what is wrong is looked at part by part: the checks for that are compiled when they are first needed. */
const checks = new WeakMap<object, Validator>()

function check(schema: FieldSchema, value: unknown): boolean {
  let validator = checks.get(schema)
  if (!validator) {
    validator = Compile(schema as TSchema)
    checks.set(schema, validator)
  }
  return validator.Check(value)
}

function pick(message: Record<string, unknown>, fields: readonly Field[]): ClientMessage {
  const picked: Record<string, unknown> = {}
  for (const { name } of fields) {
    const value = Object.hasOwn(message, name) ? message[name] : undefined
    if (value === undefined) continue
    if (!USER_ID_FIELDS.has(name)) picked[name] = value
    else picked[name] = Array.isArray(value) ? value.map(spell) : spell(value)
  }
  return picked as unknown as ClientMessage
}

/** A stranger's text for an answer: quoted, escaped and short. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
