import { type Call, calls } from '@who-is-online/protocol/api'
import { API_ERRORS } from '@who-is-online/protocol/api-errors'
import { user } from '@who-is-online/protocol/fields'
import { USER_FIELDS } from '@who-is-online/protocol/tables'
import {
  alias,
  comment,
  header,
  list,
  MAX_LINE,
  quoted,
  type Schema,
  sentence,
  shapeOf,
  type Typing,
  type,
} from './schema-types.ts'

// The calls of the HTTP API as TypeScript, for @who-is-online/node: the published package contains nothing of the
// catalogue and none of its validators.

/** What fields mean in every answer. */
const FIELDS: Readonly<Record<string, string>> = {
  epoch: 'With `seq`: where the answer stands in the log of changes.',
  seq: 'The number of a change, within its epoch.',
  lastSeen: 'ISO 8601 in UTC; `null` for a user never seen.',
}

/** The most values of an enumeration that is written where it is used. */
const MAX_INLINE_VALUES = 4

/** The text of node/src/api.ts: the types. */
export function nodeApi(): string {
  const names = new Map<string, string>()
  const types: string[] = []
  const add = (name: string, schema: Schema, text: string) => {
    names.set(shapeOf(schema), name)
    types.push(text)
  }

  /** The name of a type within another one: `Session` for `sessions`, unless that name is taken. */
  const nameFor = (owner: string, key: string) => {
    const name = capital(key.replace(/s$/, ''))
    return [...names.values()].includes(name) ? owner + capital(key) : name
  }

  /** How the fields of a type become types. Objects and long enumerations in them get types of their own. */
  function typingOf(owner: string, isRequest: boolean): Typing {
    const typing: Typing = {
      fields: FIELDS,
      isRequest,
      takesNumbers: true,
      nameOf(schema, key) {
        const known = names.get(shapeOf(schema))
        if (known !== undefined) return known
        const name = nameFor(owner, key)
        if (schema.properties) {
          add(name, schema, type(meaningOf(schema, owner, key), name, schema, typingOf(name, isRequest)))
          return name
        }
        const values = schema.enum ?? []
        if (values.length <= MAX_INLINE_VALUES) return undefined
        add(name, schema, alias(meaningOf(schema, owner, key), name, values.map(String)))
        return name
      },
    }
    return typing
  }

  add(
    'Status',
    user.properties.status,
    alias('What others see of a user, and what a user can choose. `offline` hides a user.', 'Status', [
      ...((user.properties.status as Schema).enum as string[]),
    ]),
  )
  add('User', user, type('One user as others see them.', 'User', user, typingOf('User', false), USER_FIELDS))
  const errors = alias('Why the server refused a call.', 'ServerErrorCode', Object.keys(API_ERRORS))

  const signatures = served().map(([name, call]) => {
    const fields = fieldsOf(call)
    const input = fields && `${capital(name)}Fields`
    if (input) types.push(type(`The fields of \`${name}\`.`, input, fields, typingOf(input, true)))
    const answer = answerSchema(call)
    const known = answer && names.get(shapeOf(answer))
    const output = answer && (known ?? `${capital(name)}Answer`)
    if (answer && output && !known)
      add(output, answer, type(`What \`${name}\` answers.`, output, answer, typingOf(output, false)))
    return signature(name, call, input, output)
  })
  const needsConfirmed = served().some(([, call]) => 202 in call.answers)
  return [
    ...header('The calls of the HTTP API.'),
    "import type { CallOptions } from './call-options.ts'\n",
    `${comment('The id of a user. A number stands for the id that it spells.')}\nexport type UserId = string | number\n`,
    errors,
    ...(needsConfirmed ? [CONFIRMED] : []),
    ...types,
    `/** The calls of the HTTP API, by name. */\nexport interface ApiCalls {\n${signatures.join('\n')}\n}\n`,
  ].join('\n')
}

const CONFIRMED = `/** What a call says that concerns all nodes of a cluster. */
export interface Confirmed {
  /** Whether all nodes have confirmed the call. If not, one may carry it out later than 2 s after the call. */
  readonly confirmed: boolean
}
`

/** The calls that have a method. A stream has none: `changes` reads the log. */
function served(): [string, Call][] {
  return Object.entries(calls).filter(([, { answers }]) =>
    Object.values(answers).every(answer => !('isStream' in answer)),
  )
}

/** The fields that a call is given besides the parameters of its path. */
function fieldsOf({ query, body }: Call): Schema | undefined {
  if (query && body)
    throw new Error('a call has a query and a body: say in scripts/node-api.ts how to give them')
  return (query ?? body) as Schema | undefined
}

function answerSchema({ answers }: Call): Schema | undefined {
  return Object.values(answers).find(({ schema }) => schema)?.schema as Schema | undefined
}

function signature(name: string, call: Call, input: string | undefined, output: string | undefined): string {
  const { sentence: meaning, right, answers } = call
  const isOptional = input !== undefined && (fieldsOf(call)?.required ?? []).length === 0
  const parameters = [
    ...paramsOf(call).map(param => `${param}: ${param === 'userId' ? 'UserId' : 'string'}`),
    ...(input ? [`fields${isOptional ? '?' : ''}: ${input}`] : []),
    'options?: CallOptions',
  ]
  const parts = [...(output ? [output] : []), ...(202 in answers ? ['Confirmed'] : [])]
  const end = `): Promise<${parts.join(' & ') || 'void'}>`
  const line = `  ${name}(${parameters.join(', ')}${end}`
  const text =
    line.length <= MAX_LINE
      ? line
      : `  ${name}(\n${parameters.map(parameter => `    ${parameter},\n`).join('')}  ${end}`
  const key = right === 'read' ? '' : ' Needs a write key.'
  return `${comment(`${sentence(meaning)}${key}`, '  ')}\n${text}`
}

/** The text of node/src/calls.ts: the calls as data, with which methods are made. */
export function nodeCalls(): string {
  const entries = served().map(([name, call]) => {
    const { method, path, right, query, body } = call
    const lines = [
      `method: ${quoted(method)}`,
      `path: ${quoted(path)}`,
      `params: ${list(paramsOf(call))}`,
      `sends: ${quoted(query ? 'query' : body ? 'body' : 'nothing')}`,
      `isRead: ${right === 'read'}`,
      `asksToConfirm: ${202 in call.answers}`,
    ]
    return `  ${name}: {\n${lines.map(line => `    ${line},\n`).join('')}  },\n`
  })
  return `${header('How each call of the HTTP API is sent.').join('\n')}\n/** The calls, by name. */\nexport const CALLS = {\n${entries.join('')}} as const\n`
}

function paramsOf({ path }: Call): string[] {
  return [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name)
}

function meaningOf({ description }: Schema, owner: string, key: string): string {
  return description ? sentence(description) : `\`${key}\` of {@link ${owner}}.`
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1)
}
