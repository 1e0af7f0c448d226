import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { encode } from '@who-is-online/protocol/encode'
import type { ShownStatus } from '@who-is-online/protocol/words'
import { expect, onTestFinished, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { compare } from './src/compare.ts'
import { ClientPool } from './src/load/client-pool.ts'
import { DiffReader, letterOf } from './src/load/diff.ts'
import { FrameCount } from './src/load/frame-count.ts'
import { graph } from './src/load/graph.ts'
import { Subscribers } from './src/load/subscribers.ts'
import { wireFormats } from './src/load/wire-format.ts'
import { watch } from './src/scenarios/watch.ts'

// Checks counts only, not times: other tests run at the same time.
test('a quick watch reaches every client, and all views are right', async () => {
  const result = await compare(watch('quick'), { contenders: [], rounds: 1, progress: () => {} })
  expect(result.problems).toEqual([])
  expect(result.forms.map(({ name, entries }) => [name, ...entries.map(entry => entry.contender)])).toEqual([
    ['rate', 'ours', 'firehose'],
    ['memory', 'ours'],
  ])
  const [ours, firehose] = result.forms[0]?.entries.map(({ rounds }) => rounds[0]?.delivered) ?? []
  // 100 changes with 20 subscribers each, unless a user changed twice within a window.
  expect(ours?.counted).toBeGreaterThan(0)
  expect(ours?.counted).toBeLessThanOrEqual(2_000)
  expect(ours?.frames).toBeLessThanOrEqual(ours?.counted ?? 0)
  expect(firehose?.counted).toBe(firehose?.expected)
  // Starts three servers, one after the other.
}, 60_000)

test('with as many subscribers as users, all users have the same number of subscribers, none of them twice', () => {
  const selection = graph(500, 7)
  const followers = new Uint32Array(500)
  for (let follower = 0; follower < 500; follower++) {
    const users = [...selection(follower, 0, 10), ...selection(follower, 10, 40)]
    expect(new Set(users).size).toBe(40)
    for (const user of users) followers[user] = (followers[user] ?? 0) + 1
  }
  expect(new Set(followers)).toEqual(new Set([40]))
})

test('a diff is read like JSON.parse reads it; anything else is an error', () => {
  const statuses: ShownStatus[] = ['online', 'away', 'busy', 'offline']
  for (let count = 1; count <= 20; count++) {
    const users = Array.from({ length: count }, (_, index) => ({
      userId: `u${index * 997}`,
      status: statuses[index % 4] ?? 'online',
      lastSeen: index % 3 === 0 ? null : new Date(index * 1e9).toISOString(),
    }))
    const prevSeq = 10 ** (count % 9)
    const text = encode({ type: 'presence_diff', prevSeq, seq: prevSeq + count, users }, 'v2')
    const read: [string, number][] = []
    const sink = { changed: (user: number, letter: number) => read.push([`u${user}`, letter]) }
    const reader = new DiffReader()
    const bytes = Buffer.from(`..${text}..`)
    expect(reader.read(bytes, 2, 2 + text.length, sink)).toBe(count)
    expect(reader).toMatchObject({ prevSeq, seq: prevSeq + count })
    expect(read).toEqual(users.map(({ userId, status }) => [userId, letterOf(status)]))
    expect(() => reader.read(bytes, 2, 1 + text.length, sink)).toThrow('not a presence_diff')
  }
  for (const message of ['{"type":"ack"}', '{"type":"presence_diff","prevSeq":1,"seq":2,"users":[]}']) {
    const bytes = Buffer.from(message)
    expect(() => new DiffReader().read(bytes, 0, bytes.length, { changed: () => {} })).toThrow(
      'not a presence_diff',
    )
  }
})

const CLIENTS = 8
const SUBSCRIBED = 4

/** How the server treats one diff, and the expected problems and differences in items and frames. */
const treatments = {
  'sent correctly': { problems: [], items: 0, frames: 0 },
  'left out': {
    problems: ['1 diffs did not continue', 'of 32 users .*, 1 are wrong'],
    items: -1,
    frames: -1,
  },
  'left out, and the next one continues the previous one': {
    problems: ['of 32 users .*, 1 are wrong'],
    items: -1,
    frames: -1,
  },
  'sent twice': { problems: ['1 diffs did not continue'], items: 1, frames: 1 },
  'sent with another status': { problems: ['of 32 users .*, 1 are wrong'], items: 0, frames: 0 },
  'sent with a user without subscription': {
    problems: ['not subscribed to, 1 '],
    items: 1,
    frames: 0,
  },
  'sent with another key': {
    problems: ['not a presence_diff', 'did not continue', 'are wrong'],
    items: -1,
    frames: -1,
  },
}

type Treatment = keyof typeof treatments

for (const [treatment, { problems, items, frames }] of Object.entries(treatments)) {
  test(`a diff that is ${treatment} makes ${problems.length} problems`, async () => {
    const count = await countWith(treatment as Treatment)
    expect(count.invalid).toEqual(problems.map(problem => expect.stringMatching(problem)))
    // Each user changes once, and has four subscribers.
    const due = CLIENTS * SUBSCRIBED
    expect(count).toMatchObject({ items: due + items, counted: due + frames, carried: 1 })
  })
}

/** Counts with a server that treats the first diff of the first client in this way. */
async function countWith(treatment: Treatment) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  onTestFinished(() => server.close())
  serve(server, treatment)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const pool = new ClientPool({
    port,
    wireFormat: wireFormats.v2,
    received: new FrameCount(),
    tokens: new Map(),
  })
  const subscribers = new Subscribers(pool, 300)
  await pool.connect({
    do: 'connect',
    listeners: CLIENTS,
    drivers: 0,
    atOnce: CLIENTS,
    broadcastsArrivals: false,
  })
  const selection = { of: CLIENTS, from: 0, to: SUBSCRIBED }
  const states = await subscribers.subscribe({ do: 'subscribe', selection, atOnce: CLIENTS })
  expect(states).toMatchObject({ counted: CLIENTS, invalid: [] })
  const perSecond = 100
  const seconds = CLIENTS / perSecond
  const statuses = ['online', 'busy']
  const count = await subscribers.change({
    do: 'subscriber changes',
    perSecond,
    seconds,
    movers: CLIENTS,
    statuses,
  })
  for (const client of server.clients) client.terminate()
  return count
}

