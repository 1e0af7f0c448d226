import { request } from 'node:http'
import { TestClient } from '@who-is-online/testing/client'
import { freePort } from '@who-is-online/testing/free-port'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { startApi } from './api/testing/api-server.ts'

// Who may see the figures: they tell how many hidden users there are.

let api: Awaited<ReturnType<typeof startApi>>
beforeAll(async () => {
  api = await startApi()
})
afterAll(() => api.stop())

test.each([
  ['a program on this machine', {}, 200],
  ['the same with a wrong key', { headers: { authorization: `Bearer ${'x'.repeat(40)}` } }, 200],
  ['a write key', { key: 'write' }, 200],
  ['a write key through a proxy', { key: 'write', headers: { 'x-forwarded-for': '203.0.113.7' } }, 200],
  ['a read key', { key: 'read' }, 403],
  ['a program through a proxy', { headers: { 'x-forwarded-for': '203.0.113.7' } }, 401],
  ['a name that points to this machine', { headers: { host: 'rebound.example.com' } }, 401],
  ['a page of another host', { headers: { origin: 'https://evil.example.com' } }, 401],
] as const)('[T11] /metrics of the port of the clients, asked by %s', async (_who, asked, status) => {
  for (const path of ['/metrics', '/METRICS/', '/metrics?x']) {
    for (const method of ['GET', 'HEAD']) {
      const reply = await api.ask(path, { method, ...asked })
      expect([path, method, reply.status]).toEqual([path, method, status])
      expect(reply.text.includes('wio_connections')).toBe(status === 200 && method === 'GET')
    }
  }
  const { text, headers } = await api.ask('/metrics', asked)
  if (status !== 200) expect(JSON.parse(text).detail).toContain('set METRICS_PORT on the server')
  if (status === 401) expect(headers['www-authenticate']).toBe('Bearer realm="who-is-online"')
})

test('[E3 T11] what a read key can ask for has the same numbers with and without a hidden user', async () => {
  const numbers = async () => {
    const asked = ['/api/v1/count', '/metrics', '/readyz', '/healthz', '/api/v1/users']
    const replies = await Promise.all(asked.map(path => api.ask(path, { key: 'read' })))
    return replies.map(({ text }) => text)
  }
  const before = await numbers()
  const hidden = await TestClient.v2(api, 'hidden', { status: 'offline' })
  // The number of connections is counted once a second.
  await new Promise(resolve => setTimeout(resolve, 1_100))
  expect(await numbers()).toEqual(before)
  // The figures do tell it, so the comparison is not of constants.
  expect((await api.ask('/metrics', { key: 'write' })).text).toMatch(/^wio_connections 1$/m)
  await hidden.leave()
})

describe('with METRICS_PORT', () => {
  let other: Awaited<ReturnType<typeof startApi>>
  let port: number
  beforeAll(async () => {
    port = await freePort()
    other = await startApi({ METRICS_PORT: String(port) })
  })
  afterAll(() => other.stop())

  const ask = (path: string, method = 'GET'): Promise<[status: number, text: string]> =>
    new Promise((resolve, reject) => {
      const headers = { host: 'prometheus.example.com', 'x-forwarded-for': '203.0.113.7' }
      const asking = request({ port, host: '127.0.0.1', path, method, headers, agent: false }, response => {
        let text = ''
        response.on('data', chunk => (text += chunk))
        response.on('end', () => resolve([response.statusCode ?? 0, text]))
      })
      asking.on('error', reject).end()
    })

  test('[T11] everybody who can reach that port sees the figures, and nothing else is there', async () => {
    expect(await ask('/metrics')).toEqual([200, expect.stringMatching(/^wio_connections 0$/m)])
    expect((await ask('/metrics', 'POST'))[0]).toBe(405)
    for (const path of ['/', '/readyz', '/ws', '/api/v1/count', '/openapi.json']) {
      expect([path, (await ask(path))[0]]).toEqual([path, 404])
    }
  })

  test('[T11] then /metrics is not at the port of the clients, for nobody', async () => {
    for (const key of [undefined, 'read', 'write'] as const) {
      expect((await other.ask('/metrics', { key })).status).toBe(404)
    }
    expect((await other.ask('/readyz')).status).toBe(200)
  })

  test('[T11] a stop frees the port, and a start fails if it is in use', async () => {
    const own = await freePort()
    const first = await startApi({ METRICS_PORT: String(own) })
    await expect(startApi({ METRICS_PORT: String(own) })).rejects.toMatchObject({
      code: 'EADDRINUSE',
      port: own,
    })
    await first.stop()
    await (await startApi({ METRICS_PORT: String(own) })).stop()
  })
})
