import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { expect, test } from 'vitest'
import type { LogFields } from '../../log.ts'
import { UNPACED } from '../../presence/pace.ts'
import { failure } from '../operations.ts'
import { createApi } from './api.ts'

// Calls that fail in the server: a bug, and a server that stops.

const logged: unknown[] = []

async function ask(stopping: boolean) {
  const api = createApi({
    keys: [],
    isDevelopment: true,
    node: 'node-1',
    pace: UNPACED,
    health: { stopping },
    countHistory() {
      throw new Error('planted')
    },
    log: { info() {}, limited() {} },
    addressOf: () => '',
    testWebhooks: () => expect.unreachable(),
    refusals: { count() {} },
    clock: { now: () => 0, steady: () => 0 },
    presence: {} as never,
    tracker: {} as never,
    feed: {} as never,
    changes: {} as never,
    connectionsElsewhere: () => 0,
    ask: () => undefined,
  })
  const log = { error: (text: string, fields?: LogFields) => void logged.push([text, fields?.['path']]) }
  const server = createServer(express().use(api.handler, failure(log)))
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const response = await fetch(`http://127.0.0.1:${port}/api/v1/count/history`, {
    headers: { connection: 'close' },
  })
  const { code } = (await response.json()) as { code: string }
  server.close()
  return [response.status, code, response.headers.get('retry-after')]
}

test('[E2] a bug is a problem without details, and a line in the log; a server that stops says so', async () => {
  expect(await ask(false)).toEqual([500, 'internal', null])
  expect(logged).toEqual([['an HTTP request failed', '/api/v1/count/history']])
  expect(await ask(true)).toEqual([503, 'unavailable', '1'])
  expect(logged).toHaveLength(1)
})
