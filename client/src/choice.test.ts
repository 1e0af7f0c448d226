import { describe, expect, test } from 'vitest'
import type { PresenceClient } from './api.ts'
import type { MyStatus } from './choice.ts'
import { clock, connection, makeClient, openClient, query, received, server, settle } from './harness.fake.ts'

// The choice of a user survives lost connections, outages and choices on other devices.

/** A time from now, by the server's clock. */
const at = (ms: number): string => new Date(clock.now() + ms).toISOString()
/** What the URL of an attempt says of the choice. */
const urlChoice = (index = -1) => {
  const { status, expiresAt, chosenAt, text } = query(index)
  return { status, expiresAt, chosenAt, text }
}
const plain = { status: 'online', text: undefined, expiresAt: undefined }
/** The choice that the server has. */
const serverChoice = (): MyStatus => {
  const { status, text, expiresAt } = server.choices.get('me') ?? plain
  return { status: status as MyStatus['status'], text, expiresAt }
}

/** The connection is lost, and the server cannot be reached for so many ms. */
async function loseConnection(ms: number): Promise<void> {
  server.conditions.refused = 1
  connection().cut()
  await clock.run(ms)
  server.conditions.refused = 0
  await clock.run(10_000)
}

describe('[J15] the URL of a connection', () => {
  test('has no status that the user did not choose', async () => {
    await openClient()
    await loseConnection(8_000)
    expect(server.urls.length).toBeGreaterThan(1)
    for (const index of server.urls.keys()) expect(urlChoice(index)).toEqual({})
  })

  test('has a choice with its end and its time, without its text', async () => {
    const client = await openClient()
    const expiresAt = at(600_000)
    await settle(client.setStatus('busy', { text: 'in a call', expiresAt }))
    const chosenAt = new Date(server.choices.get('me')?.at ?? 0).toISOString()
    await loseConnection(1)
    expect(urlChoice()).toEqual({ status: 'busy', expiresAt, chosenAt })
  })

  test('has a plain online that was chosen, so that an older choice of another device loses', async () => {
    const client = await openClient()
    const before = clock.now() - 1
    await settle(client.setStatus('busy'))
    await settle(client.setStatus('online'))
    server.conditions.refused = 1
    connection().cut()
    await clock.run(8_000)
    server.choices.forgetAll()
    server.conditions.refused = 0
    await clock.run(10_000)
    expect(urlChoice()).toMatchObject({ status: 'online', chosenAt: expect.any(String) })
    expect(server.choices.choose('me', { status: 'busy' }, before)).toBe(false)
  })

  test('has no choice that is over by the server’s clock', async () => {
    const hourAhead = { now: () => clock.now() + 3_600_000 }
    const client = await openClient({}, hourAhead)
    await settle(client.setStatus('busy', { expiresAt: at(60_000) }))
    await loseConnection(1)
    expect(urlChoice()).toMatchObject({ status: 'busy' })
    await loseConnection(60_000)
    expect(urlChoice()).toEqual({})
    expect(client.myStatus).toEqual(plain)
  })

  test('has what another device chose, with its time', async () => {
    const client = await openClient()
    server.choices.choose('me', { status: 'away', text: 'lunch' })
    await clock.run(10)
    expect(client.myStatus).toMatchObject({ status: 'away', text: 'lunch' })
    await loseConnection(8_000)
    expect(urlChoice()).toMatchObject({
      status: 'away',
      chosenAt: new Date(server.choices.get('me')?.at ?? 0).toISOString(),
    })
  })
})

