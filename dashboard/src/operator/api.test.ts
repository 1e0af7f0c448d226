import { expect, test } from 'vitest'
import { createApi } from './api.ts'

interface Sent {
  readonly path: string
  readonly method: string | undefined
  readonly headers: unknown
  readonly body: unknown
}

/** An API whose requests are answered with this response. */
function newApi(respond: () => Response | Promise<Response>) {
  const sent: Sent[] = []
  const api = createApi(async (path, { method, headers, body }) => {
    sent.push({ path, method, headers, body })
    return respond()
  })
  return { api, sent }
}

const problem = (status: number, code: string, detail: string) => () =>
  Response.json({ status, code, detail, title: '' }, { status })

test('[T12] calls name the user and the session in the path, encoded, and send the key as a Bearer token', async () => {
  const { api, sent } = newApi(() => new Response(null, { status: 204 }))
  await api.endSession('a/b ä?', 'x#1')
  api.setKey('the-key')
  await api.endSessions('ann')
  expect(sent).toEqual([
    { path: 'users/a%2Fb%20%C3%A4%3F/sessions/x%231', method: 'DELETE', headers: {}, body: undefined },
    {
      path: 'users/ann/sessions',
      method: 'DELETE',
      headers: { Authorization: 'Bearer the-key' },
      body: undefined,
    },
  ])
})

test('a status is sent as JSON, and 202 means that not all nodes have confirmed', async () => {
  const { api, sent } = newApi(() => Response.json({ status: 'busy' }, { status: 202 }))
  expect(await api.setStatus('ann', { status: 'busy', text: undefined })).toEqual({
    value: { status: 'busy' },
    isConfirmed: false,
  })
  expect(sent[0]).toMatchObject({
    method: 'PUT',
    headers: { 'Content-Type': 'application/json' },
    body: '{"status":"busy"}',
  })
})

test.each(['.', '..'])('the id %s is not sent: a browser would ask for another path', async id => {
  const { api, sent } = newApi(() => new Response(null, { status: 204 }))
  expect(await api.endSessions(id)).toMatchObject({ refused: { needs: 'nothing' } })
  expect(await api.endSession('ann', id)).toMatchObject({ refused: { needs: 'nothing' } })
  expect(sent).toEqual([])
})

test.each([
  [
    undefined,
    problem(401, 'bad_key', 'send a key of API_KEYS'),
    'key',
    'This needs a write key of API_KEYS.',
  ],
  ['k', problem(401, 'bad_key', 'send a key of API_KEYS'), 'key', 'The key is wrong.'],
  ['k', problem(403, 'not_allowed', 'the key "r" may only read'), 'key', /^This key may only read/],
  [
    'k',
    problem(401, 'bad_key', 'the API is off: set API_KEYS on the server'),
    'nothing',
    /^The API is off: set/,
  ],
  ['k', problem(409, 'no_session', 'the user has no session'), 'nothing', 'The user has no session.'],
  [
    'k',
    () => new Response('<html>', { status: 404 }),
    'nothing',
    /^The server answered 404, not as its HTTP API/,
  ],
  ['k', () => Promise.reject(new TypeError('failed')), 'nothing', 'The server did not answer: try again.'],
  ['k', () => new Response('{', { status: 200 }), 'nothing', 'The server did not answer: try again.'],
  ['ké', () => expect.unreachable(), 'key', /^The key is wrong: /],
] as const)('[T12] with the key %s, a refusal says what to do: %#', async (key, respond, needs, text) => {
  const { api } = newApi(respond)
  api.setKey(key)
  const answer = await api.explain('ann')
  if (!('refused' in answer)) return expect.unreachable()
  expect(answer.refused.needs).toBe(needs)
  expect(answer.refused.text).toMatch(text)
})
