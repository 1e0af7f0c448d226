import { expect, test } from 'vitest'
import type { PresenceClient } from './api.ts'
import { clock, connection, openClient, received, server } from './harness.fake.ts'

// A device that sleeps: no event tells the client, and what it shows may be old.

async function withAnn(): Promise<PresenceClient> {
  server.users.change('ann', 'online')
  const client = await openClient()
  client.subscribe('ann')
  await clock.run(1_000)
  expect(client.get('ann')).toMatchObject({ status: 'online', freshness: 'live' })
  return client
}

test('[J18] after a sleep behind a dead line users are stale until another connection is open', async () => {
  const client = await withAnn()
  connection().stall()
  clock.sleep(45_000)
  server.users.change('ann', 'offline')
  await clock.run(2_000)
  expect(client.get('ann')).toMatchObject({ status: 'online', freshness: 'stale' })
  expect(client.freshness).toBe('stale')
  // The line is still dead: nothing may show the user as live.
  await clock.run(5_000)
  expect(client.get('ann')).toMatchObject({ freshness: 'stale' })
  await clock.run(5_000)
  expect(client.get('ann')).toMatchObject({ status: 'offline', freshness: 'live' })
})

test('[J18] after a sleep behind a living line users are stale until the server has answered', async () => {
  const client = await withAnn()
  const shown: (string | undefined)[] = []
  client.onChange(users => shown.push(...users.map(user => user.freshness)))
  clock.sleep(45_000)
  await clock.run(2_000)
  expect(shown).toEqual(['stale', 'live'])
  expect(server.attempts).toBe(1)
})

test('[J18] without a sleep users stay live and the server is asked nothing more', async () => {
  const client = await withAnn()
  const shown: unknown[] = []
  client.onChange(users => shown.push(users))
  await clock.run(600_000)
  expect([shown, received('client_state').length]).toEqual([[], 1])
  client.close()
})

test('[J18] a hidden page stays stale after a sleep', async () => {
  const client = await withAnn()
  client.setVisible(false)
  clock.sleep(45_000)
  await clock.run(4_000)
  expect(client.get('ann')).toMatchObject({ freshness: 'stale' })
  client.setVisible(true)
  await clock.run(10)
  expect(client.get('ann')).toMatchObject({ freshness: 'live' })
})
