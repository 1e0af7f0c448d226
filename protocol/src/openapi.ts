import { type Answer, type Call, calls, errorsOf } from './api.ts'
import { API_ERRORS, type ApiErrorCode, problemSchema } from './api-errors.ts'
import { name as nameSchema, user } from './fields.ts'
import { USER_FIELDS } from './tables.ts'

/** The media types of bodies and of errors. */
const JSON_TYPE = 'application/json'
const STREAM_TYPE = 'text/event-stream'
const PROBLEM_TYPE = 'application/problem+json'

/** The names of errors by their status. */
const TITLES: Readonly<Record<number, string>> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  411: 'Length Required',
  413: 'Payload Too Large',
  415: 'Unsupported Media Type',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

/** Schemas that the document has once, by their names. */
const SHARED = { User: user, Problem: problemSchema }

/**
 * The catalogue of calls as an OpenAPI 3.1 document. `productVersion` is the version of the server package.
 */
export function openApi(productVersion: string): object {
  const paths: Record<string, Record<string, object>> = {}
  for (const [name, call] of Object.entries(calls)) {
    paths[call.path] = { ...paths[call.path], [call.method.toLowerCase()]: operation(name, call) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Who Is Online: HTTP API',
      version: productVersion,
      description:
        'Presence for backends. A read key sees what other users see; a write key also sets and ends presence.',
      license: { name: 'MIT', identifier: 'MIT' },
    },
    servers: [{ url: 'http://localhost:3050' }],
    security: [{ key: [] }],
    paths,
    components: {
      securitySchemes: {
        key: { type: 'http', scheme: 'bearer', description: 'A key of the setting API_KEYS, or API_KEY' },
      },
      schemas: {
        User: {
          ...user,
          description: 'A user as others see them',
          properties: Object.fromEntries(
            Object.entries(user.properties).map(([key, field]) => [
              key,
              { ...field, description: USER_FIELDS[key as keyof typeof USER_FIELDS] },
            ]),
          ),
        },
        Problem: { ...problemSchema, description: 'An error (RFC 9457)' },
      },
    },
  }
}

function operation(name: string, call: Call): object {
  const { path, right, sentence, query, body, answers, example } = call
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, param = '']) => ({
    name: param,
    in: 'path',
    required: true,
    schema: nameSchema,
    example: example.params?.[param],
  }))
  const inQuery = Object.entries(query?.properties ?? {}).map(([param, schema]) => ({
    name: param,
    in: 'query',
    schema,
    ...(example.query?.[param] !== undefined && { example: example.query[param] }),
  }))
  return {
    operationId: name,
    summary: sentence,
    description: `Needs a ${right === 'read' ? 'read or write' : 'write'} key.`,
    ...(inPath.length + inQuery.length > 0 && { parameters: [...inPath, ...inQuery] }),
    ...(body && {
      requestBody: { required: true, content: { [JSON_TYPE]: { schema: body, example: example.body } } },
    }),
    responses: {
      ...Object.fromEntries(Object.entries(answers).map(([status, answer]) => [status, response(answer)])),
      ...problems(errorsOf(call)),
    },
  }
}

function response({ sentence, schema, example, isStream }: Answer): object {
  const description = isStream ? `${sentence}: the data of each event is JSON of this schema` : sentence
  const type = isStream ? STREAM_TYPE : JSON_TYPE
  return {
    description,
    ...(schema && { content: { [type]: { schema: withReferences(schema), example } } }),
  }
}

/** The errors of a call by status. Several errors can have the same. */
function problems(codes: readonly ApiErrorCode[]): object {
  const statuses = [...new Set(codes.map(code => API_ERRORS[code].status))].toSorted((a, b) => a - b)
  return Object.fromEntries(
    statuses.map(status => {
      const here = codes.filter(code => API_ERRORS[code].status === status)
      const examples = here.map(code => [code, { summary: API_ERRORS[code].meaning, value: problemOf(code) }])
      const content = {
        [PROBLEM_TYPE]: {
          schema: { $ref: '#/components/schemas/Problem' },
          examples: Object.fromEntries(examples),
        },
      }
      const description = here.map(code => `\`${code}\`: ${API_ERRORS[code].meaning}`).join('. ')
      const retries = status === 429 || status === 503
      const headers = {
        'Retry-After': {
          description: 'In how many seconds to try again',
          schema: { type: 'integer', minimum: 1 },
        },
      }
      return [status, { description, ...(retries && { headers }), content }]
    }),
  )
}

/** An example of an error. */
function problemOf(code: ApiErrorCode): object {
  const { status, meaning } = API_ERRORS[code]
  return {
    title: TITLES[status],
    status,
    detail: meaning,
    code,
    ...(code === 'bad_cursor' && { field: 'cursor' }),
  }
}

/** A schema with references to the shared ones in it. */
function withReferences(schema: unknown): unknown {
  for (const [name, shared] of Object.entries(SHARED)) {
    if (schema === shared) return { $ref: `#/components/schemas/${name}` }
  }
  if (Array.isArray(schema)) return schema.map(withReferences)
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(Object.entries(schema).map(([key, inner]) => [key, withReferences(inner)]))
}
