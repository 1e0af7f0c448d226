import type { TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'

// Checks objects of clients field by field, and names the field that is wrong: requests of the WebSocket and of HTTP.

export type Unknowns = Readonly<Record<string, unknown>>

/** A field of an object that a client sends. */
export interface Field {
  readonly name: string
  /** The schema of a value, without the `null` that an optional field also allows. */
  readonly schema: FieldSchema
  readonly isOptional: boolean
  /** The fields of a nested object. */
  readonly inner: readonly Field[] | undefined
}

/** The field that is wrong, such as `since.seq` or `userIds[3]`, and an error text that says what it must be. */
export interface WrongField {
  readonly field: string
  readonly text: string
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

/** The fields of the schema of an object; `undefined` for other schemas. */
export function fieldsOf({ properties, required = [] }: FieldSchema): readonly Field[] | undefined {
  if (!properties) return undefined
  return Object.entries(properties).map(([name, published]) => {
    const isOptional = !required.includes(name)
    // An optional field is a union of its schema and null; see `optional`.
    const schema = (isOptional && published.anyOf?.[0]) || published
    return { name, schema, isOptional, inner: fieldsOf(schema) }
  })
}

/** Whether a value is an object, and neither null nor a list. */
export function isObject(value: unknown): value is Unknowns {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The fields that contain ids of other users. */
const USER_ID_FIELDS: ReadonlySet<string> = new Set(['targetUserId', 'userIds'])

/** A numeric user id is converted to a string. */
function userIdOf(value: unknown): unknown {
  return typeof value === 'number' ? String(value) : value
}

/** The first wrong field of an object. It is the innermost one, such as `since.seq`. `undefined` if none is wrong. */
export function wrongField(holder: Unknowns, fields: readonly Field[], within = ''): WrongField | undefined {
  for (const { name, schema, isOptional, inner } of fields) {
    const path = within + name
    if (!Object.hasOwn(holder, name)) {
      if (isOptional) continue
      return { field: path, text: `"${path}" is missing; it must be ${schema.description}` }
    }
    const value = holder[name]
    if ((isOptional && value === null) || check(schema, value)) continue
    const wrong =
      inner && isObject(value) ? wrongField(value, inner, `${path}.`) : wrongItem(path, value, schema)
    return wrong ?? mustBe(path, schema)
  }
  return undefined
}

/** The first wrong item of a list; `undefined` if the list is too long, which is reported first. */
function wrongItem(path: string, value: unknown, { items, maxItems }: FieldSchema): WrongField | undefined {
  if (!items || !Array.isArray(value) || value.length > (maxItems ?? value.length)) return undefined
  const index = value.findIndex(item => !check(items, item))
  return index < 0 ? undefined : mustBe(`${path}[${index}]`, items)
}

function mustBe(field: string, { description }: FieldSchema): WrongField {
  return { field, text: `"${field}" must be ${description}` }
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

/** Copies the known fields of a valid object. Leaves out unknown keys, and optional fields that are `null`. */
export function pick(holder: Unknowns, fields: readonly Field[]): Unknowns {
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
