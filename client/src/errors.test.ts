import { expect, test } from 'vitest'
import { createClient } from './client.ts'
import type { PresenceError } from './errors.ts'
import { clock, connection, makeClient, openClient, server, settle } from './harness.fake.ts'

// The messages of the client's own errors: what was wrong, what is expected, and what to do.

function errorOf(work: () => unknown): PresenceError {
  try {
    work()
  } catch (error) {
    return error as PresenceError
  }
  throw new Error('nothing was thrown')
}

test('[J7] a request without a reply says how long it waited', async () => {
  server.conditions.unanswered = 1
  const reply = makeClient({ timeoutMs: 2_000 }).identify('Ann')
  await expect(settle(reply, 2_000)).rejects.toMatchObject({
    code: 'timeout',
    message: 'no reply in 2000 ms',
  })
})

test('[J7] a status that has no reply without a connection says that it is sent later, and it is', async () => {
  server.conditions.refused = 1
  const client = makeClient()
  const asked = client.getUsers(['ann'])
  const replaced = client.setStatus('away')
  const reply = client.setStatus('busy')
  const noReply = { code: 'timeout', message: 'no reply in 10000 ms' }
  await expect(settle(reply, 10_000)).rejects.toMatchObject({
    code: 'timeout',
    message: 'not connected: the status is sent with the next connection',
  })
  await expect(asked).rejects.toMatchObject(noReply)
  await expect(replaced).rejects.toMatchObject(noReply)
  server.conditions.refused = 0
  await clock.run(20_000)
  expect([client.connectionStatus, client.myStatus.status]).toEqual(['open', 'busy'])
  client.close()
})

test('[J7] a closed client says that a new one is needed', async () => {
  const client = await openClient()
  client.close()
  const closed = { code: 'closed', message: 'closed: create a new client' }
  await expect(client.identify('Ann')).rejects.toMatchObject(closed)
  expect(errorOf(client.connect)).toMatchObject(closed)
})

test('[J5] an invalid user id is named, with the rule', () => {
  expect(errorOf(() => makeClient().subscribe(['ann', 'a\nb']))).toMatchObject({
    code: 'bad_user_id',
    message: '"a\nb" must be a user id: 1 to 128 bytes without control characters',
  })
})

test('[J5] too many subscriptions are refused with the limit', async () => {
  const client = await openClient()
  const ids = Array.from({ length: 10_001 }, (_, n) => `user-${n}`)
  expect(errorOf(() => client.subscribe(ids))).toMatchObject({
    code: 'too_many',
    message: 'more than 10000 subscriptions',
  })
})

test('[J10] missing options are named', () => {
  expect(errorOf(() => createClient({ userId: 'ann' } as never))).toMatchObject({
    code: 'bad_options',
    message: 'set "url"',
  })
})

test('[J10] a platform without a WebSocket is told which option to set', async () => {
  const client = makeClient({ WebSocket: undefined as never }, { WebSocket: undefined })
  expect(errorOf(client.connect)).toMatchObject({
    code: 'no_websocket',
    message: 'no WebSocket: set the option "WebSocket"',
  })
})

test('[J8] a token that cannot be one is reported as a failure of getToken', async () => {
  const client = makeClient({ getToken: () => '<html>' })
  const errors: PresenceError[] = []
  client.onError(error => errors.push(error))
  await clock.run(1)
  expect(errors).toMatchObject([{ code: 'bad_token', message: 'getToken failed: not a token' }])
})

test('[J3] a refusal has the server’s reason, or the close code', async () => {
  const client = await openClient()
  connection().close(4403)
  await clock.run(1)
  expect(client.refusal).toMatchObject({ code: 'refused', closeCode: 4403, message: 'because' })
  const other = await openClient()
  for (const each of server.connections) each.closeSilently(4403)
  await clock.run(1)
  expect(other.refusal).toMatchObject({ code: 'refused', closeCode: 4403, message: 'close code 4403' })
})
