import { type Call, calls, errorsOf } from './api.ts'
import { API_ERRORS } from './api-errors.ts'
import { code, spaced, table } from './tables.ts'

/** A Markdown table of all calls of the HTTP API. */
export function callTable(): string {
  return table(
    ['Call', 'Key', 'What it does', 'Answer'],
    Object.values(calls).map(call => [code(targetOf(call)), call.right, call.sentence, answersOf(call)]),
  )
}

/** A Markdown table of all parameters and fields of a body: one with the same name is the same in each call. */
export function parameterTable(): string {
  const rules = new Map<string, string>()
  for (const { query, body } of Object.values(calls) as Call[]) {
    for (const [name, schema] of Object.entries({ ...query?.properties, ...body?.properties })) {
      const rule = ruleOf(schema)
      const other = rules.get(name) ?? rule
      if (other !== rule) throw new Error(`"${name}" is ${other}, but also ${rule}`)
      rules.set(name, rule)
    }
  }
  return table(
    ['Name', 'What it must be'],
    [...rules].map(([name, rule]) => [code(name), rule]),
  )
}

/** What a value must be, and the default if there is one. An optional field is a union of its schema and null. */
function ruleOf({ anyOf, ...schema }: Described): string {
  const { description, default: value } = anyOf?.[0] ?? schema
  return value === undefined ? `${description}` : `${description}; ${value} if it is missing`
}

interface Described {
  readonly description?: string
  readonly default?: unknown
  readonly anyOf?: readonly Described[]
}

/** A Markdown table of the errors of the HTTP API. */
export function apiErrorTable(): string {
  return table(
    ['Status', 'Code', 'Meaning'],
    Object.entries(API_ERRORS).map(([name, { status, meaning }]) => [String(status), code(name), meaning]),
  )
}

/** A call with the names of its parameters and fields, such as `GET /users?status=&limit=`. */
function targetOf({ method, path, query, body }: Call): string {
  const parameters = Object.keys(query?.properties ?? {}).map(name => `${name}=`)
  const fields = Object.keys(body?.properties ?? {}).map(name =>
    body?.required.includes(name as never) ? name : `${name}?`,
  )
  const search = parameters.length > 0 ? `?${parameters.join('&')}` : ''
  return `${method} ${path}${search}${fields.length > 0 ? ` {${fields.join(', ')}}` : ''}`
}

function answersOf(call: Call): string {
  const { answers, errors } = call
  const good = Object.entries(answers).map(([status, { schema, example }]) =>
    schema && status === '200' ? `${status} ${code(spaced(example))}` : status,
  )
  const own = errorsOf(call).filter(name => errors.includes(name))
  return [...good, ...own.map(name => `${API_ERRORS[name].status} ${code(name)}`)].join(', ')
}