/** A subscriber as the server sees it. */
interface Peer {
  userId: string
  socket: WebSocket
  subscribedTo: Set<string>
  lastSeq: number
}

/** A v2 server with only `subscribe` and `set_status`, which makes one mistake. */
function serve(server: WebSocketServer, treatment: Treatment): void {
  const peers: Peer[] = []
  let seq = 0
  let isDone = false
  server.on('connection', (socket, { url = '' }) => {
    const peer: Peer = {
      userId: url.slice(url.indexOf('=') + 1),
      socket,
      subscribedTo: new Set(),
      lastSeq: 0,
    }
    peers.push(peer)
    socket.send('{"type":"welcome"}')
    socket.on('message', data => {
      const message: { type: string; userIds: string[]; status: ShownStatus } = JSON.parse(data.toString())
      if (message.type === 'subscribe') {
        peer.subscribedTo = new Set(message.userIds)
        peer.lastSeq = seq
        const users = message.userIds.map(userId => ({ userId, status: 'online' }))
        socket.send(JSON.stringify({ type: 'presence_state', seq, users, last: true }))
        return
      }
      seq++
      for (const other of peers)
        if (other.subscribedTo.has(peer.userId)) send(other, peer.userId, message.status)
      socket.send('{"type":"status_updated"}')
    })
  })

  function send(peer: Peer, userId: string, status: ShownStatus): void {
    const actual = peer.userId === 'u0' && !isDone ? treatment : 'sent correctly'
    if (actual !== 'sent correctly') isDone = true
    const item = (id: string, status: ShownStatus) => ({ userId: id, status, lastSeen: null })
    const users = [item(userId, actual === 'sent with another status' ? 'away' : status)]
    if (actual === 'sent with a user without subscription') users.push(item('u999', 'away'))
    const text = encode({ type: 'presence_diff', prevSeq: peer.lastSeq, seq, users }, 'v2')
    if (actual !== 'left out, and the next one continues the previous one') peer.lastSeq = seq
    if (actual.startsWith('left out')) return
    peer.socket.send(actual === 'sent with another key' ? text.replace('"status"', '"shown"') : text)
    if (actual === 'sent twice') peer.socket.send(text)
  }
}
