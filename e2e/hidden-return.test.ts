import { sleep, TestClient } from '@who-is-online/testing/client'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import { beforeAll, expect, test } from 'vitest'

// Users with a choice who lose the connection for longer than the grace, and come back. The grace is short to
// keep the tests fast.

const GRACE_MS = 300
let observer: TestClient

const server = useServer({ OFFLINE_GRACE_MS: GRACE_MS, RESTART_GRACE_MS: GRACE_MS })
beforeAll(async () => {
  observer = await TestClient.as(server, 'observer')
})

const open = { v1: TestClient.as, v2: TestClient.v2 }

/** What the observer has received about a user so far. */
async function receivedAbout(userId: string): Promise<string[]> {
  const { online } = await observer.ask({ type: 'check_user_status', targetUserId: userId }, 'user_status')
  const changes = observer.texts.splice(0).map(text => JSON.parse(text))
  const heard = changes.filter(change => change.userId === userId).map(change => change.status)
  return [...heard, `is ${online ? 'online' : 'offline'}`]
}

test.each([
  ['v1', 0],
  ['v2', 0],
  ['v1', 3 * GRACE_MS],
  ['v2', 3 * GRACE_MS],
] as const)(
  '[R4] a hidden user of %s with a lost connection is not seen after %d ms',
  async (version, ms) => {
    const userId = `hidden ${version} ${ms}`
    const client = await open[version](server, userId)
    await client.ask({ type: 'set_status', status: 'offline' }, 'status_updated')
    client.reset()
    await sleep(GRACE_MS + 200 + ms)
    expect(await receivedAbout(userId)).toEqual(['is offline'])
    const back = await open[version](server, userId)
    await sleep(200)
    expect(await receivedAbout(userId)).toEqual(['is offline'])
    if (version === 'v2') expect(await back.next('status_updated')).toMatchObject({ status: 'offline' })
    // A clean close ends the hiding.
    await back.leave()
    const again = await open[version](server, userId)
    expect(await observer.next('user_status_change')).toMatchObject({ userId, status: 'online' })
    await again.leave()
    expect(await observer.next('user_status_change')).toMatchObject({ userId, status: 'offline' })
  },
)

test('[R4 R5] a hidden user with a lost connection is still hidden after a restart of the server', async () => {
  const other = temporaryDir()
  const settings = { OFFLINE_GRACE_MS: GRACE_MS, RESTART_GRACE_MS: GRACE_MS }
  const first = await startServer(other.path, settings)
  const client = await TestClient.as(first, 'ann')
  await client.ask({ type: 'set_status', status: 'offline' }, 'status_updated')
  client.reset()
  await sleep(GRACE_MS + 300)
  await first.end('SIGKILL')
  const second = await startServer(other.path, settings)
  await sleep(GRACE_MS + 200)
  const watcher = await TestClient.as(second, 'watcher')
  await TestClient.as(second, 'ann')
  await sleep(200)
  const seen = await watcher.ask({ type: 'check_user_status', targetUserId: 'ann' }, 'user_status')
  expect(seen.online).toBe(false)
  expect(watcher.texts).toEqual([])
  await second.end('SIGTERM')
  other.remove()
})

test('[R17 D3] a connection that starts with a choice shows it from the start', async () => {
  const hidden = await TestClient.open(`${server.url}?userId=first-hidden&status=offline`)
  await hidden.next('welcome')
  const busy = await TestClient.v2(server, 'first-busy', {
    status: 'busy',
    expiresAt: '2099-01-01T00:00:00Z',
  })
  const confirmed = await busy.next('status_updated')
  expect(confirmed).toMatchObject({ status: 'busy', expiresAt: '2099-01-01T00:00:00.000Z' })
  await sleep(200)
  expect(await receivedAbout('first-hidden')).toEqual(['is offline'])
  expect(await receivedAbout('first-busy')).toEqual(['is online'])
  const { users } = await busy.ask({ type: 'get_users', userIds: ['first-busy', 'first-hidden'] }, 'users')
  expect(users.map((user: { status: string }) => user.status)).toEqual(['busy', 'offline'])
})

test('[R17 D3] a device that returns with an older choice does not replace a newer one of another device', async () => {
  const tablet = await TestClient.v2(server, 'ann', { sessionId: 'tablet' })
  const { timestamp } = await tablet.ask(
    { type: 'set_status', status: 'busy', text: 'call' },
    'status_updated',
  )
  const phone = await TestClient.v2(server, 'ann', { sessionId: 'phone' })
  expect(await phone.next('status_updated')).toMatchObject({ status: 'busy', text: 'call', timestamp })
  await sleep(5)
  await phone.ask({ type: 'set_status', status: 'away' }, 'status_updated')
  tablet.reset()
  await phone.leave()
  await sleep(GRACE_MS + 200)
  const old = await TestClient.v2(server, 'ann', { status: 'busy', chosenAt: timestamp })
  const status = async () => (await old.ask({ type: 'get_users', userIds: ['ann'] }, 'users')).users[0].status
  // The choice ended when the last connection closed. The older choice does not apply again.
  expect(await status()).toBe('online')
  const newer = await TestClient.v2(server, 'ann', { status: 'busy', chosenAt: new Date().toISOString() })
  expect(await newer.next('status_updated')).toMatchObject({ status: 'busy' })
  expect(await status()).toBe('busy')
})

test('[D3] a malformed choice in the URL gets an error that names the parameter, and 4400', async () => {
  for (const [query, text] of [
    ['status=invisible', 'bad_message: "status" must be "online" or "offline"'],
    ['status=', undefined],
  ] as const) {
    const client = await TestClient.open(`${server.url}?userId=ann&${query}`)
    if (text === undefined) await client.next('welcome')
    else {
      expect((await client.next('error')).message).toBe(text)
      expect(await client.closed).toMatchObject({ code: 4400 })
    }
  }
})