describe('[J15] a user who hid is never shown', () => {
  test('after a reconnect to a server that has forgotten the choice', async () => {
    const client = await openClient()
    await settle(client.setStatus('offline'))
    server.conditions.refused = 1
    connection().cut()
    await clock.run(8_000)
    server.choices.forgetAll()
    server.choices.visible.set('me', [])
    server.conditions.refused = 0
    await clock.run(10_000)
    expect(client.connectionStatus).toBe('open')
    expect(server.choices.visible.get('me')).toEqual(['offline'])
  })

  test.each<[string, { autoConnect?: boolean }]>([
    ['right after the client is made', {}],
    ['before connect', { autoConnect: false }],
  ])('when offline was chosen %s', async (_, options) => {
    const client = makeClient(options)
    const reply = client.setStatus('offline')
    if (options.autoConnect === false) client.connect()
    await settle(reply)
    expect(urlChoice(0)).toEqual({ status: 'offline' })
    expect(server.urls).toHaveLength(1)
    expect(server.choices.visible.get('me')).toEqual(['offline'])
  })

  test('when the hiding ends soon and the clock of this device is an hour ahead', async () => {
    const client = makeClient({}, { now: () => clock.now() + 3_600_000 })
    await settle(client.setStatus('offline', { expiresAt: at(600_000) }))
    expect(urlChoice(0)).toMatchObject({ status: 'offline' })
    expect(server.choices.visible.get('me')).toEqual(['offline'])
  })

  test('when offline was chosen while getToken was running', async () => {
    const client = makeClient({
      getToken: () => new Promise(resolve => clock.setTimeout(() => resolve('good.token.x'), 500)),
    })
    await clock.run(100)
    await settle(client.setStatus('offline'), 600)
    expect(server.urls).toHaveLength(1)
    expect(server.choices.visible.get('token')).toEqual(['offline'])
  })

  test('when offline was chosen during the handshake: another attempt is made', async () => {
    server.conditions.unanswered = 1
    const client = makeClient()
    await clock.run(10)
    server.conditions.unanswered = 0
    await settle(client.setStatus('offline'), 1_000)
    expect([urlChoice(0), urlChoice(1)]).toEqual([{}, { status: 'offline' }])
    expect(server.choices.visible.get('me')).toEqual(['offline'])
    // The URL already has the choice: no other attempt is needed.
    server.conditions.unanswered = 1
    connection().cut()
    await clock.run(2_000)
    const attempts = server.urls.length
    client.setStatus('offline').catch(() => {})
    await clock.run(2_000)
    expect(server.urls).toHaveLength(attempts)
  })

  test('by a choice before the hiding, here or on another device', async () => {
    const client = await openClient()
    server.conditions.refused = 1
    connection().cut()
    await clock.run(8_000)
    server.choices.forgetAll()
    const reply = [client.setStatus('busy'), client.setStatus('offline')]
    server.choices.visible.set('me', [])
    server.conditions.refused = 0
    await settle(Promise.all(reply), 9_000)
    expect(received('set_status')).toMatchObject([{ status: 'offline' }])
    expect(server.choices.visible.get('me')).toEqual(['offline'])
    expect(server.choices.choose('me', { status: 'busy' }, clock.now() - 9_500)).toBe(false)
  })

  test('although the promise timed out long before the server was back', async () => {
    const client = await openClient()
    server.conditions.refused = 1
    connection().cut()
    await clock.run(10)
    await expect(settle(client.setStatus('offline', { text: 'ssh' }), 10_000)).rejects.toMatchObject({
      code: 'timeout',
    })
    await clock.run(60_000)
    server.choices.visible.set('me', [])
    server.conditions.refused = 0
    await clock.run(11_000)
    expect(server.choices.visible.get('me')).toEqual(['offline'])
    expect(serverChoice()).toMatchObject({ status: 'offline', text: 'ssh' })
    expect(client.myStatus).toEqual(serverChoice())
  })

  test('by an unsent choice of this device, when another device hid the user after it', async () => {
    const client = await openClient()
    server.conditions.refused = 1
    connection().cut()
    await clock.run(10)
    const reply = client.setStatus('busy')
    await clock.run(3_000)
    server.choices.choose('me', { status: 'offline' })
    server.choices.visible.set('me', [])
    server.conditions.refused = 0
    await expect(settle(reply, 6_000)).resolves.toMatchObject({ status: 'offline' })
    expect(received('set_status')).toEqual([])
    expect(serverChoice().status).toBe('offline')
  })

  test('by the URL of an abandoned attempt that the server reads late', async () => {
    const client = await openClient()
    connection().cut()
    await clock.run(1)
    client.setStatus('busy').catch(() => {})
    await clock.run(1_000)
    const late = urlChoice()
    expect(late).toMatchObject({ status: 'busy', chosenAt: expect.any(String) })
    await settle(client.setStatus('offline'), 2_000)
    expect(server.choices.choose('me', { status: 'busy' }, Date.parse(late.chosenAt ?? ''))).toBe(false)
  })
})

