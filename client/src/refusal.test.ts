import { expect, test } from 'vitest'
import type { PresenceError } from './errors.ts'
import { clock, connection, makeClient, openClient, server } from './harness.fake.ts'

// What the application is told when no connection comes about.

function errorsOf(options: Parameters<typeof makeClient>[0] = {}) {
  const errors: PresenceError[] = []
  const client = makeClient(options)
  client.onError(error => errors.push(error))
  return { client, errors }
}

test('[J19] after three failed first attempts onError is told once, with the URL and what to check', async () => {
  server.conditions.refused = 1
  const { client, errors } = errorsOf({ url: 'ws://fake/?key=secret' })
  await clock.run(1)
  expect([server.attempts, errors]).toEqual([1, []])
  await clock.run(600_000)
  expect(server.attempts).toBeGreaterThan(10)
  expect(errors).toMatchObject([
    {
      code: 'unreachable',
      message:
        'cannot connect to ws://fake/: check the server, its certificate, the path "/ws" and ALLOWED_ORIGINS',
    },
  ])
  server.conditions.refused = 0
  await clock.run(20_000)
  expect(client.connectionStatus).toBe('open')
  client.close()
})

test('[J19] two failed attempts, and any number after the first connection, are not reported', async () => {
  server.conditions.refused = 1
  const { client, errors } = errorsOf()
  while (server.attempts < 3) {
    await clock.run(1)
    if (server.attempts === 2) server.conditions.refused = 0
  }
  await clock.run(1_000)
  expect(client.connectionStatus).toBe('open')
  server.conditions.refused = 1
  connection().cut()
  await clock.run(600_000)
  expect([client.connectionStatus, errors]).toEqual(['waiting', []])
  client.close()
})

test('[J19] a token that cannot be fetched is no failed attempt', async () => {
  const { client, errors } = errorsOf({ getToken: () => Promise.reject(new Error('502')) })
  await clock.run(600_000)
  expect(new Set(errors.map(({ code }) => code))).toEqual(new Set(['bad_token']))
  client.close()
})

test.each([
  { code: 4400, hint: '' },
  { code: 4401, hint: ': pass getToken' },
  { code: 4401, token: 'old', hint: '' },
  { code: 4401, getToken: () => 'old', hint: '' },
  { code: 4401, userId: undefined, hint: '' },
])(
  '[J19] a refusal has the sentence of the error before it, and what is missing %#',
  async ({ code, hint, ...options }) => {
    const { client, errors } = errorsOf(options as Parameters<typeof makeClient>[0])
    const message = 'bad_message: "username" must be a string of 1 to 128 UTF-8 bytes'
    server.refusedCode = code
    server.refusedMessage = message
    await clock.run(1_000)
    expect(client.connectionStatus).toBe('refused')
    expect(client.refusal).toMatchObject({ code: 'refused', closeCode: code, message: `${message}${hint}` })
    expect(errors).toEqual([client.refusal])
    client.connect()
    server.refusedCode = undefined
    await clock.run(1_000)
    expect([client.connectionStatus, client.refusal]).toEqual(['open', undefined])
  },
)

test('[J19] an error on an open connection is not the reason of a later close', async () => {
  const client = await openClient()
  connection().send({ type: 'error', code: 'not_allowed', message: 'something else' } as never)
  await clock.run(1)
  connection().close(4403)
  await clock.run(1)
  expect(client.refusal).toMatchObject({ message: 'because' })
})
