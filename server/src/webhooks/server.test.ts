import { readdirSync } from 'node:fs'
import { TestClient } from '@who-is-online/testing/client'
import { temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, expect, test, vi } from 'vitest'
import { startApi } from '../http/api/testing/api-server.ts'
import { Receiver, SECRET } from './testing/receiver.ts'

// Webhooks of a real server in this process.

const dir = temporaryDir()
afterAll(() => dir.remove())

test('[M5 M6] a server sends webhooks and tests them; a stop does not wait for an endpoint', async () => {
  const receiver = new Receiver()
  await receiver.start()
  const settings = { DATA_DIR: dir.path, WEBHOOK_URLS: receiver.url, WEBHOOK_SECRET: SECRET }
  const api = await startApi(settings)
  try {
    await vi.waitUntil(() => receiver.copy.states === 1)
    const ann = await TestClient.v2(api, 'ann')
    await vi.waitUntil(() => receiver.copy.users.length === 1, 5_000)
    expect(receiver.copy.users).toEqual(['ann online  '])

    receiver.behaviours.push('fail')
    const target = '/api/v1/webhooks/test'
    const { status, json } = await api.ask(target, { method: 'POST', key: 'write' })
    const endpoint = { url: new URL(receiver.url).origin, delivered: false, status: 500 }
    expect([status, json]).toEqual([200, { endpoints: [{ ...endpoint, error: 'the status is 500' }] }])
    expect(api.lines.at(-1)).toMatchObject({ fields: { key: 'writer' } })

    const { text } = await api.ask('/metrics')
    const label = `endpoint="${endpoint.url}"`
    expect(text).toContain(`\nwio_webhook_oldest_unsent_seconds{${label}} 0\n`)
    expect(text).toContain(`\nwio_webhook_requests_total{${label},result="ok"} 2\n`)
    expect(text).toContain(`\nwio_webhook_requests_total{${label},result="status"} 1\n`)

    const { requests } = receiver
    receiver.behaviours.push('hang')
    await ann.leave()
    await vi.waitUntil(() => receiver.requests > requests, 5_000)
    const began = performance.now()
    await api.stop()
    expect(performance.now() - began).toBeLessThan(2_000)
    expect(readdirSync(dir.path)).toEqual([expect.stringMatching(/^webhook-\w+\.json$/)])
    expect(JSON.stringify(api.lines)).not.toContain('token=')
  } finally {
    await api.stop().catch(() => {})
    await receiver.stop()
  }
  expect(receiver.wrong).toEqual([])
})
