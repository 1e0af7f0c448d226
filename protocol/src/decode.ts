import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { type ClientMessage, catalogue, type ProtocolVersion } from './catalogue.ts'
import { id as idSchema, type RequestEntry } from './fields.ts'

/** Why a message was refused, for the developer of the client. */
export interface Refusal {
  readonly type: 'refusal'
  readonly code: 'bad_json' | 'bad_message' | 'unknown_type'
  readonly text: string
  /** The `id` of the request, if it could be read. */
  readonly id?: string | number | undefined
}

interface Field {
  readonly name: string
  /** The schema of a value, without the `null` that an optional field also allows. */
  readonly schema: FieldSchema
  readonly isOptional: boolean
  /** The fields of a nested object. */
  readonly inner: readonly Field[] | undefined
}

interface Decoder {
  readonly validator: Validator
  readonly fields: readonly Field[]
  readonly checkCombination: RequestEntry['checkCombination']
}

/** The parts of JSON Schema that error texts need. */
interface FieldSchema {
  readonly description?: string
  readonly properties?: Readonly<Record<string, FieldSchema>>
  readonly required?: readonly string[]
  readonly items?: FieldSchema
  readonly maxItems?: number
  readonly anyOf?: readonly FieldSchema[]
}

/** Maximum nesting depth of a message. The deepest request of the catalogue has 2. */
const MAX_DEPTH = 4

// A Map, because keys come from clients: a type named `constructor` must be an unknown type.
const decoders: Readonly<Record<ProtocolVersion, ReadonlyMap<string, Decoder>>> = {
  v1: decodersOf('v1'),
  v2: decodersOf('v2'),
}

const isId = Compile(idSchema)

type Unknowns = Readonly<Record<string, unknown>>

/**
 * Decodes one text message of a client into a request, or into the reason why it was refused. Validates
 * untrusted input; no other code does. A request has only the fields that the protocol version defines, each
 * of them checked. A refusal names the field that is wrong. Never throws.
 */
export function decode(text: string, version: ProtocolVersion): ClientMessage | Refusal {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return refusal('bad_json', 'the message is not JSON')
  }
  if (!isObject(value)) {
    return refusal('bad_message', 'the message must be a JSON object such as {"type":"get_online_count"}')
  }
  const refuse = (code: Refusal['code'], text: string): Refusal => refusal(code, text, idOf(value, version))
  if (!isShallow(value, MAX_DEPTH))
    return refuse('bad_message', `the message must not be nested deeper than ${MAX_DEPTH} levels`)
  if (!Object.hasOwn(value, 'type'))
    return refuse('bad_message', '"type" is missing; it must be the type of a request, as a string')
  const { type } = value
  if (typeof type !== 'string') return refuse('bad_message', '"type" must be a string')
  const decoder = decoders[version].get(type)
  if (!decoder) {
    const known = [...decoders[version].keys()].join(', ')
    return refuse('unknown_type', `"type" is ${quote(type)}; known types are ${known}`)
  }
  const { validator, fields, checkCombination } = decoder
  if (!validator.Check(value)) {
    return refuse(
      'bad_message',
      whatIsWrong(value, fields) ?? 'the message does not match the schema of its type',
    )
  }
  const message = pick(value, fields)
  const problem = checkCombination?.(message)
  return problem === undefined ? (message as unknown as ClientMessage) : refuse('bad_message', problem)
}

function decodersOf(version: ProtocolVersion): ReadonlyMap<string, Decoder> {
  return new Map(
    Object.entries(catalogue[version].requests).map(([type, { schema, checkCombination }]) => [
      type,
      { validator: Compile(schema as TSchema), fields: fieldsOf(schema) ?? [], checkCombination },
    ]),
  )
}

function fieldsOf({ properties, required = [] }: FieldSchema): readonly Field[] | undefined {
  if (!properties) return undefined
  return Object.entries(properties).map(([name, published]) => {
    const isOptional = !required.includes(name)
    // An optional field is a union of its schema and null; see `optional`.
    const schema = (isOptional && published.anyOf?.[0]) || published
    return { name, schema, isOptional, inner: fieldsOf(schema) }
  })
}

function isObject(value: unknown): value is Unknowns {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The fields that contain ids of other users. */
const USER_ID_FIELDS: ReadonlySet<string> = new Set(['targetUserId', 'userIds'])

/** A numeric user id is converted to a string. */
function userIdOf(value: unknown): unknown {
  return typeof value === 'number' ? String(value) : value
}

function refusal(code: Refusal['code'], text: string, id?: Refusal['id']): Refusal {
  return { type: 'refusal', code, text, id }
}

/** The `id` of a request; v1 has none. */
function idOf(message: Unknowns, version: ProtocolVersion): Refusal['id'] {
  if (version === 'v1' || !Object.hasOwn(message, 'id')) return undefined
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

/** An error text for the first invalid field. It names the innermost field, such as `since.seq`. */
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

/**
 * An error text for the first invalid item of a list; `undefined` if the list is too long, which is reported
 * first.
 */
function wrongItem(path: string, value: unknown, { items, maxItems }: FieldSchema): string | undefined {
  if (!items || !Array.isArray(value) || value.length > (maxItems ?? value.length)) return undefined
  const index = value.findIndex(item => !check(items, item))
  return index < 0 ? undefined : `"${path}[${index}]" must be ${items.description}`
}

/** Validators of single fields. Only error texts need them, so they are compiled on first use. */
const checks = new WeakMap<object, Validator>()

function check(schema: FieldSchema, value: unknown): boolean {
  let validator = checks.get(schema)
  if (!validator) {
    validator = Compile(schema as TSchema)
    checks.set(schema, validator)
  }
  return validator.Check(value)
}

/**
 * Copies the known fields of a valid object. Leaves out unknown keys, and optional fields that are `null`.
 */
function pick(holder: Unknowns, fields: readonly Field[]): Unknowns {
  const picked: Record<string, unknown> = {}
  for (const { name, inner } of fields) {
    const value = holder[name]
    if (value === undefined || value === null) continue
    if (inner) picked[name] = pick(value as Unknowns, inner)
    else if (!USER_ID_FIELDS.has(name)) picked[name] = value
    else picked[name] = Array.isArray(value) ? value.map(userIdOf) : userIdOf(value)
  }
  return picked
}

/** Text of a client, quoted, escaped and shortened for an error text. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
