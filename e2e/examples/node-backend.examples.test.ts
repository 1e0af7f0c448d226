import { TestClient } from '@who-is-online/testing/client'
import { useServer } from '@who-is-online/testing/use-server'
import { beforeAll, expect, test } from 'vitest'
import { install, serve } from './example.ts'

const SECRET = 'the-secret-that-signs-tokens-is-long-enough'
const server = useServer({ AUTH_SECRET: SECRET })

beforeAll(() => install('node-backend'), 120_000)

test('the backend signs tokens, and knows who is online', { timeout: 60_000 }, async () => {
  const origin = await serve('node-backend', 'start', {
    PORT: '0',
    PRESENCE_SECRET: SECRET,
    PRESENCE_URL: server.url,
  })
  const ask = (path: string, user = 'ann', method = 'GET') =>
    fetch(origin + path, { method, headers: { cookie: `user=${user}` } })
  const mention = async () => (await ask('/mention?id=bob', 'ann', 'POST')).json()
  const statuses = async () => {
    const team = (await (await ask('/team')).json()) as { id: string; status: string }[]
    return team.map(({ id, status }) => `${id} ${status}`)
  }

  expect(await statuses()).toEqual(['ann offline', 'bob offline', 'cem offline'])
  expect(await mention()).toEqual({ email: true })
  expect((await ask('/presence-token', 'nobody')).status).toBe(401)

  const token = await (await ask('/presence-token', 'bob')).text()
  const bob = await TestClient.open(`${server.url}?token=${token}`)
  const welcome = await bob.next('welcome')
  expect(welcome.userId).toBe('bob')
  expect(await statuses()).toEqual(['ann offline', 'bob online', 'cem offline'])
  expect(await mention()).toEqual({ email: false })
  await bob.leave()
  await expect.poll(statuses).toEqual(['ann offline', 'bob offline', 'cem offline'])

  // The backend only reads: it is not one of the users who are online.
  expect(await (await ask('/mention?id=backend', 'ann', 'POST')).json()).toEqual({ email: true })
})
