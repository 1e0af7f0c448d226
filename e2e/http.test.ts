import { TestClient } from '@who-is-online/testing/client'
import { type RunningServer, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'

const dir = temporaryDir()
let server: RunningServer
beforeAll(async () => {
  server = await startServer(dir.path)
})
afterAll(async () => {
  await server.end('SIGTERM')
  dir.remove()
})

const get = (path: string) => fetch(server.origin + path)

test('[T1] /healthz and /readyz say that all is well', async () => {
  expect(await (await get('/healthz')).json()).toEqual({ status: 'alive' })
  expect(await (await get('/readyz')).json()).toEqual({ status: 'ready', storage: 'ok' })
})

test('[T2] / has a console line that works as it stands', async () => {
  const html = await (await get('/')).text()
  const line = /<code>(ws = new WebSocket.*?)<\/code>/.exec(html)?.[1] ?? ''
  const heard: string[] = []
  const socket = new Function('WebSocket', 'location', 'console', `let ws; ${line}; return ws`)(
    WebSocket,
    { origin: server.origin },
    { log: (text: string) => heard.push(text) },
  ) as WebSocket
  await new Promise(resolve => socket.once('message', resolve))
  expect(heard).toEqual(['{"type":"welcome","userId":"ann","message":"Connected to server"}'])
  socket.close()
})

test('[T3] /metrics has the figures of the moment', async () => {
  const client = await TestClient.as(server, 'metric')
  const text = await (await get('/metrics')).text()
  expect(text).toMatch(/^wio_connections 1$/m)
  expect(text).toMatch(/^wio_users_online 1$/m)
  expect(text).toMatch(/^wio_storage_failing 0$/m)
  await client.leave()
})

test('[T4] /asyncapi.json is there; what is not is a problem in JSON', async () => {
  expect(await (await get('/asyncapi.json')).json()).toMatchObject({ asyncapi: '3.0.0' })
  const missing = await get('/nothing')
  expect(missing.status).toBe(404)
  expect(missing.headers.get('content-type')).toMatch(/^application\/problem\+json/)
  expect(await missing.json()).toMatchObject({ status: 404, title: 'Not Found' })
  expect((await get('/ws')).status).toBe(426)
})
