import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { type ClientMessage, catalogue, type ProtocolVersion } from './catalogue.ts'
import { type Field, fieldsOf, isObject, pick, type Unknowns, wrongField } from './check-fields.ts'
import { id as idSchema, type RequestEntry } from './fields.ts'

/** Why a message was refused, for the developer of the client. */
export interface Refusal {
  readonly type: 'refusal'
  readonly code: 'bad_json' | 'bad_message' | 'unknown_type'
  readonly text: string
  /** The `id` of the request, if it could be read. */
  readonly id?: string | number | undefined
}

interface Decoder {
  readonly validator: Validator
  readonly fields: readonly Field[]
  readonly checkCombination: RequestEntry['checkCombination']
}

/** Maximum nesting depth of a message. The deepest request of the catalogue has 2. */
const MAX_DEPTH = 4

// A Map, because keys come from clients: a type named `constructor` must be an unknown type.
const decoders: Readonly<Record<ProtocolVersion, ReadonlyMap<string, Decoder>>> = {
  v1: decodersOf('v1'),
  v2: decodersOf('v2'),
}

const isId = Compile(idSchema)

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
      wrongField(value, fields)?.text ?? 'the message does not match the schema of its type',
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

/** Text of a client, quoted, escaped and shortened for an error text. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
