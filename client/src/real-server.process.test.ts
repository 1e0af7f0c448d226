import { sleep } from '@who-is-online/testing/client'
import { until } from '@who-is-online/testing/shell-server'
import { type RunningServer, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { PresenceClient } from './api.ts'
import { createClient } from './client.ts'

// The client against a real server process on real sockets.

const dir = temporaryDir()
const clients = new Set<PresenceClient>()
const sockets: WebSocket[] = []
let server: RunningServer

beforeAll(async () => {
  server = await startServer(dir.path, { OFFLINE_GRACE_MS: 3_000 })
})

afterAll(async () => {
  for (const client of clients) client.close()
  await server.end('SIGTERM')
  dir.remove()
})

/** The class of `ws`, with a list of its instances. */
class RecordedWebSocket extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols)
    sockets.push(this)
  }
}

function make(userId: string, more: { username?: string } = {}): PresenceClient {
  const client = createClient({
    url: server.url,
    userId,
    WebSocket: RecordedWebSocket,
    ...more,
  })
  clients.add(client)
  return client
}

test('[J13] users come, choose a status, and leave', async () => {
  const watcher = make('watcher')
  const ann = make('ann', { username: 'Ann' })
  await until('ann is connected', () => ann.connectionStatus === 'open')
  watcher.subscribe(['ann', 'nobody'])
  watcher.watchCount()
  await until(
    'ann is online and both are counted',
    () => watcher.get('ann')?.status === 'online' && watcher.count === 2,
  )
  expect(watcher.get('ann')).toMatchObject({ username: 'Ann', freshness: 'live' })
  expect(watcher.get('nobody')).toMatchObject({ status: 'offline', lastSeen: null })
  const expiresAt = new Date(Date.now() + 900)
  const chosen = await ann.setStatus('busy', { text: 'in a call', expiresAt })
  expect(chosen).toEqual({ status: 'busy', text: 'in a call', expiresAt: expiresAt.toISOString() })
  await until('ann is busy', () => watcher.get('ann')?.status === 'busy')
  expect(watcher.get('ann')?.text).toBe('in a call')
  await until('the status of ann has ended', () => ann.myStatus.status === 'online')
  await ann.identify('Anna')
  await until('ann has her new name', () => watcher.get('ann')?.username === 'Anna')
  ann.setActivity('idle')
  await until('ann is away', () => watcher.get('ann')?.status === 'away')
  expect(await watcher.getUsers(['ann', 'x'])).toMatchObject([{ status: 'away' }, { status: 'offline' }])
  ann.close()
  await until(
    'ann is offline and not counted',
    () => watcher.get('ann')?.status === 'offline' && watcher.count === 1,
  )
  const wrong = [{ text: 'x'.repeat(129) }, { expiresAt: 'tomorrow' }, { expiresAt: new Date(Number.NaN) }]
  for (const more of wrong)
    await expect(watcher.setStatus('busy', more)).rejects.toMatchObject({ code: 'bad_message' })
  watcher.close()
})

test('[J13] others do not see a reconnect, and a reconnecting client misses nothing', async () => {
  const watcher = make('back-watcher')
  const ann = make('back-ann')
  watcher.subscribe(['back-ann', 'back-bob'])
  await until('ann is online', () => watcher.get('back-ann')?.status === 'online')
  const seen: string[] = []
  watcher.onChange(changed => {
    for (const { userId, status, freshness } of changed)
      if (freshness === 'live') seen.push(`${userId} ${status}`)
  })
  // Recorded, because a wait can be too short to be seen by polling.
  const waited = new Set<PresenceClient>()
  for (const client of [ann, watcher])
    client.onConnectionChange(state => state === 'waiting' && waited.add(client))
  sockets.find(socket => socket.url.includes('back-ann'))?.terminate()
  await until('ann has reconnected', () => waited.has(ann) && ann.connectionStatus === 'open')
  await sleep(3_300)
  expect(seen).toEqual([])
  sockets.find(socket => socket.url.includes('back-watcher'))?.terminate()
  await until('the watcher is waiting to reconnect', () => waited.has(watcher))
  const bob = make('back-bob')
  await until('bob is connected', () => bob.connectionStatus === 'open')
  await until(
    'the watcher sees bob',
    () => watcher.freshness === 'live' && watcher.get('back-bob')?.status === 'online',
  )
  for (const client of [watcher, ann, bob]) client.close()
})

test('[J13] all users, in several pages, and a hidden page', async () => {
  const watcher = make('all-watcher')
  watcher.watchAll()
  await until('the view of the watcher is live', () => watcher.freshness === 'live')
  const crowd = Array.from({ length: 60 }, (_, n) => make(`crowd-${n}`))
  await until(
    'the watcher sees all 60 users',
    () => watcher.users().filter(user => user.userId.startsWith('crowd')).length === 60,
  )
  watcher.subscribe(Array.from({ length: 2_500 }, (_, n) => `crowd-${n}`))
  await until(
    'the watcher has 2,500 users',
    () => watcher.get('crowd-2499') !== undefined && watcher.freshness === 'live',
  )
  watcher.setVisible(false)
  await sleep(50)
  crowd[7]?.close()
  await sleep(300)
  expect(watcher.get('crowd-7')?.status).toBe('online')
  watcher.setVisible(true)
  await until('the watcher sees that crowd-7 has left', () => watcher.get('crowd-7')?.status === 'offline')
  for (const client of [watcher, ...crowd]) client.close()
})

test('[J13] after a restart of the server the view is right without a reload', async () => {
  const own = temporaryDir()
  const first = await startServer(own.path)
  const options = { userId: 'restart-watcher', WebSocket: RecordedWebSocket }
  const watcher = createClient({ url: first.url, ...options })
  const ann = createClient({ url: first.url, ...options, userId: 'restart-ann' })
  watcher.subscribe(['restart-ann'])
  await until('ann is online', () => watcher.get('restart-ann')?.status === 'online')
  await first.end('SIGTERM')
  await until('the view of the watcher is stale', () => watcher.freshness === 'stale')
  expect(watcher.get('restart-ann')).toMatchObject({ status: 'online', freshness: 'stale' })
  const second = await startServer(own.path, { PORT: first.port })
  await until(
    'both have reconnected',
    () => watcher.freshness === 'live' && ann.connectionStatus === 'open',
    30_000,
  )
  expect(watcher.get('restart-ann')).toMatchObject({ status: 'online', freshness: 'live' })
  watcher.close()
  ann.close()
  await second.end('SIGTERM')
  own.remove()
}, 60_000)
