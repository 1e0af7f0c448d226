import { describe, expect, test } from 'vitest'
import type { PresenceClient } from './api.ts'
import type { MyStatus } from './choice.ts'
import { clock, connection, makeClient, openClient, query, received, server, settle } from './harness.fake.ts'

// What a user chose goes with the user over lost lines, outages and other devices.

/** A time of the server's clock. */
const at = (ms: number): string => new Date(clock.now() + ms).toISOString()
const said = (index = -1) => {
  const { status, expiresAt, chosenAt, text } = query(index)
  return { status, expiresAt, chosenAt, text }
}
const plain = { status: 'online', text: undefined, expiresAt: undefined }
const chosen = (): MyStatus => {
  const { status, text, expiresAt } = server.choices.get('me') ?? plain
  return { status: status as MyStatus['status'], text, expiresAt }
}

/** The line breaks, and is back after so many ms. */
async function loseLine(ms: number): Promise<void> {
  server.conditions.refused = 1
  connection().cut()
  await clock.run(ms)
  server.conditions.refused = 0
  await clock.run(10_000)
}

describe('[J15] the URL of a connection', () => {
  test('says nothing that the user did not choose', async () => {
    await openClient()
    await loseLine(8_000)
    expect(server.urls.length).toBeGreaterThan(1)
    for (const index of server.urls.keys()) expect(said(index)).toEqual({})
  })

  test('says a choice with its end and its time, and no text', async () => {
    const client = await openClient()
    const expiresAt = at(600_000)
    await settle(client.setStatus('busy', { text: 'in a talk', expiresAt }))
    const chosenAt = new Date(server.choices.get('me')?.at ?? 0).toISOString()
    await loseLine(1)
    expect(said()).toEqual({ status: 'busy', expiresAt, chosenAt })
  })

  test('says a plain online that was chosen: an older choice of another device is not the last one then', async () => {
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
    expect(said()).toMatchObject({ status: 'online', chosenAt: expect.any(String) })
    expect(server.choices.choose('me', { status: 'busy' }, before)).toBe(false)
  })

  test('does not say a choice that is over, by the server’s clock', async () => {
    const hourAhead = { now: () => clock.now() + 3_600_000 }
    const client = await openClient({}, hourAhead)
    await settle(client.setStatus('busy', { expiresAt: at(60_000) }))
    await loseLine(1)
    expect(said()).toMatchObject({ status: 'busy' })
    await loseLine(60_000)
    expect(said()).toEqual({})
    expect(client.myStatus).toEqual(plain)
  })

  test('says what another device chose, at its time', async () => {
    const client = await openClient()
    server.choices.choose('me', { status: 'away', text: 'lunch' })
    await clock.run(10)
    expect(client.myStatus).toMatchObject({ status: 'away', text: 'lunch' })
    await loseLine(8_000)
    expect(said()).toMatchObject({
      status: 'away',
      chosenAt: new Date(server.choices.get('me')?.at ?? 0).toISOString(),
    })
  })
})

describe('[J15] a user who hid is never shown', () => {
  test('after a lost line that the server has forgotten', async () => {
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
  ])('when that was chosen %s', async (_, options) => {
    const client = makeClient(options)
    const asked = client.setStatus('offline')
    if (options.autoConnect === false) client.connect()
    await settle(asked)
    expect(said(0)).toEqual({ status: 'offline' })
    expect(server.urls).toHaveLength(1)
    expect(server.choices.visible.get('me')).toEqual(['offline'])
  })

  test('when it ends soon and the clock of this device is an hour ahead', async () => {
    const client = makeClient({}, { now: () => clock.now() + 3_600_000 })
    await settle(client.setStatus('offline', { expiresAt: at(600_000) }))
    expect(said(0)).toMatchObject({ status: 'offline' })
    expect(server.choices.visible.get('me')).toEqual(['offline'])
  })

  test('when that was chosen while the token was on its way', async () => {
    const client = makeClient({
      getToken: () => new Promise(resolve => clock.setTimeout(() => resolve('good.token.x'), 500)),
    })
    await clock.run(100)
    await settle(client.setStatus('offline'), 600)
    expect(server.urls).toHaveLength(1)
    expect(server.choices.visible.get('token')).toEqual(['offline'])
  })

  test('when that was chosen while the socket was connecting: the attempt is made again', async () => {
    server.conditions.unanswered = 1
    const client = makeClient()
    await clock.run(10)
    server.conditions.unanswered = 0
    await settle(client.setStatus('offline'), 1_000)
    expect([said(0), said(1)]).toEqual([{}, { status: 'offline' }])
    expect(server.choices.visible.get('me')).toEqual(['offline'])
    // Once is enough.
    server.conditions.unanswered = 1
    connection().cut()
    await clock.run(2_000)
    const attempts = server.urls.length
    client.setStatus('offline').catch(() => {})
    await clock.run(2_000)
    expect(server.urls).toHaveLength(attempts)
  })

  test('by a choice that came before the hiding, or by one that another device made before', async () => {
    const client = await openClient()
    server.conditions.refused = 1
    connection().cut()
    await clock.run(8_000)
    server.choices.forgetAll()
    const asked = [client.setStatus('busy'), client.setStatus('offline')]
    server.choices.visible.set('me', [])
    server.conditions.refused = 0
    await settle(Promise.all(asked), 9_000)
    expect(received('set_status')).toMatchObject([{ status: 'offline' }])
    expect(server.choices.visible.get('me')).toEqual(['offline'])
    expect(server.choices.choose('me', { status: 'busy' }, clock.now() - 9_500)).toBe(false)
  })

  test('though the promise timed out long before the server was back', async () => {
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
    expect(chosen()).toMatchObject({ status: 'offline', text: 'ssh' })
    expect(client.myStatus).toEqual(chosen())
  })

  test('by a choice of this device that the server never had, when another device hid the user after it', async () => {
    const client = await openClient()
    server.conditions.refused = 1
    connection().cut()
    await clock.run(10)
    const asked = client.setStatus('busy')
    await clock.run(3_000)
    server.choices.choose('me', { status: 'offline' })
    server.choices.visible.set('me', [])
    server.conditions.refused = 0
    await expect(settle(asked, 6_000)).resolves.toMatchObject({ status: 'offline' })
    expect(received('set_status')).toEqual([])
    expect(chosen().status).toBe('offline')
  })

  test('by the URL of an abandoned attempt that the server reads late', async () => {
    const client = await openClient()
    connection().cut()
    await clock.run(1)
    client.setStatus('busy').catch(() => {})
    await clock.run(1_000)
    const late = said()
    expect(late).toMatchObject({ status: 'busy', chosenAt: expect.any(String) })
    await settle(client.setStatus('offline'), 2_000)
    expect(server.choices.choose('me', { status: 'busy' }, Date.parse(late.chosenAt ?? ''))).toBe(false)
  })
})

