import { describe, expect, test } from 'vitest'
import { PresenceError } from './errors.ts'
import { connection, makeClient, openClient, received, server, settle } from './harness.fake.ts'

// Requests and their replies.

describe('[J7] requests', () => {
  test('resolve with their own replies', async () => {
    const client = await openClient()
    server.users.change('ann', 'busy')
    const [users, status] = await settle(
      Promise.all([client.getUsers(['ann', 'bob']), client.setStatus('away', { text: 'lunch' })]),
    )
    expect(users.map(user => user.status)).toEqual(['busy', 'offline'])
    expect(status).toEqual({ status: 'away', text: 'lunch', expiresAt: undefined })
    expect(client.myStatus).toEqual(status)
    expect(client.users()).toEqual([])
  })

  test('send an expiry as ISO 8601', async () => {
    const client = await openClient()
    const expiresAt = new Date('2035-01-01T00:00:00Z')
    await settle(client.setStatus('busy', { expiresAt }))
    expect(received('set_status')).toMatchObject([{ status: 'busy', expiresAt: '2035-01-01T00:00:00.000Z' }])
    expect(received('set_status')[0]).not.toHaveProperty('text')
  })

  test('reject with the code of the server', async () => {
    const client = await openClient()
    const reply = client.identify('Ann')
    await Promise.resolve()
    // The third request: the activity and the visibility of the device come first.
    connection().send({ type: 'error', code: 'too_fast', message: 'too fast', retryAfterMs: 50, id: 3 })
    await expect(settle(reply)).rejects.toMatchObject({ code: 'too_fast', retryAfterMs: 50 })
  })

  test('reject when no reply comes in time, and when the client is closed', async () => {
    server.conditions.unanswered = 1
    const client = makeClient()
    await expect(settle(client.getUsers(['ann']), 10_000)).rejects.toMatchObject({ code: 'timeout' })
    const reply = client.getUsers(['ann'])
    await Promise.resolve()
    client.close()
    await expect(reply).rejects.toMatchObject({ code: 'closed' })
    await expect(client.getUsers(['ann'])).rejects.toMatchObject({ code: 'closed' })
    expect(() => client.connect()).toThrow(PresenceError)
  })

  test('are sent again when the connection is lost before the reply', async () => {
    const client = await openClient()
    connection().stall()
    const reply = client.setStatus('busy')
    await Promise.resolve()
    connection().cut()
    await expect(settle(reply, 3_000)).resolves.toMatchObject({ status: 'busy' })
  })
})
