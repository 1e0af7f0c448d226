import { calls } from '@who-is-online/protocol/api'
import { openApi } from '@who-is-online/protocol/openapi'
import { TestClient } from '@who-is-online/testing/client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { contractSuite } from './contract.suite.ts'
import { startApi } from './testing/api-server.ts'

// The form of every call, on a real server.

let api: Awaited<ReturnType<typeof startApi>>
let ann: TestClient | undefined

beforeAll(async () => {
  api = await startApi({ API_REQUESTS_PER_SECOND: '100000' })
})
afterAll(() => api.stop())

contractSuite(async () => ({
  ask: (path, request) => api.ask(path, request),
  async connect() {
    if (ann?.socket.readyState !== WebSocket.OPEN) ann = await TestClient.v2(api, 'ann')
  },
  stop: async () => {},
}))

test('[E2] /openapi.json describes the calls, and needs no key', async () => {
  const { status, json, headers } = await api.ask('/openapi.json')
  expect([status, headers['content-type']]).toEqual([200, 'application/json; charset=utf-8'])
  expect(json).toEqual(JSON.parse(JSON.stringify(openApi('0'))))
  const described = Object.entries((json as { paths: Record<string, object> }).paths).flatMap(
    ([path, methods]) => Object.keys(methods).map(method => `${method.toUpperCase()} ${path}`),
  )
  const known = Object.values(calls).map(({ method, path }) => `${method} ${path}`)
  expect(described.toSorted()).toEqual(known.toSorted())
})

test('[E2] a path without a call is a problem', async () => {
  const { status, json } = await api.ask('/api/v1/nothing')
  expect([status, json]).toEqual([404, expect.objectContaining({ code: 'not_found' })])
})
