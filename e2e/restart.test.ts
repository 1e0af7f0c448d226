import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { expect, test } from 'vitest'

const SETTINGS = { RESTART_GRACE_MS: 4_000 }
const CLIENTS = 1_000

test('[R3] a restart with 1,000 clients: users who come back cause no change; the others leave once, with their earlier lastSeen', {
  timeout: 60_000,
}, async () => {
  const dir = temporaryDir()
  const before = await startServer(dir.path, SETTINGS)
  const clients = await connect(before, ids(0, CLIENTS))
  const stopped = Date.now()
  expect(await before.end('SIGTERM')).toBe(0)
  // A pong in transit is a last sign of life.
  const ended = Date.now()
  expect(ended - stopped).toBeLessThan(10_000)
  expect(new Set(await Promise.all(clients.map(async client => (await client.closed).code)))).toEqual(
    new Set([1012]),
  )

  const after = await startServer(dir.path, SETTINGS)
  const watcher = await TestClient.as(after, 'watcher')
  const { count } = await watcher.ask({ type: 'get_online_count' }, 'online_count')
  expect(count).toBe(CLIENTS + 1)
  const back = await connect(after, ids(0, CLIENTS - 100))
  await sleep(SETTINGS.RESTART_GRACE_MS + 1_000)

  const changes = watcher.texts.map(text => JSON.parse(text))
  expect(changes.map(change => change.status)).toEqual(Array(100).fill('offline'))
  expect(new Set(changes.map(change => change.userId))).toEqual(new Set(ids(CLIENTS - 100, CLIENTS)))
  for (const { userId } of changes) {
    const { lastSeen } = await watcher.ask({ type: 'check_user_status', targetUserId: userId }, 'user_status')
    expect(Date.parse(lastSeen)).toBeLessThanOrEqual(ended)
    expect(Date.parse(lastSeen)).toBeGreaterThan(stopped - 30_000)
  }
  expect(back.flatMap(client => client.texts.filter(text => text.includes('"online"')))).toEqual([])
  await after.end('SIGTERM')
  dir.remove()
})

test('[R5] names, choices and lastSeen survive a stop and a kill', async () => {
  const dir = temporaryDir()
  let server = await startServer(dir.path)
  const hidden = await TestClient.as(server, 'hidden')
  await hidden.ask({ type: 'set_status', status: 'offline' }, 'status_updated')
  const named = await TestClient.as(server, 'named')
  named.send({ type: 'identify', username: 'Jörg "J" O’Neil' })
  const gone = await TestClient.as(server, 'gone')
  await gone.leave()
  const list = async () => {
    const looker = await TestClient.as(server, 'looker')
    const { users } = await looker.ask({ type: 'get_all_users' }, 'all_users')
    return new Map(users.map((user: { userId: string }) => [user.userId, user]))
  }
  const first = await list()
  for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
    await sleep(200)
    await server.end(signal)
    server = await startServer(dir.path)
    const now = await list()
    for (const id of ['hidden', 'gone']) expect(now.get(id)).toEqual(first.get(id))
    expect(now.get('named')).toMatchObject({ status: 'online', username: 'Jörg "J" O’Neil' })
    const back = await TestClient.as(server, 'hidden')
    expect((await list()).get('hidden')).toMatchObject({ status: 'offline' })
    back.socket.terminate()
  }
  await server.end('SIGTERM')
  const state = JSON.parse(readFileSync(join(dir.path, 'data', 'user_state.json'), 'utf8'))
  expect(state.users).toHaveLength(4)
  dir.remove()
})

test('[E18] the start of a status survives a kill', async () => {
  const dir = temporaryDir()
  let server = await startServer(dir.path)
  const ann = await TestClient.v2(server, 'ann')
  await ann.ask({ type: 'set_status', status: 'busy' }, 'status_updated')
  const sinceOf = async () => {
    const looker = await TestClient.v2(server, 'looker', { status: 'offline' })
    const { users } = await looker.ask({ type: 'get_users', userIds: ['ann'] }, 'users')
    return users[0].since
  }
  const first = await sinceOf()
  expect(first).toMatch(/Z$/)
  await sleep(200)
  await server.end('SIGKILL')
  server = await startServer(dir.path)
  expect(await sinceOf()).toBe(first)
  await server.end('SIGTERM')
  dir.remove()
})

function ids(from: number, to: number): string[] {
  return Array.from({ length: to - from }, (_, n) => `user-${from + n}`)
}

async function connect(server: { readonly url: string }, userIds: readonly string[]): Promise<TestClient[]> {
  const clients: TestClient[] = []
  for (let n = 0; n < userIds.length; n += 100) {
    clients.push(...(await Promise.all(userIds.slice(n, n + 100).map(id => TestClient.as(server, id)))))
  }
  return clients
}
