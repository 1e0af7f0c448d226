import Type, { type TObject, type TSchema } from 'typebox'
import { Compile, type Validator } from 'typebox/compile'
import { type Call, type CallName, calls } from './api.ts'
import { type Field, fieldsOf, pick, type Unknowns, type WrongField, wrongField } from './check-fields.ts'
import { name as nameSchema } from './fields.ts'

/** Checks the fields of one object, such as a body. */
interface Checker {
  readonly validator: Validator
  readonly fields: readonly Field[]
  /** The fields that are whole numbers. */
  readonly integers: ReadonlySet<string>
}

/** What is checked of a call: the parameters in its path, those in its query, and its body. */
interface Checkers {
  readonly path: Checker
  readonly query: Checker
  readonly body: Checker
}

/** What a client sent, after it was checked, or what is wrong with it. */
export type Checked = { readonly values: Unknowns } | { readonly wrong: WrongField }

const NO_FIELDS = Type.Object({})

const checkers = new Map<CallName, Checkers>(
  (Object.entries(calls) as [CallName, Call][]).map(([name, call]) => [name, checkersOf(call)]),
)

function checkersOf({ path, query = NO_FIELDS, body = NO_FIELDS }: Call): Checkers {
  const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, param]) => [param as string, nameSchema])
  return {
    path: checkerOf(Type.Object(Object.fromEntries(names))),
    query: checkerOf(query),
    body: checkerOf(body),
  }
}

function checkerOf(schema: TObject): Checker {
  const integers = Object.entries(schema.properties).filter(
    ([, field]) => 'type' in field && field.type === 'integer',
  )
  return {
    validator: Compile(schema as TSchema),
    fields: fieldsOf(schema) ?? [],
    integers: new Set(integers.map(([key]) => key)),
  }
}

/**
 * Checks the parameters in the path of a call and in its query.
 *
 * @param inPath the parameters in the path, percent-encoded
 * @param query the query, without the question mark
 */
export function decodeParameters(
  name: CallName,
  inPath: Readonly<Record<string, string>>,
  query: string,
): Checked {
  const { path: pathChecker, query: queryChecker } = checkers.get(name) as Checkers
  const inQuery = new URLSearchParams(query)
  const repeated = [...inQuery.keys()].find(key => inQuery.getAll(key).length > 1)
  if (repeated !== undefined) return wrong(repeated, 'must not stand twice')
  const decoded: Record<string, string> = {}
  for (const [key, text] of Object.entries(inPath)) {
    try {
      decoded[key] = decodeURIComponent(text)
    } catch {
      return wrong(key, 'must be percent-encoded UTF-8')
    }
  }
  const path = checked(pathChecker, decoded)
  if ('wrong' in path) return path
  const { integers } = queryChecker
  const typed = [...inQuery].map(([key, text]) => [
    key,
    integers.has(key) && /^\d{1,15}$/.test(text) ? Number(text) : text,
  ])
  const rest = checked(queryChecker, Object.fromEntries(typed))
  return 'wrong' in rest ? rest : { values: { ...path.values, ...rest.values } }
}

/** Checks the body of a call. */
export function decodeBody(name: CallName, body: Unknowns): Checked {
  return checked((checkers.get(name) as Checkers).body, body)
}

/** A field that the call does not know is refused: it is probably misspelt, and would have no effect. */
function checked({ validator, fields }: Checker, given: Unknowns): Checked {
  const unknown = Object.keys(given).find(key => !fields.some(({ name }) => name === key))
  if (unknown !== undefined) {
    const known = fields.map(({ name }) => `"${name}"`).join(', ')
    return wrong(unknown, known === '' ? 'is unknown' : `is unknown: this call knows ${known}`)
  }
  if (validator.Check(given)) return { values: pick(given, fields) }
  return { wrong: wrongField(given, fields) ?? { field: '', text: 'the input does not match the schema' } }
}

/** The most characters of a name of a client in an error. */
const MAX_SHOWN_CHARS = 64

function wrong(name: string, what: string): Checked {
  const field = name.slice(0, MAX_SHOWN_CHARS)
  return { wrong: { field, text: `${JSON.stringify(field)} ${what}` } }
}
