import { describe, expect, test } from 'vitest'
import { FakeEvents } from './events.fake.ts'
import { clock, connection, network, openClient, received, server } from './harness.fake.ts'

// The status of this user, and the activity and visibility of this device.

describe('[J9] the status of this user', () => {
  test('a choice of another device is received; a welcome without one means online', async () => {
    const client = await openClient()
    const emitted: string[] = []
    client.onMyStatus(({ status }) => emitted.push(status))
    connection().send({ type: 'status_updated', status: 'busy' } as never)
    await clock.run(10)
    connection().cut()
    await clock.run(1)
    expect(client.myStatus.status).toBe('busy')
    await clock.run(2_000)
    expect(emitted).toEqual(['busy', 'online'])
  })

  test('idle and hidden are detected, sent, and sent again after a reconnect', async () => {
    const document = Object.assign(new FakeEvents(), { visibilityState: 'visible' })
    const client = await openClient({ idleAfterMs: 60_000 }, { document })
    const id = expect.any(Number)
    // The session may have been idle before a reload of the page.
    expect(received('set_activity')).toEqual([{ type: 'set_activity', state: 'active', forMs: 120_000, id }])
    server.received.length = 0
    await clock.run(59_000)
    document.emit('keydown')
    await clock.run(59_000)
    expect(received('set_activity')).toEqual([])
    await clock.run(2_000)
    const deviceRequests = (activity: string, state: string) => [
      { type: 'set_activity', state: activity, ...(activity === 'active' && { forMs: 120_000 }), id },
      { type: 'client_state', state, id },
    ]
    const receivedOfDevice = () => server.received.filter(({ type }) => type !== 'ping')
    expect(receivedOfDevice()).toEqual(deviceRequests('idle', 'active'))
    server.received.length = 0
    document.visibilityState = 'hidden'
    document.emit('visibilitychange')
    await clock.run(6_000)
    expect(receivedOfDevice()).toEqual(deviceRequests('idle', 'inactive'))
    server.received.length = 0
    connection().cut()
    await clock.run(2_000)
    expect(server.received).toEqual(deviceRequests('idle', 'inactive'))
    server.received.length = 0
    document.visibilityState = 'visible'
    document.emit('visibilitychange')
    await clock.run(10)
    expect(receivedOfDevice()).toEqual([
      ...deviceRequests('idle', 'active'),
      ...deviceRequests('active', 'active'),
    ])
    expect(received('ping')).toHaveLength(1)
    client.close()
    await clock.run(60_000)
    expect(document.size).toBe(0)
    expect(network.size).toBe(0)
    expect(clock.pending).toBe(0)
  })

  test('users of a hidden page are stale until the server has sent what it held back', async () => {
    const client = await openClient()
    client.subscribe(['ann'])
    await clock.run(300)
    client.setVisible(false)
    expect(client.get('ann')?.freshness).toBe('stale')
    expect(client.freshness).toBe('stale')
    server.users.change('ann', 'busy')
    await clock.run(1_000)
    const emitted: string[] = []
    client.onChange(([ann]) => emitted.push(`${ann?.status} ${ann?.freshness}`))
    client.setVisible(true)
    expect(client.freshness).toBe('stale')
    await clock.run(10)
    expect(emitted).toEqual(['busy stale', 'busy live'])
    client.setVisible(false)
    connection().cut()
    await clock.run(2_000)
    expect(client.connectionStatus).toBe('open')
    expect(client.freshness).toBe('stale')
    connection().cut()
    await clock.run(1)
    client.setVisible(true)
    await clock.run(3_000)
    expect(client.freshness).toBe('live')
  })

  test('a page that is hidden for a moment sends nothing', async () => {
    const document = Object.assign(new FakeEvents(), { visibilityState: 'hidden' })
    await openClient({ idleAfterMs: false }, { document })
    server.received.length = 0
    document.visibilityState = 'visible'
    document.emit('visibilitychange')
    await clock.run(600_000)
    expect(server.received.every(({ type }) => type === 'ping')).toBe(true)
  })

  test('a device that is used renews its activity once a minute, and has only the rest of it after a reconnect', async () => {
    const document = Object.assign(new FakeEvents(), { visibilityState: 'visible' })
    await openClient({}, { document })
    server.received.length = 0
    for (let seconds = 0; seconds < 180; seconds++) {
      document.emit('pointermove')
      await clock.run(1_000)
    }
    const leases = received('set_activity')
    expect(leases.map(lease => 'forMs' in lease && lease.forMs)).toEqual([360_000, 360_000])
    // After a reconnect, only the rest of the lease is left.
    connection().cut()
    server.received.length = 0
    await clock.run(2_000)
    expect(received('set_activity')).toMatchObject([{ forMs: expect.toSatisfy(ms => ms < 360_000) }])
  })

  test('a page that was stopped is idle when it connects again, until somebody uses it', async () => {
    const document = Object.assign(new FakeEvents(), { visibilityState: 'visible' })
    await openClient({}, { document })
    clock.sleep(3_600_000)
    connection().cut()
    server.received.length = 0
    await clock.run(3_000)
    expect(received('set_activity').map(request => 'state' in request && request.state)).toContain('idle')
    expect(received('set_activity')).not.toContainEqual(expect.objectContaining({ state: 'active' }))
    document.emit('keydown')
    await clock.run(10)
    expect(received('set_activity').at(-1)).toMatchObject({ state: 'active', forMs: 360_000 })
  })

  test('a page that the browser stops, keeps for later or hides on a phone says so at once', async () => {
    const document = Object.assign(new FakeEvents(), { visibilityState: 'visible' })
    await openClient({}, { document })
    const states = () => received('client_state').map(request => 'state' in request && request.state)
    server.received.length = 0
    document.emit('freeze')
    await clock.run(10)
    expect(states()).toEqual(['inactive'])
    document.emit('resume')
    await clock.run(10)
    expect(states().at(-1)).toBe('active')
    server.received.length = 0
    // A page that is closed would be held as long as a hidden one.
    network.emit('pagehide', { persisted: false })
    await clock.run(10)
    expect(states()).toEqual([])
    network.emit('pagehide', { persisted: true })
    await clock.run(10)
    expect(states()).toEqual(['inactive'])

    const phone = Object.assign(new FakeEvents(), { visibilityState: 'visible' })
    await openClient({}, { document: phone, isTouch: true })
    server.received.length = 0
    phone.visibilityState = 'hidden'
    phone.emit('visibilitychange')
    await clock.run(10)
    expect(states()).toEqual(['inactive'])
  })

  test('without a time of idleness, or with a very long one, the activity has no end', async () => {
    for (const idleAfterMs of [false, 7_200_000] as const) {
      const document = Object.assign(new FakeEvents(), { visibilityState: 'visible' })
      server.received.length = 0
      await openClient({ idleAfterMs }, { document })
      document.emit('keydown')
      await clock.run(10)
      expect(received('set_activity')).toEqual([
        { type: 'set_activity', state: 'active', id: expect.any(Number) },
      ])
    }
  })
})