describe('[J15] the text', () => {
  async function talk(): Promise<PresenceClient> {
    const client = await openClient()
    await settle(client.setStatus('busy', { text: 'in a talk', expiresAt: at(600_000) }))
    server.received.length = 0
    return client
  }

  test('follows when the server took the choice from the URL, and the user sees no change', async () => {
    const client = await talk()
    const told: MyStatus[] = []
    client.onMyStatus(status => told.push(status))
    const { myStatus } = client
    connection().cut()
    server.choices.forgetAll()
    await clock.run(2_000)
    expect(received('set_status')).toMatchObject([myStatus])
    expect(chosen()).toEqual(myStatus)
    expect(client.myStatus).toEqual(myStatus)
    expect(told).toEqual([])
  })

  test('is not said where the server still has it', async () => {
    const client = await talk()
    await loseLine(1)
    expect(received('set_status')).toEqual([])
    expect(chosen()).toMatchObject({ status: 'busy', text: 'in a talk' })
    expect(client.myStatus.text).toBe('in a talk')
  })

  test.each([
    ['something else', { status: 'away' }],
    ['the same without a text', { status: 'busy' }],
    ['a plain online', { status: 'online' }],
  ] as const)('is not said when another device has chosen %s since', async (_, choice) => {
    const client = await talk()
    server.conditions.refused = 1
    connection().cut()
    await clock.run(2_000)
    server.choices.choose('me', choice)
    server.conditions.refused = 0
    await clock.run(6_000)
    expect(received('set_status')).toEqual([])
    expect(chosen()).toMatchObject(choice)
    expect(client.myStatus).toMatchObject({ ...choice, text: undefined })
  })

  test('is said again when the server had no time for it, and not after a newer choice', async () => {
    const client = await talk()
    server.conditions.tooFast = 1
    connection().cut()
    server.choices.forgetAll()
    await clock.run(2_000)
    expect(chosen()).toMatchObject({ status: 'busy', text: undefined })
    const newer = client.setStatus('away')
    newer.catch(() => {})
    await clock.run(10)
    server.received.length = 0
    server.conditions.tooFast = 0
    await clock.run(3_000)
    expect(chosen()).toMatchObject({ status: 'busy', text: 'in a talk' })
    await settle(client.setStatus('offline'))
    server.received.length = 0
    client.setActivity('idle')
    await clock.run(1_000)
    expect(received('set_status')).toEqual([])
  })
})

describe('[J15] a choice that can’t be', () => {
  test.each([
    ['status', 'asleep', {}],
    ['text', 'busy', { text: 'x'.repeat(129) }],
    ['text', 'busy', { text: 'a\nb' }],
    ['expiresAt', 'busy', { expiresAt: 'tomorrow' }],
    ['expiresAt', 'busy', { expiresAt: new Date(8.64e15) }],
  ])('is refused with the name of the field: %s', async (field, status, more) => {
    const client = makeClient({ autoConnect: false })
    const asked = client.setStatus(status as 'busy', more)
    await expect(asked).rejects.toMatchObject({
      code: 'bad_message',
      message: expect.stringContaining(`"${field}"`),
    })
    client.connect()
    await clock.run(1)
    expect(said(0)).toEqual({})
    expect(client.connectionStatus).toBe('open')
  })

  test('is not said any more after the server has refused it, nor after it has refused the client', async () => {
    const client = await openClient()
    await expect(settle(client.setStatus('busy', { expiresAt: at(-1) }))).rejects.toMatchObject({
      code: 'bad_message',
    })
    await loseLine(1)
    expect(said()).toEqual({})
    connection().stall()
    const asked = client.setStatus('busy')
    connection().close(4403)
    await expect(settle(asked, 25_000)).rejects.toBeDefined()
    client.close()
  })
})
