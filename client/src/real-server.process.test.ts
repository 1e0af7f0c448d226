import { sleep } from '@who-is-online/testing/client'
import { type RunningServer, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { PresenceClient } from './api.ts'
import { createClient } from './client.ts'

// The client and the server, a process of its own, on real sockets.

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

/** The class of `ws`, which remembers what was made of it. */
class Remembered extends WebSocket {
  constructor(url: string, protocols: string[]) {
    super(url, protocols)
    sockets.push(this)
  }
}

function make(userId: string, more: { username?: string } = {}): PresenceClient {
  const client = createClient({
    url: server.url,
    userId,
    WebSocket: Remembered,
    ...more,
  })
  clients.add(client)
  return client
}

async function until(holds: () => boolean, patienceMs = 8_000): Promise<void> {
  const end = Date.now() + patienceMs
  while (!holds()) {
    if (Date.now() > end) throw new Error(`it never came to ${holds}`)
    await sleep(10)
  }
}

test('[J13] who is there, with what they chose, and who is gone', async () => {
  const fan = make('fan')
  const ann = make('ann', { username: 'Ann' })
  await until(() => ann.connectionStatus === 'open')
  fan.subscribe(['ann', 'nobody'])
  fan.watchCount()
  await until(() => fan.get('ann')?.status === 'online' && fan.count === 2)
  expect(fan.get('ann')).toMatchObject({ username: 'Ann', freshness: 'live' })
  expect(fan.get('nobody')).toMatchObject({ status: 'offline', lastSeen: null })
  const expiresAt = new Date(Date.now() + 900)
  const chosen = await ann.setStatus('busy', { text: 'in a call', expiresAt })
  expect(chosen).toEqual({ status: 'busy', text: 'in a call', expiresAt: expiresAt.toISOString() })
  await until(() => fan.get('ann')?.status === 'busy')
  expect(fan.get('ann')?.text).toBe('in a call')
  await until(() => ann.myStatus.status === 'online')
  await ann.identify('Anna')
  await until(() => fan.get('ann')?.username === 'Anna')
  ann.setActivity('idle')
  await until(() => fan.get('ann')?.status === 'away')
  expect(await fan.getUsers(['ann', 'x'])).toMatchObject([{ status: 'away' }, { status: 'offline' }])
  ann.close()
  await until(() => fan.get('ann')?.status === 'offline' && fan.count === 1)
  const wrong = [{ text: 'x'.repeat(129) }, { expiresAt: 'tomorrow' }, { expiresAt: new Date(Number.NaN) }]
  for (const more of wrong)
    await expect(fan.setStatus('busy', more)).rejects.toMatchObject({ code: 'bad_message' })
  fan.close()
})

test('[J13] a reconnect is no change for others, and nothing is missed meanwhile', async () => {
  const fan = make('back-fan')
  const ann = make('back-ann')
  fan.subscribe(['back-ann', 'back-bob'])
  await until(() => fan.get('back-ann')?.status === 'online')
  const seen: string[] = []
  fan.onChange(changed => {
    for (const { userId, status, freshness } of changed)
      if (freshness === 'live') seen.push(`${userId} ${status}`)
  })
  const broken = sockets.find(socket => socket.url.includes('back-ann'))
  broken?.terminate()
  await until(() => ann.connectionStatus === 'waiting')
  await until(() => ann.connectionStatus === 'open')
  await sleep(3_300)
  expect(seen).toEqual([])
  sockets.find(socket => socket.url.includes('back-fan'))?.terminate()
  await until(() => fan.freshness === 'stale')
  const bob = make('back-bob')
  await until(() => bob.connectionStatus === 'open')
  await until(() => fan.freshness === 'live' && fan.get('back-bob')?.status === 'online')
  for (const client of [fan, ann, bob]) client.close()
})

test('[J13] everybody, more than a page of them, and a tab that nobody looks at', async () => {
  const fan = make('all-fan')
  fan.watchAll()
  await until(() => fan.freshness === 'live')
  const crowd = Array.from({ length: 60 }, (_, n) => make(`crowd-${n}`))
  await until(() => fan.users().filter(user => user.userId.startsWith('crowd')).length === 60)
  fan.subscribe(Array.from({ length: 2_500 }, (_, n) => `crowd-${n}`))
  await until(() => fan.get('crowd-2499') !== undefined && fan.freshness === 'live')
  fan.setVisible(false)
  await sleep(50)
  crowd[7]?.close()
  await sleep(300)
  expect(fan.get('crowd-7')?.status).toBe('online')
  fan.setVisible(true)
  await until(() => fan.get('crowd-7')?.status === 'offline')
  for (const client of [fan, ...crowd]) client.close()
})

test('[J13] a server that stops and starts again: the view is right without a reload', async () => {
  const own = temporaryDir()
  const first = await startServer(own.path)
  const options = { userId: 'restart-fan', WebSocket: Remembered }
  const fan = createClient({ url: first.url, ...options })
  const ann = createClient({ url: first.url, ...options, userId: 'restart-ann' })
  fan.subscribe(['restart-ann'])
  await until(() => fan.get('restart-ann')?.status === 'online')
  await first.end('SIGTERM')
  await until(() => fan.freshness === 'stale')
  expect(fan.get('restart-ann')).toMatchObject({ status: 'online', freshness: 'stale' })
  const second = await startServer(own.path, { PORT: first.port })
  await until(() => fan.freshness === 'live' && ann.connectionStatus === 'open', 30_000)
  expect(fan.get('restart-ann')).toMatchObject({ status: 'online', freshness: 'live' })
  fan.close()
  ann.close()
  await second.end('SIGTERM')
  own.remove()
}, 60_000)
