import { TestClient } from '@who-is-online/testing/client'
import { handshake, RawClient } from '@who-is-online/testing/raw-client'
import { useServer } from '@who-is-online/testing/use-server'
import { expect, test } from 'vitest'

const server = useServer()
const plain = useServer({ DASHBOARD: 'off' })

const get = (path: string) => fetch(server.origin + path)

test('[T1] /healthz and /readyz report that the server is healthy', async () => {
  expect(await (await get('/healthz')).json()).toEqual({ status: 'alive' })
  expect(await (await get('/readyz')).json()).toEqual({ status: 'ready', storage: 'ok' })
})

test('[T2] without a live page, / is an unknown path', async () => {
  expect((await fetch(plain.origin)).status).toBe(404)
  expect((await get('/')).status).toBe(200)
})

test('[T3] /metrics has the current values', async () => {
  const client = await TestClient.as(server, 'metric')
  const text = await (await get('/metrics')).text()
  expect(text).toMatch(/^wio_connections 1$/m)
  expect(text).toMatch(/^wio_users_online 1$/m)
  expect(text).toMatch(/^wio_storage_failing 0$/m)
  expect(text).toMatch(/^wio_storage_late 0$/m)
  await client.leave()
})

test('[T4] /asyncapi.json exists; an unknown path is a JSON problem', async () => {
  expect(await (await get('/asyncapi.json')).json()).toMatchObject({ asyncapi: '3.0.0' })
  const missing = await get('/nothing')
  expect(missing.status).toBe(404)
  expect(missing.headers.get('content-type')).toMatch(/^application\/problem\+json/)
  expect(await missing.json()).toMatchObject({ status: 404, title: 'Not Found' })
  expect((await get('/ws')).status).toBe(426)
})

test.each(['h2c', 'TLS/1.0', 'h2c, HTTP/2.0'])('[T6] /healthz is 200 with Upgrade: %s', async upgrade => {
  const client = await RawClient.connect(server.port)
  // First as curl --http2 sends it, then with each further request of the connection.
  for (let request = 0; request < 3; request++) {
    const headers = {
      Connection: 'Upgrade, HTTP2-Settings',
      Upgrade: upgrade,
      'HTTP2-Settings': 'AAMAAABkAAQAAP__',
      'Sec-WebSocket-Key': undefined,
      'Sec-WebSocket-Version': undefined,
    }
    client.write(handshake({ target: '/healthz', headers }))
    expect(await client.response()).toMatchObject({ status: 200, body: '{"status":"alive"}' })
  }
  client.write(handshake())
  expect(await client.response()).toMatchObject({ status: 101 })
  client.destroy()
})

test('[T7] OPTIONS is 204 and POST is 405, both with Allow', async () => {
  for (const [method, status] of [
    ['OPTIONS', 204],
    ['POST', 405],
  ] as const) {
    const response = await fetch(`${server.origin}/healthz`, { method })
    expect([response.status, response.headers.get('allow')]).toEqual([status, 'GET, HEAD, OPTIONS'])
  }
})
