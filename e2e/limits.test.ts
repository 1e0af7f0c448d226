import { mkdirSync, writeFileSync } from 'node:fs'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import { expect, test } from 'vitest'

const server = useServer({
  TRUST_PROXY: 1,
  MAX_CONNECTIONS_PER_USER: 3,
  MAX_CONNECTIONS_PER_ADDRESS: 5,
})

const from = (address: string) => ({ headers: { 'X-Forwarded-For': address } })

test('[L3] messages beyond the burst are answered later, in their order', async () => {
  const client = await TestClient.as(server, 'fast')
  for (let n = 0; n < 240; n++) client.send({ type: 'check_user_status', targetUserId: `u${n}` })
  const begun = Date.now()
  const answered: unknown[] = []
  const errors: string[] = []
  while (answered.length < 240) {
    const { type, userId, message } = JSON.parse(await client.text())
    if (type === 'user_status') answered.push(userId)
    else errors.push(message)
  }
  expect(answered).toEqual(Array.from({ length: 240 }, (_, n) => `u${n}`))
  expect(Date.now() - begun).toBeGreaterThan(1_900)
  expect(new Set(errors)).toEqual(
    new Set(['too_fast: more messages than allowed; they are answered later, in order']),
  )
  await client.leave()
})

test('[L4] a client that sends too fast for ten seconds is closed with 4429', async () => {
  const client = await TestClient.as(server, 'faster')
  const begun = Date.now()
  const flood = setInterval(() => client.send({ type: 'get_online_count' }), 10)
  const { code } = await client.closed
  clearInterval(flood)
  expect(code).toBe(4429)
  expect(Date.now() - begun).toBeGreaterThan(9_500)
  expect(client.texts.filter(text => text.includes('online_count')).length).toBeLessThan(200 + 20 * 14)
})

test('[L4] a client that sends ten bursts in one write is closed with 4429 at once, and its user has to wait', async () => {
  const client = await TestClient.as(server, 'flood')
  const begun = Date.now()
  const frame = Buffer.from([0x81, 0x82, 0, 0, 0, 0, 0x7b, 0x7d])
  socketOf(client).write(Buffer.concat(Array<Buffer>(3_000).fill(frame)))
  expect((await client.closed).code).toBe(4429)
  expect(Date.now() - begun).toBeLessThan(9_000)
  expect(client.texts.filter(text => text.includes('bad_message')).length).toBeLessThan(220)
  const again = await TestClient.as(server, 'flood')
  const connected = Date.now()
  again.send({ type: 'get_online_count' })
  await again.next('online_count')
  expect(Date.now() - connected).toBeGreaterThan(5_000)
  await again.leave()
})

test('[L3] pings count as messages', async () => {
  const client = await TestClient.as(server, 'pinger')
  let pongs = 0
  client.socket.on('pong', () => pongs++)
  const frame = Buffer.from([0x89, 0x80, 0, 0, 0, 0])
  socketOf(client).write(Buffer.concat(Array<Buffer>(3_000).fill(frame)))
  expect((await client.closed).code).toBe(4429)
  expect(pongs).toBeLessThan(220)
})

/** The TCP socket of a client. */
function socketOf(client: TestClient): Socket {
  return (client.socket as unknown as { _socket: Socket })._socket
}

test('[L5] get_all_users has its own rate limit', async () => {
  const client = await TestClient.as(server, 'lister')
  for (let n = 0; n < 12; n++) client.send({ type: 'get_all_users' })
  const texts: string[] = []
  for (let n = 0; n < 12; n++) texts.push(await client.text())
  expect(texts.filter(text => text.includes('all_users'))).toHaveLength(10)
  expect(texts.filter(text => text.includes('too_fast'))).toHaveLength(2)
  await client.leave()
})

test('[L5] a client that keeps requesting lists too fast is closed with 4429', async () => {
  const client = await TestClient.as(server, 'greedy')
  const asking = setInterval(() => client.send({ type: 'get_all_users' }), 150)
  const { code } = await client.closed
  clearInterval(asking)
  expect(code).toBe(4429)
})

test('[L2] connections per user and per address are limited by the settings', async () => {
  const clients = [await TestClient.as(server, 'many'), await TestClient.as(server, 'many')]
  clients.push(await TestClient.as(server, 'many'))
  await expect(TestClient.as(server, 'many')).rejects.toThrow('HTTP 429')
  for (const client of clients) await client.leave()
  const office: TestClient[] = []
  for (let n = 0; n < 5; n++)
    office.push(await TestClient.open(`${server.url}?userId=o${n}`, from('8.8.8.8')))
  await expect(TestClient.open(`${server.url}?userId=o5`, from('8.8.8.8'))).rejects.toThrow('HTTP 429')
  await (await TestClient.open(`${server.url}?userId=o5`, from('9.9.9.9'))).leave()
  for (const client of office) await client.leave()
  await (await TestClient.open(`${server.url}?userId=o5`, from('8.8.8.8'))).leave()
})

test('[O5] a page of another host is refused with 403, and the log has the setting that allows it', async () => {
  const evil = { headers: { Origin: 'https://evil.example' } }
  await expect(TestClient.open(`${server.url}?userId=x`, evil)).rejects.toThrow('HTTP 403')
  await sleep(50)
  expect(server.output()).toContain('set="ALLOWED_ORIGINS=https://evil.example"')
})

