import { sleep, TestClient } from '@who-is-online/testing/client'
import { type RunningServer, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import { beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'

// Clients that connect, leave, reset and fall silent, on real sockets. Grace and heartbeat are short to keep
// the tests fast; the last test uses the defaults.

const GRACE_MS = 1_000
let watcher: TestClient
const server = useServer({ OFFLINE_GRACE_MS: GRACE_MS, PING_MS: 400, PONG_TIMEOUT_MS: 300 })
beforeAll(async () => {
  watcher = await TestClient.as(server, 'watcher')
})

/** The changes of a user that the observer receives from now on, until none comes for `quietMs`. */
async function changesOf(userId: string, quietMs: number): Promise<string[]> {
  await sleep(quietMs)
  return watcher.texts
    .splice(0)
    .map(text => JSON.parse(text))
    .filter(message => message.userId === userId)
    .map(message => message.status)
}

/** A client that answers no ping, like one whose network has failed. */
function openSilent(userId: string, at: RunningServer = server): Promise<WebSocket> {
  const socket = new WebSocket(`${at.url}?userId=${userId}`, { autoPong: false })
  return new Promise((resolve, reject) => socket.once('message', () => resolve(socket)).once('error', reject))
}

test('[R1] two tabs are one user: opening the second and closing one cause no change', async () => {
  const first = await TestClient.as(server, 'tabs')
  const second = await TestClient.as(server, 'tabs')
  await first.leave()
  expect(await changesOf('tabs', GRACE_MS + 300)).toEqual(['online'])
  await second.leave()
  expect(await changesOf('tabs', 300)).toEqual(['offline'])
})

test.each([undefined, 1000])(
  '[I1] after a clean close (code %s) the user is offline within a second',
  async code => {
    const client = await TestClient.as(server, 'clean')
    await watcher.next('user_status_change')
    const begun = Date.now()
    client.socket.close(code)
    expect(await watcher.next('user_status_change')).toMatchObject({ userId: 'clean', status: 'offline' })
    expect(Date.now() - begun).toBeLessThan(1_000)
  },
)

test('[I1] a clean close takes effect with its frame, even if the client keeps TCP open', async () => {
  const client = await TestClient.as(server, 'lingering')
  await watcher.next('user_status_change')
  const { _socket: socket } = client.socket as unknown as {
    _socket: { end: () => void; destroy: () => void }
  }
  socket.end = () => {}
  client.socket.close(1000)
  const begun = Date.now()
  expect(await watcher.next('user_status_change')).toMatchObject({ userId: 'lingering', status: 'offline' })
  expect(Date.now() - begun).toBeLessThan(1_000)
  socket.destroy()
})

test('[R2] after a reset the user is offline when the grace ends, with the earlier lastSeen', async () => {
  const client = await TestClient.as(server, 'reset')
  await client.ask({ type: 'get_online_count' }, 'online_count')
  client.reset()
  const reset = Date.now()
  expect(await watcher.next('user_status_change')).toMatchObject({ userId: 'reset', status: 'online' })
  expect(await watcher.next('user_status_change')).toMatchObject({ userId: 'reset', status: 'offline' })
  // A slow machine can make it late, but never early. Timers may fire 1 ms early.
  expect(Date.now() - reset).toBeGreaterThanOrEqual(GRACE_MS - 1)
  const { lastSeen } = await watcher.ask({ type: 'check_user_status', targetUserId: 'reset' }, 'user_status')
  expect(Date.parse(lastSeen)).toBeLessThanOrEqual(reset)
  expect(Date.parse(lastSeen)).toBeGreaterThan(reset - 1_000)
})

test.each(['reset', 1001, 4000] as const)(
  '[I6] a user who is back within the grace after %s causes no change',
  async how => {
    const client = await TestClient.as(server, 'back')
    if (how === 'reset') client.reset()
    else await client.leave(how)
    await sleep(GRACE_MS / 2)
    const again = await TestClient.as(server, 'back')
    expect(await changesOf('back', 2 * GRACE_MS)).toEqual(['online'])
    await again.leave()
    expect(await changesOf('back', 300)).toEqual(['offline'])
  },
)

test('[H1] a client that stops answering is offline after the pong timeout and the grace', async () => {
  const socket = await openSilent('silent')
  const closed = new Promise<number>(resolve => socket.once('close', resolve))
  const begun = Date.now()
  expect(await changesOf('silent', 200)).toEqual(['online'])
  expect(await watcher.next('user_status_change')).toMatchObject({ userId: 'silent', status: 'offline' })
  expect(Date.now() - begun).toBeLessThan(400 * 1.1 + 300 + GRACE_MS + 500)
  expect(await closed).toBe(4508)
})

test('[I2] an idle client that answers pings stays online, and its lastSeen advances', async () => {
  const client = await TestClient.as(server, 'quiet')
  await sleep(2_000)
  const { online, lastSeen } = await watcher.ask(
    { type: 'check_user_status', targetUserId: 'quiet' },
    'user_status',
  )
  expect(online).toBe(true)
  expect(Date.now() - Date.parse(lastSeen)).toBeLessThan(400 * 1.1 + 300)
  await client.leave()
})

test('[R2] lastSeen of an active client is its last message, also after a restart', async () => {
  const own = temporaryDir()
  const settings = { PING_MS: 60_000, RESTART_GRACE_MS: 500 }
  let chatty = await startServer(own.path, settings)
  const client = await TestClient.as(chatty, 'chatty')
  const lastSeen = async (looker: TestClient) => {
    const answer = await looker.ask({ type: 'check_user_status', targetUserId: 'chatty' }, 'user_status')
    return Date.parse(answer.lastSeen)
  }
  let said = 0
  for (let n = 0; n < 10; n++) {
    await sleep(150)
    said = Date.now()
    await client.ask({ type: 'get_online_count' }, 'online_count')
  }
  expect(await lastSeen(await TestClient.as(chatty, 'looker'))).toBeGreaterThanOrEqual(said)
  await chatty.end('SIGTERM')
  chatty = await startServer(own.path, settings)
  await sleep(800)
  expect(await lastSeen(await TestClient.as(chatty, 'looker'))).toBeGreaterThanOrEqual(said)
  await chatty.end('SIGTERM')
  own.remove()
})

test('[I2] a suspension of the server closes no connection', async () => {
  const own = temporaryDir()
  const paused = await startServer(own.path, { PING_MS: 400, PONG_TIMEOUT_MS: 400, OFFLINE_GRACE_MS: 500 })
  const clients = await Promise.all(Array.from({ length: 20 }, (_, n) => TestClient.as(paused, `u${n}`)))
  const onlooker = await TestClient.as(paused, 'onlooker')
  process.kill(paused.pid, 'SIGSTOP')
  await sleep(3_000)
  process.kill(paused.pid, 'SIGCONT')
  await sleep(1_500)
  expect(onlooker.texts).toEqual([])
  expect(clients.filter(client => client.socket.readyState !== WebSocket.OPEN)).toEqual([])
  await paused.end('SIGTERM')
  own.remove()
})

test('[I1] with the defaults a half-open client is offline within 30 s', { timeout: 40_000 }, async () => {
  const own = temporaryDir()
  const defaults = await startServer(own.path)
  const onlooker = await TestClient.as(defaults, 'onlooker')
  const silent = await Promise.all(Array.from({ length: 30 }, (_, n) => openSilent(`s${n}`, defaults)))
  const begun = Date.now()
  for (const _ of silent) await onlooker.next('user_status_change')
  for (const _ of silent) {
    onlooker.texts.length === 0 && (await waitFor(() => onlooker.texts.length > 0, 31_000))
    expect(await onlooker.next('user_status_change')).toMatchObject({ status: 'offline' })
  }
  expect(Date.now() - begun).toBeLessThan(30_000)
  await defaults.end('SIGTERM')
  own.remove()
})

async function waitFor(condition: () => boolean, ms: number): Promise<void> {
  const until = Date.now() + ms
  while (!condition() && Date.now() < until) await sleep(20)
}
