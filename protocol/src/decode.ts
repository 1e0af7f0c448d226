import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { type ClientMessage, requests } from './catalogue.ts'

/** What was wrong with a text, in words for the developer who sent it. */
export interface Refusal {
  readonly type: 'refusal'
  readonly code: 'bad_json' | 'bad_message' | 'unknown_type'
  readonly text: string
}

interface Field {
  readonly name: string
  readonly rule: string
  readonly validator: Validator
}

interface Decoder {
  readonly validator: Validator
  readonly fields: readonly Field[]
}

/** Deepest nesting of a message. The deepest one known has 2; more is somebody trying. */
const MAX_DEPTH = 4

// A type named `constructor` is an unknown type like any other: strangers' keys go into a Map.
const decoders = new Map<string, Decoder>(
  Object.entries(requests).map(([type, { schema }]) => [
    type,
    {
      validator: Compile(schema as TSchema),
      fields: Object.entries(schema.properties as Record<string, TSchema & { description?: string }>).map(
        ([name, field]) => ({ name, rule: field.description ?? '', validator: Compile(field) }),
      ),
    },
  ]),
)

/**
 * Turns the text of one frame into a request. The only place that looks at what a stranger sent: what it
 * returns has the known fields and no others, each checked; what it refuses it explains by field.
 */
export function decode(text: string): ClientMessage | Refusal {
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
  if (!Object.hasOwn(message, 'type')) return refusal('bad_message', '"type" is missing')
  if (typeof message['type'] !== 'string') return refusal('bad_message', '"type" must be a string')
  const decoder = decoders.get(message['type'])
  if (!decoder) {
    const known = [...decoders.keys()].join(', ')
    return refusal('unknown_type', `"type" is ${quote(message['type'])}; known types are ${known}`)
  }
  if (!decoder.validator.Check(message)) return refusal('bad_message', whatIsWrong(message, decoder.fields))
  return pick(message, decoder.fields)
}

function refusal(code: Refusal['code'], text: string): Refusal {
  return { type: 'refusal', code, text }
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
  for (const { name, rule, validator } of fields) {
    if (!Object.hasOwn(message, name)) return `"${name}" is missing; it must be ${rule}`
    if (!validator.Check(message[name])) return `"${name}" must be ${rule}`
  }
  return 'the message does not have the form of its type'
}

function pick(message: Record<string, unknown>, fields: readonly Field[]): ClientMessage {
  const picked: Record<string, unknown> = {}
  for (const { name } of fields) {
    const value = message[name]
    picked[name] = typeof value === 'number' ? String(value) : value
  }
  return picked as ClientMessage
}

/** A stranger's text for an answer: quoted, escaped and short. */
function quote(text: string): string {
  return JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}…` : text)
}