test('[K1] a client that reads nothing is closed with 4508, and others are not affected', async () => {
  const own = temporaryDir()
  const crowded = await startServer(own.path, { LIMITS: 'off', MAX_BUFFERED_BYTES: 65_536 })
  const stalled = await TestClient.as(crowded, 'stalled')
  const { _socket: socket } = stalled.socket as unknown as { _socket: { pause(): void; resume(): void } }
  socket.pause()
  const flapper = await TestClient.as(crowded, 'flapper')
  const reader = await TestClient.as(crowded, 'reader')
  let heard = 0
  reader.socket.on('message', () => heard++)
  let ended = false
  for (let n = 0; n < 100_000 && !ended; n++) {
    flapper.send({ type: 'set_status', status: n % 2 ? 'online' : 'offline' })
    if (n % 500 === 499) {
      await sleep(5)
      ended = /^wio_connections 2$/m.test(await (await fetch(`${crowded.origin}/metrics`)).text())
    }
  }
  expect(ended).toBe(true)
  expect(heard).toBeGreaterThan(1_000)
  socket.resume()
  expect((await stalled.closed).code).toBe(4508)
  await crowded.end('SIGTERM')
  own.remove()
})

test('[K2] a large reply in progress does not count as backlog: ten lists of 10,000 users reach a client that starts reading late', async () => {
  const own = temporaryDir()
  const lastSeen = new Date().toISOString()
  const users = Array.from({ length: 10_000 }, (_, n) => {
    const userId = `user-${n}-${'x'.repeat(20)}`
    return [userId, { userId, status: 'offline', lastSeen, username: 'y'.repeat(30) }]
  })
  mkdirSync(join(own.path, 'data'))
  writeFileSync(join(own.path, 'data', 'user_state.json'), JSON.stringify(Object.fromEntries(users)))
  const full = await startServer(own.path)
  const client = await TestClient.as(full, 'lister')
  const { _socket: socket } = client.socket as unknown as { _socket: { pause(): void; resume(): void } }
  socket.pause()
  for (let n = 0; n < 10; n++) client.send({ type: 'get_all_users' })
  await sleep(1_500)
  socket.resume()
  for (let n = 0; n < 10; n++) expect((await client.next('all_users')).users).toHaveLength(10_000)
  // The same while names change all the time, so that no list can be reused.
  const other = await TestClient.as(full, 'other')
  let names = 0
  const naming = setInterval(() => other.send({ type: 'identify', username: `name ${names++}` }), 60)
  const again = await TestClient.as(full, 'again')
  for (let n = 0; n < 10; n++) again.send({ type: 'get_all_users' })
  for (let n = 0; n < 10; n++) expect((await again.next('all_users')).users).toHaveLength(10_000)
  clearInterval(naming)
  await client.leave()
  await full.end('SIGTERM')
  own.remove()
})

test('[L10] a user or an address that subscribes to all it can leaves enough for others', async () => {
  const own = temporaryDir()
  const small = await startServer(own.path, {
    TRUST_PROXY: 1,
    MAX_WATCHED_IDS: 1_000,
    MAX_WATCHED_USERS: 200,
  })
  const ids = (from: number, count: number) => Array.from({ length: count }, (_, n) => `u${from + n}`)
  /** Subscribes to 20 ids at a time until that is refused. Returns the refusal. */
  const takeAll = async (client: TestClient): Promise<string> => {
    for (let from = 0; ; from += 20) {
      client.send({ type: 'subscribe', userIds: ids(from, 20) })
      const answer = JSON.parse(await client.text())
      if (answer.type === 'error') return answer.message
    }
  }
  const open = async (userId: string, address: string) => {
    const options = { ...from(address), protocols: ['who-is-online.v2'] }
    const client = await TestClient.open(`${small.url}?userId=${userId}`, options)
    await client.next('welcome')
    return client
  }
  const metrics = async () => (await fetch(`${small.origin}/metrics`)).text()
  const clients: TestClient[] = []
  const refusals: string[] = []
  // The connections of one user, each from another address, and then users of one address.
  const hogs = Array.from({ length: 4 }, (_, n) => ['hog', `8.8.8.${n}`] as const)
  const crowd = Array.from({ length: 4 }, (_, n) => [`crowd${n}`, '9.9.9.9'] as const)
  for (const [userId, address] of [...hogs, ...crowd]) {
    const client = await open(userId, address)
    clients.push(client)
    refusals.push(await takeAll(client))
  }
  const connection = 'too_many: this connection can subscribe to 0 more users by id (MAX_WATCHED_USERS)'
  expect(refusals.slice(0, 4)).toEqual([
    connection,
    connection,
    connection,
    expect.stringMatching(
      /^too_many: this user can subscribe to \d+ more users by id \(MAX_WATCHED_IDS_SHARE\)$/,
    ),
  ])
  expect(refusals.slice(4)).toEqual([
    expect.stringContaining('this user'),
    ...Array<unknown>(3).fill(expect.stringContaining('this address')),
  ])
  const honest = await open('honest', '1.1.1.1')
  await honest.ask({ type: 'subscribe', userIds: ids(0, 50) }, 'presence_state')
  expect(await metrics()).toMatch(/wio_refused_total\{limit="MAX_WATCHED_IDS_SHARE"\} 5\n/)
  expect(await metrics()).toMatch(/wio_refused_total\{limit="MAX_WATCHED_IDS"\} 0\n/)
  expect(small.output()).toContain('a subscription was refused by MAX_WATCHED_IDS_SHARE')
  await Promise.all([honest, ...clients].map(client => client.leave()))
  await expect.poll(metrics).toMatch(/^wio_watched_ids 0$/m)
  await small.end('SIGTERM')
  own.remove()
})
