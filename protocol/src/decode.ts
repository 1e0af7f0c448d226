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
  /** What a value must be; without the `null` that an optional field may be instead. */
  readonly schema: FieldSchema
  readonly isOptional: boolean
  /** The fields of an object within. */
  readonly inner: readonly Field[] | undefined
}

interface Decoder {
  readonly validator: Validator
  readonly fields: readonly Field[]
  readonly together: RequestEntry['together']
}

/** The parts of JSON Schema that say what is wrong. */
interface FieldSchema {
  readonly description?: string
  readonly properties?: Readonly<Record<string, FieldSchema>>
  readonly required?: readonly string[]
  readonly items?: FieldSchema
  readonly maxItems?: number
  readonly anyOf?: readonly FieldSchema[]
}

/** Deepest nesting of a message. The deepest one known has 2; more is somebody trying. */
const MAX_DEPTH = 4

// A type named `constructor` is an unknown type like any other: strangers' keys go into a Map.
const decoders: Readonly<Record<Dialect, ReadonlyMap<string, Decoder>>> = {
  v1: decodersOf('v1'),
  v2: decodersOf('v2'),
}

const isId = Compile(idSchema)

type Unknowns = Readonly<Record<string, unknown>>

/**
 * Requests by their text: clients that poll say the same few things over and over, and to look one up costs a tenth
 * of reading it. Only short ones without an `id`, which is another each time, and so many that they need no care.
 */
const saidBefore: Readonly<Record<Dialect, Map<string, ClientMessage>>> = { v1: new Map(), v2: new Map() }
const SHORT_TEXT = 96
const KEPT_TEXTS = 1_000

/**
 * Turns the text of one frame into a request, or into what is wrong with it. Whoever gets a request must not change
 * it: the next one who says the same gets the same object.
 */
export function decode(text: string, dialect: Dialect): ClientMessage | Refusal {
  if (text.length > SHORT_TEXT) return read(text, dialect)
  const known = saidBefore[dialect].get(text)
  if (known) return known
  const message = read(text, dialect)
  if (message.type === 'refusal' || message.id !== undefined) return message
  if (saidBefore[dialect].size >= KEPT_TEXTS) saidBefore[dialect].clear()
  saidBefore[dialect].set(text, message)
  return message
}

/**
 * Reads a text. The only place that looks at what a stranger sent: what it
 * returns has the fields that the dialect knows and no others, each checked; what it refuses it explains by field.
 */
function read(text: string, dialect: Dialect): ClientMessage | Refusal {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return refusal('bad_json', 'the message is not JSON')
  }
  if (!isObject(value)) {
    return refusal('bad_message', 'the message must be a JSON object such as {"type":"get_online_count"}')
  }
  const refuse = (code: Refusal['code'], text: string): Refusal => refusal(code, text, idOf(value, dialect))
  if (!isShallow(value, MAX_DEPTH))
    return refuse('bad_message', `the message is nested deeper than ${MAX_DEPTH}`)
  if (!Object.hasOwn(value, 'type')) return refuse('bad_message', '"type" is missing')
  const { type } = value
  if (typeof type !== 'string') return refuse('bad_message', '"type" must be a string')
  const decoder = decoders[dialect].get(type)
  if (!decoder) {
    const known = [...decoders[dialect].keys()].join(', ')
    return refuse('unknown_type', `"type" is ${quote(type)}; known types are ${known}`)
  }
  const { validator, fields, together } = decoder
  if (!validator.Check(value)) {
    return refuse(
      'bad_message',
      whatIsWrong(value, fields) ?? 'the message does not have the form of its type',
    )
  }
  const message = pick(value, fields)
  const problem = together?.(message)
  return problem === undefined ? (message as unknown as ClientMessage) : refuse('bad_message', problem)
}

function decodersOf(dialect: Dialect): ReadonlyMap<string, Decoder> {
  return new Map(
    Object.entries(catalogue[dialect].requests).map(([type, { schema, together }]) => [
      type,
      { validator: Compile(schema as TSchema), fields: fieldsOf(schema) ?? [], together },
    ]),
  )
}

function fieldsOf({ properties, required = [] }: FieldSchema): readonly Field[] | undefined {
  if (!properties) return undefined
  return Object.entries(properties).map(([name, published]) => {
    const isOptional = !required.includes(name)
    // An optional field is a union of its schema with null; see `optional`.
    const schema = (isOptional && published.anyOf?.[0]) || published
    return { name, schema, isOptional, inner: fieldsOf(schema) }
  })
}

function isObject(value: unknown): value is Unknowns {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The fields in which clients name other users. */
const USER_ID_FIELDS: ReadonlySet<string> = new Set(['targetUserId', 'userIds'])

/** A user id that was written as a number is the id it spells. */
function spell(value: unknown): unknown {
  return typeof value === 'number' ? String(value) : value
}

function refusal(code: Refusal['code'], text: string, id?: Refusal['id']): Refusal {
  return { type: 'refusal', code, text, id }
}

/** What a request is to be known by; v1 has no such thing. */
function idOf(message: Unknowns, dialect: Dialect): Refusal['id'] {
  if (dialect === 'v1' || !Object.hasOwn(message, 'id')) return undefined
  const { id } = message
  return isId.Check(id) ? id : undefined
}

function isShallow(value: object, depth: number): boolean {
  if (depth === 0) return false
  for (const inner of Array.isArray(value) ? value : Object.values(value)) {
    if (typeof inner === 'object' && inner !== null && !isShallow(inner, depth - 1)) return false
  }
  return true
}

/** The first field that is wrong, as deep inside as it can be said. */
function whatIsWrong(holder: Unknowns, fields: readonly Field[], within = ''): string | undefined {
  for (const { name, schema, isOptional, inner } of fields) {
    const path = within + name
    if (!Object.hasOwn(holder, name)) {
      if (isOptional) continue
      return `"${path}" is missing; it must be ${schema.description}`
    }
    const value = holder[name]
    if ((isOptional && value === null) || check(schema, value)) continue
    const problem =
      inner && isObject(value) ? whatIsWrong(value, inner, `${path}.`) : wrongItem(path, value, schema)
    return problem ?? `"${path}" must be ${schema.description}`
  }
  return undefined
}

/** The first item of a list that is wrong, unless the list is longer than it may be: then its length comes first. */
function wrongItem(path: string, value: unknown, { items, maxItems }: FieldSchema): string | undefined {
  if (!items || !Array.isArray(value) || value.length > (maxItems ?? value.length)) return undefined
  const index = value.findIndex(item => !check(items, item))
  return index < 0 ? undefined : `"${path}[${index}]" must be ${items.description}`
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

/** The known fields of an object that was checked. Leaves out unknown keys, and optional fields that are `null`. */
function pick(holder: Unknowns, fields: readonly Field[]): Unknowns {
  const picked: Record<string, unknown> = {}
  for (const { name, isOptional, inner } of fields) {
    if (!Object.hasOwn(holder, name)) continue
    const value = holder[name]
    if (isOptional && value === null) continue
    if (inner) picked[name] = pick(value as Unknowns, inner)
    else if (!USER_ID_FIELDS.has(name)) picked[name] = value
    else picked[name] = Array.isArray(value) ? value.map(spell) : spell(value)
  }
  return picked
}

/** A stranger's text for an answer: quoted, escaped and short. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