describe('[J15] the text', () => {
  /** A client with a choice that has a text. */
  async function withText(): Promise<PresenceClient> {
    const client = await openClient()
    await settle(client.setStatus('busy', { text: 'in a call', expiresAt: at(600_000) }))
    server.received.length = 0
    return client
  }

  test('is sent after the server took the choice from the URL, without a change of myStatus', async () => {
    const client = await withText()
    const emitted: MyStatus[] = []
    client.onMyStatus(status => emitted.push(status))
    const { myStatus } = client
    connection().cut()
    server.choices.forgetAll()
    await clock.run(2_000)
    expect(received('set_status')).toMatchObject([myStatus])
    expect(serverChoice()).toEqual(myStatus)
    expect(client.myStatus).toEqual(myStatus)
    expect(emitted).toEqual([])
  })

  test('is not sent if the server still has it', async () => {
    const client = await withText()
    await loseConnection(1)
    expect(received('set_status')).toEqual([])
    expect(serverChoice()).toMatchObject({ status: 'busy', text: 'in a call' })
    expect(client.myStatus.text).toBe('in a call')
  })

  test.each([
    ['something else', { status: 'away' }],
    ['the same without a text', { status: 'busy' }],
    ['a plain online', { status: 'online' }],
  ] as const)('is not sent if another device has chosen %s since', async (_, choice) => {
    const client = await withText()
    server.conditions.refused = 1
    connection().cut()
    await clock.run(2_000)
    server.choices.choose('me', choice)
    server.conditions.refused = 0
    await clock.run(6_000)
    expect(received('set_status')).toEqual([])
    expect(serverChoice()).toMatchObject(choice)
    expect(client.myStatus).toMatchObject({ ...choice, text: undefined })
  })

  test('is sent again after too_fast, but not after a newer choice', async () => {
    const client = await withText()
    server.conditions.tooFast = 1
    connection().cut()
    server.choices.forgetAll()
    await clock.run(2_000)
    expect(serverChoice()).toMatchObject({ status: 'busy', text: undefined })
    const newer = client.setStatus('away')
    newer.catch(() => {})
    await clock.run(10)
    server.received.length = 0
    server.conditions.tooFast = 0
    await clock.run(3_000)
    expect(serverChoice()).toMatchObject({ status: 'busy', text: 'in a call' })
    await settle(client.setStatus('offline'))
    server.received.length = 0
    client.setActivity('idle')
    await clock.run(1_000)
    expect(received('set_status')).toEqual([])
  })
})

describe('[J15] an invalid choice', () => {
  test.each([
    ['status', 'asleep', {}],
    ['text', 'busy', { text: 'x'.repeat(129) }],
    ['text', 'busy', { text: 'a\nb' }],
    ['expiresAt', 'busy', { expiresAt: 'tomorrow' }],
    ['expiresAt', 'busy', { expiresAt: new Date(8.64e15) }],
  ])('rejects with the name of the field: %s', async (field, status, more) => {
    const client = makeClient({ autoConnect: false })
    const reply = client.setStatus(status as 'busy', more)
    await expect(reply).rejects.toMatchObject({
      code: 'bad_message',
      message: expect.stringContaining(`"${field}"`),
    })
    client.connect()
    await clock.run(1)
    expect(urlChoice(0)).toEqual({})
    expect(client.connectionStatus).toBe('open')
  })

  test('is not sent any more after the server has refused it, or has refused the client', async () => {
    const client = await openClient()
    await expect(settle(client.setStatus('busy', { expiresAt: at(-1) }))).rejects.toMatchObject({
      code: 'bad_message',
    })
    await loseConnection(1)
    expect(urlChoice()).toEqual({})
    connection().stall()
    const reply = client.setStatus('busy')
    connection().close(4403)
    await expect(settle(reply, 25_000)).rejects.toBeDefined()
    client.close()
  })
})
