import { expect, test } from 'vitest'
import { createApiClient } from './client.ts'
import { answers, breaks, hangs, refuses, type Step, scriptedServer } from './scripted-server.fake.ts'

// What the client does with a server, or a proxy, that fails.

const ANN = { userId: 'ann', status: 'online', lastSeen: null }
const again = { 'retry-after': '0' }

/** A client of a server with these steps, and the requests that the server has got. */
async function against(steps: Step[], options: { timeoutMs?: number; retries?: number } = {}) {
  const { url, seen } = await scriptedServer(...steps)
  return { api: createApiClient({ url: `${url}/base`, key: 'k'.repeat(32), ...options }), seen }
}

test('sends what the API expects, with the path of the URL before that of the call', async () => {
  const { api, seen } = await against([answers(ANN)])
  await api.setStatus('a/b', { status: 'busy' })
  await api.listUsers({ limit: 5, cursor: undefined })
  expect(seen).toMatchObject([
    {
      method: 'PUT',
      url: '/base/api/v1/users/a%2Fb/status',
      headers: {
        authorization: `Bearer ${'k'.repeat(32)}`,
        'content-type': 'application/json',
        'content-length': '17',
      },
    },
    { method: 'GET', url: '/base/api/v1/users?limit=5' },
  ])
})

test('a call that not all nodes have confirmed says so', async () => {
  const { api } = await against([answers('', 202), answers(ANN, 202), answers('', 204)])
  expect(await api.endSessions('ann')).toEqual({ confirmed: false })
  expect(await api.setStatus('ann', { status: 'busy' })).toEqual({ ...ANN, confirmed: false })
  expect(await api.endSessions('ann')).toEqual({ confirmed: true })
})

test('a read is tried again, twice at most', async () => {
  const steps = [breaks, refuses(503, 'unavailable', again), answers(ANN)]
  const { api, seen } = await against(steps)
  expect(await api.getUser('ann')).toEqual(ANN)
  expect(seen).toHaveLength(3)
  const other = await against([refuses(429, 'too_fast', again)])
  await expect(other.api.queryUsers({ userIds: [] })).rejects.toMatchObject({ code: 'too_fast', status: 429 })
  expect(other.seen).toHaveLength(3)
})

test.each([
  ['a write', 'endSessions', refuses(503, 'unavailable', again), 'unavailable'],
  ['a write whose connection breaks', 'endSessions', breaks, 'unreachable'],
  ['a wrong request', 'getUser', refuses(400, 'bad_request'), 'bad_request'],
  [
    'what the server refuses for an hour',
    'getUser',
    refuses(429, 'too_fast', { 'retry-after': '3600' }),
    'too_fast',
  ],
  ['a page', 'getUser', answers('<html>', 200), 'bad_answer'],
  ['an error of a proxy', 'getUser', answers('<html>', 413), 'http_error'],
  ['a redirect', 'getUser', answers('', 301, { location: 'https://other.example/' }), 'http_error'],
] as const)('%s is not tried again', async (_what, call, step, code) => {
  const { api, seen } = await against([step])
  const error = await api[call]('ann').catch(error => error)
  expect(error).toMatchObject({ name: 'ApiError', code })
  expect(seen).toHaveLength(1)
  if (step === breaks) expect(error.cause).toBeInstanceOf(Error)
})

test('Retry-After is told in ms, also if it is a date', async () => {
  const date = new Date(Date.now() + 100_000).toUTCString()
  const { api } = await against([refuses(503, 'unavailable', { 'retry-after': date })])
  const { retryAfterMs } = await api.getCount().catch(error => error)
  expect(retryAfterMs).toBeGreaterThan(90_000)
  expect(retryAfterMs).toBeLessThanOrEqual(100_000)
})

test('a redirect names the address, and the key is not sent there', async () => {
  const target = await scriptedServer(answers(ANN))
  const { api } = await against([answers('', 307, { location: target.url })])
  await expect(api.getUser('ann')).rejects.toThrow(`redirects to ${target.url}`)
  expect(target.seen).toEqual([])
})

test('a call ends after its time-out, and when its signal is aborted', async () => {
  const { api, seen } = await against([hangs], { timeoutMs: 60_000 })
  await expect(api.getUser('ann', { timeoutMs: 20 })).rejects.toMatchObject({ code: 'timeout', status: 0 })
  const abort = new AbortController()
  const call = api.getUser('ann', { signal: abort.signal })
  abort.abort(new Error('the user went away'))
  await expect(call).rejects.toThrow('the user went away')
  await expect(api.getUser('ann', { signal: abort.signal })).rejects.toThrow('the user went away')
  expect(seen.length).toBeLessThanOrEqual(2)
})

test('a call whose signal is aborted between two tries ends at once', async () => {
  const { api, seen } = await against([refuses(503, 'unavailable', { 'retry-after': '9' })])
  const abort = new AbortController()
  const call = api.getUser('ann', { signal: abort.signal })
  await expect.poll(() => seen.length).toBe(1)
  abort.abort()
  await expect(call).rejects.toThrow('aborted')
  expect(seen).toHaveLength(1)
})

test('a server that is away is named, with the reason', async () => {
  const api = createApiClient({ url: 'http://127.0.0.1:1', retries: 0 })
  await expect(api.getCount()).rejects.toMatchObject({
    code: 'unreachable',
    message: expect.stringMatching(/can't reach http:\/\/127\.0\.0\.1:1: .+/),
  })
})
