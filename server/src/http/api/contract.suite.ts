import { type Call, calls, errorsOf } from '@who-is-online/protocol/api'
import { API_ERRORS, problemSchema } from '@who-is-online/protocol/api-errors'
import { Compile } from 'typebox/compile'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type ApiReply, type ApiRequest, KEYS } from './testing/api-server.ts'

/** A running server, or several nodes, for {@link contractSuite}. */
export interface ContractApi {
  ask(path: string, request?: ApiRequest): Promise<ApiReply>
  /** Makes sure that the user `ann` is connected. */
  connect(): Promise<void>
  stop(): Promise<unknown>
}

const isProblem = Compile(problemSchema)

const targetOf = ({ path, example: { params = {}, query } }: Call, more = '') => {
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name) => encodeURIComponent(params[name] ?? ''))
  const search = new URLSearchParams(query as Record<string, string>)
  return `${filled}?${search}${more}`
}

/** Every call of the catalogue with good and bad input: each answer and each error is what the catalogue says. */
export function contractSuite(start: () => Promise<ContractApi>): void {
  let api: ContractApi

  beforeAll(async () => {
    api = await start()
    await api.connect()
  }, 60_000)
  afterAll(() => api.stop())

  describe.each(Object.entries(calls))('[E2] %s', (_name, call) => {
    const { method, right, path, body, example, answers, maxBodyBytes, maxBodyValues } = call
    const send = (changes: ApiRequest = {}, target = targetOf(call)): Promise<ApiReply> =>
      api.ask(target, { method, key: right, body: example.body, ...changes })

    /** Expects an error that the catalogue has for this call. Returns its field. */
    const refused = async (code: keyof typeof API_ERRORS, changes: ApiRequest, target?: string) => {
      const { status, json, headers } = await send(changes, target)
      expect(json).toMatchObject({ code })
      expect(isProblem.Check(json)).toBe(true)
      expect(headers['content-type']).toMatch(/^application\/problem\+json/)
      expect(status).toBe(API_ERRORS[code].status)
      if (code !== 'method_not_allowed') expect(errorsOf(call)).toContain(code)
      return (json as { field?: string }).field
    }

    test('answers good input as the catalogue says', async () => {
      const { status, json, headers } = await send()
      const answer = answers[status]
      expect(answer, `status ${status}`).toBeDefined()
      expect(headers['cache-control']).toBe('no-store')
      if (answer?.schema) expect(Compile(answer.schema).Check(json), JSON.stringify(json)).toBe(true)
      else expect(json).toBeUndefined()
      if (method === 'GET') {
        const head = await send({ method: 'HEAD' })
        expect([head.status, head.text]).toEqual([status, ''])
        expect(head.headers['content-type']).toBe(headers['content-type'])
      }
      await api.connect()
    })

    test('[E1] needs a key with the right, as Bearer', async () => {
      await refused('bad_key', { key: undefined })
      for (const authorization of [
        'Bearer wrong',
        `Bearer ${KEYS.write} `.repeat(2),
        `Basic ${Buffer.from(`x:${KEYS.write}`).toString('base64')}`,
        KEYS.write,
        '',
      ])
        await refused('bad_key', { key: undefined, headers: { authorization } })
      if (right === 'write') await refused('not_allowed', { key: 'read' })
    })

    test('refuses other methods and paths', async () => {
      await refused('method_not_allowed', { method: 'PATCH' })
      const { status, headers, text } = await send({ method: 'OPTIONS', key: undefined, body: undefined })
      expect([status, text]).toEqual([204, ''])
      expect(headers['allow']).toContain(method)
      expect(Object.keys(headers).filter(header => header.startsWith('access-control'))).toEqual([])
      for (const other of [
        `${path}/`,
        `${path}/x/y/z`,
        `/x${path}`,
        path.replace('/v1', '/v2'),
        path.toUpperCase(),
      ])
        expect((await send({}, other)).status, other).toBe(404)
    })

    test('names a parameter that is wrong, unknown or repeated', async () => {
      const withQuery = (text: string) => targetOf(call, `&${text}`)
      expect(await refused('bad_request', {}, withQuery('nonsense=1'))).toBe('nonsense')
      expect(await refused('bad_request', {}, withQuery('__proto__=1'))).toBe('__proto__')
      for (const name of Object.keys(example.params ?? {}))
        for (const text of ['%00', '%ff', '%', 'x'.repeat(129)])
          expect(await refused('bad_request', {}, path.replaceAll(`{${name}}`, text))).toBe(name)
      for (const name of Object.keys(call.query?.properties ?? {})) {
        expect(await refused('bad_request', {}, `${path}?${name}=${'-'.repeat(201)}`)).toBe(name)
        expect(await refused('bad_request', {}, `${path}?${name}=1&${name}=1`)).toBe(name)
      }
    })

    if (body) {
      test('names a field that is wrong, unknown or missing', async () => {
        const sent = example.body as Record<string, unknown>
        expect(await refused('bad_request', { body: { ...sent, nonsense: 1 } })).toBe('nonsense')
        for (const name of Object.keys(body.properties)) {
          expect(await refused('bad_request', { body: { ...sent, [name]: { no: 1 } } })).toBe(name)
          const { [name]: _, ...others } = sent
          if (body.required.includes(name as never))
            expect(await refused('bad_request', { body: others })).toBe(name)
        }
      })

      test('refuses what is not a JSON object', async () => {
        for (const text of ['', '{', '[]', 'null', '1', '"x"']) await refused('bad_json', { body: text })
        await refused('unsupported_media_type', { headers: { 'content-type': 'text/plain' } })
        await refused('unsupported_media_type', {
          headers: { 'content-type': 'application/json; charset=latin1' },
        })
        await refused('unsupported_media_type', { headers: { 'content-encoding': 'gzip' } })
        await refused('length_required', {
          headers: { 'content-length': undefined, 'transfer-encoding': 'chunked' },
        })
        await refused('too_large', { body: ' '.repeat((maxBodyBytes ?? 65_536) + 1) })
        await refused('too_large', { body: `{"x":[${'{},'.repeat(maxBodyValues ?? 100)}{}]}` })
        const plain = await send({ headers: { 'content-type': 'Application/JSON; charset="UTF-8"' } })
        expect(Object.keys(answers)).toContain(String(plain.status))
      })
    } else {
      test('[E2] refuses a body, which it has not', async () => {
        await refused('bad_request', { body: { forMs: 60_000 } })
        await refused('bad_request', { body: '{' })
      })
    }
  })
}
