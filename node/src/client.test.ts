import { TestClient } from '@who-is-online/testing/client'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { KEYS, startApi } from '../../server/src/http/api/testing/api-server.ts'
import type { ApiErrorCode } from './api-error.ts'
import { type ApiClient, createApiClient } from './client.ts'

// Every call against a real server.

let server: Awaited<ReturnType<typeof startApi>>
let api: ApiClient

const clientWith = (key?: string) => createApiClient({ url: `http://127.0.0.1:${server.port}/`, key })

beforeAll(async () => {
  server = await startApi()
  api = clientWith(KEYS.write)
})

afterAll(() => server.stop())

/** The error of a call that must fail. */
async function failure(call: Promise<unknown>, code: ApiErrorCode) {
  const error = await call.then(
    () => 'no error',
    error => error,
  )
  expect(error).toMatchObject({ name: 'ApiError', code })
  return error
}

const ODD = 'a/b?c=d#%2e ä'

test('[E2] each call does what it says', async () => {
  const ann = await TestClient.as(server, 'ann')
  const odd = await TestClient.as(server, ODD)
  expect(await api.getUser('ann')).toMatchObject({ userId: 'ann', status: 'online' })
  expect(await api.getUser(ODD)).toMatchObject({ userId: ODD, status: 'online' })
  expect(await api.getUser(7)).toEqual({ userId: '7', status: 'offline', lastSeen: null })
  const { users } = await api.queryUsers({ userIds: ['nobody', ODD, 7] })
  expect(users.map(({ userId, status }) => [userId, status])).toEqual([
    ['nobody', 'offline'],
    [ODD, 'online'],
    ['7', 'offline'],
  ])
  expect((await api.listUsers()).users).toHaveLength(2)
  expect((await api.listUsers({ status: 'busy' })).users).toEqual([])
  expect(await api.getCount()).toMatchObject({ online: 2, known: 2 })
  expect(await api.getCountHistory()).toMatchObject({ stepMs: 60_000 })
  const expiresAt = '2100-01-01T00:00:00.000Z'
  expect(await api.setStatus('ann', { status: 'busy', text: 'in a call', expiresAt })).toMatchObject({
    userId: 'ann',
    status: 'busy',
    text: 'in a call',
    expiresAt,
    confirmed: true,
  })
  const listed: string[] = []
  for await (const user of api.iterateUsers({ limit: 1 })) listed.push(user.userId)
  expect(listed.toSorted()).toEqual(['ann', ODD].toSorted())
  expect(await api.endSessions('ann')).toEqual({ confirmed: true })
  expect((await ann.closed).code).toBe(4403)
  expect(await api.getUser('ann')).toMatchObject({ status: 'offline' })
  odd.socket.terminate()
})

describe('[E2] an error has its code, status, field and detail', () => {
  test('of the server', async () => {
    const wrong = await failure(api.queryUsers({ userIds: ['ann', ''] }), 'bad_request')
    expect(wrong).toMatchObject({ status: 400, field: 'userIds[1]' })
    expect(wrong.detail).toBe(wrong.message)
    expect(wrong.message).toContain('must be a string of 1 to 128')
    expect(await failure(api.listUsers({ cursor: 'x' }), 'bad_cursor')).toMatchObject({ status: 400 })
    expect(await failure(api.setStatus('nobody', { status: 'busy' }), 'no_session')).toMatchObject({
      status: 409,
    })
    const reader = clientWith(KEYS.read)
    expect(await failure(reader.endSessions('ann'), 'not_allowed')).toMatchObject({ status: 403 })
    expect(await failure(clientWith('x'.repeat(40)).getCount(), 'bad_key')).toMatchObject({ status: 401 })
    expect(await failure(clientWith().getCount(), 'bad_key')).toMatchObject({ status: 401 })
  })

  test.each(['.', '..', '', '\ud800', undefined, null, {}, Number.NaN])(
    'of the user id %j, which would be another call',
    async userId => {
      const wrong = userId as string
      for (const call of [api.getUser(wrong), api.endSessions(wrong)]) {
        expect(await failure(call, 'bad_options')).toMatchObject({ status: 0, field: 'userId' })
      }
    },
  )

  test.each([
    ['url', { url: 'ws://localhost:3050' }],
    ['url', { url: 'localhost:3050' }],
    ['url', { url: 'https://user:password@localhost' }],
    ['url', { url: 'https://localhost?x=1' }],
    ['url', { url: undefined as unknown as string }],
    ['key', { url: 'http://localhost', key: 'with a line break\n' }],
    ['key', { url: 'http://localhost', key: '' }],
    ['timeoutMs', { url: 'http://localhost', timeoutMs: 0 }],
    ['retries', { url: 'http://localhost', retries: -1 }],
  ])('of the option %s: %j', (field, options) => {
    expect(() => createApiClient(options)).toThrow(expect.objectContaining({ code: 'bad_options', field }))
  })
})
