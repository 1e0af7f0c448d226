import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { encode } from '@who-is-online/protocol/encode'
import type { Presence } from '@who-is-online/protocol/words'
import { expect, onTestFinished, test } from 'vitest'
import { type WebSocket, WebSocketServer } from 'ws'
import { compare } from './src/compare.ts'
import { Crowd } from './src/load/crowd.ts'
import { dialects } from './src/load/dialect.ts'
import { DiffReader, letterOf } from './src/load/diff.ts'
import { Following } from './src/load/following.ts'
import { graph } from './src/load/graph.ts'
import { Tally } from './src/load/tally.ts'
import { watch } from './src/scenarios/watch.ts'

// Counts only, never times: other tests run beside this one.
test('a quick watch reaches every client, and all views are right', async () => {
  const result = await compare(watch('quick'), { contenders: [], rounds: 1, progress: () => {} })
  expect(result.problems).toEqual([])
  expect(result.forms.map(({ name, entries }) => [name, ...entries.map(entry => entry.contender)])).toEqual([
    ['rate', 'ours', 'firehose'],
    ['memory', 'ours'],
  ])
  const [ours, firehose] = result.forms[0]?.entries.map(({ rounds }) => rounds[0]?.delivered) ?? []
  // 100 changes of 20 followers each: all of them, unless one changed twice within a window.
  expect(ours?.counted).toBeGreaterThan(0)
  expect(ours?.counted).toBeLessThanOrEqual(2_000)
  expect(ours?.frames).toBeLessThanOrEqual(ours?.counted ?? 0)
  expect(firehose?.counted).toBe(firehose?.expected)
  // Three servers, one after the other.
}, 60_000)

test('with as many followers as users, each has as many followers as others, and nobody is followed twice', () => {
  const whom = graph(500, 7)
  const followers = new Uint32Array(500)
  for (let follower = 0; follower < 500; follower++) {
    const users = [...whom(follower, 0, 10), ...whom(follower, 10, 40)]
    expect(new Set(users).size).toBe(40)
    for (const user of users) followers[user] = (followers[user] ?? 0) + 1
  }
  expect(new Set(followers)).toEqual(new Set([40]))
})

test('a diff is read as JSON.parse reads it; anything else is refused', () => {
  const statuses: Presence[] = ['online', 'away', 'busy', 'offline']
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
    expect(() => reader.read(bytes, 2, 1 + text.length, sink)).toThrow('no diff')
  }
  for (const message of ['{"type":"ack"}', '{"type":"presence_diff","prevSeq":1,"seq":2,"users":[]}']) {
    const bytes = Buffer.from(message)
    expect(() => new DiffReader().read(bytes, 0, bytes.length, { changed: () => {} })).toThrow('no diff')
  }
})

const CLIENTS = 8
const FOLLOWED = 4

/** What becomes of one diff, and what the bench must say of it: problems, and items and frames too many. */
const fates = {
  'sent as it should be': { problems: [], items: 0, frames: 0 },
  'left out': { problems: ['1 diffs did not join', 'of 32 users .* 1 are not so'], items: -1, frames: -1 },
  'left out, and the next joined on to the one before': {
    problems: ['of 32 users .* 1 are not so'],
    items: -1,
    frames: -1,
  },
  'sent twice': { problems: ['1 diffs did not join'], items: 1, frames: 1 },
  'sent with another status': { problems: ['of 32 users .* 1 are not so'], items: 0, frames: 0 },
  'sent with somebody who is not followed': {
    problems: ['others than they follow, 1 '],
    items: 1,
    frames: 0,
  },
  'sent with another key': { problems: ['no diff', 'did not join', 'are not so'], items: -1, frames: -1 },
}

type Fate = keyof typeof fates

for (const [fate, { problems, items, frames }] of Object.entries(fates)) {
  test(`a diff that is ${fate} makes ${problems.length} problems`, async () => {
    const count = await stirred(fate as Fate)
    expect(count.invalid).toEqual(problems.map(problem => expect.stringMatching(problem)))
    // Each changes once, and is followed by four.
    const due = CLIENTS * FOLLOWED
    expect(count).toMatchObject({ items: due + items, counted: due + frames, carried: 1 })
  })
}

/** What the load generator counts with a server that lies about the first diff of the first client. */
async function stirred(fate: Fate) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' })
  onTestFinished(() => server.close())
  serve(server, fate)
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const crowd = new Crowd({ port, dialect: dialects.v2, tally: new Tally() })
  const following = new Following(crowd, 300)
  await crowd.connect({ do: 'connect', listeners: CLIENTS, drivers: 0, atOnce: CLIENTS, told: false })
  const whom = { of: CLIENTS, from: 0, to: FOLLOWED }
  const states = await following.follow({ do: 'follow', whom, atOnce: CLIENTS })
  expect(states).toMatchObject({ counted: CLIENTS, invalid: [] })
  const perSecond = 100
  const seconds = CLIENTS / perSecond
  const statuses = ['online', 'busy']
  const count = await following.stir({ do: 'stir', perSecond, seconds, movers: CLIENTS, statuses })
  for (const client of server.clients) client.terminate()
  return count
}

/** One who follows, as the server sees them. */
interface Peer {
  userId: string
  socket: WebSocket
  followed: Set<string>
  told: number
}

/** A server of v2 with nothing but `subscribe` and `set_status`, which lies once. */
function serve(server: WebSocketServer, fate: Fate): void {
  const peers: Peer[] = []
  let seq = 0
  let isHonest = false
  server.on('connection', (socket, { url = '' }) => {
    const peer: Peer = { userId: url.slice(url.indexOf('=') + 1), socket, followed: new Set(), told: 0 }
    peers.push(peer)
    socket.send('{"type":"welcome"}')
    socket.on('message', data => {
      const message: { type: string; userIds: string[]; status: Presence } = JSON.parse(data.toString())
      if (message.type === 'subscribe') {
        peer.followed = new Set(message.userIds)
        peer.told = seq
        const users = message.userIds.map(userId => ({ userId, status: 'online' }))
        socket.send(JSON.stringify({ type: 'presence_state', seq, users, last: true }))
        return
      }
      seq++
      for (const other of peers) if (other.followed.has(peer.userId)) tell(other, peer.userId, message.status)
      socket.send('{"type":"status_updated"}')
    })
  })

  function tell(peer: Peer, userId: string, status: Presence): void {
    const does = peer.userId === 'u0' && !isHonest ? fate : 'sent as it should be'
    if (does !== 'sent as it should be') isHonest = true
    const item = (id: string, status: Presence) => ({ userId: id, status, lastSeen: null })
    const users = [item(userId, does === 'sent with another status' ? 'away' : status)]
    if (does === 'sent with somebody who is not followed') users.push(item('u999', 'away'))
    const text = encode({ type: 'presence_diff', prevSeq: peer.told, seq, users }, 'v2')
    if (does !== 'left out, and the next joined on to the one before') peer.told = seq
    if (does.startsWith('left out')) return
    peer.socket.send(does === 'sent with another key' ? text.replace('"status"', '"shown"') : text)
    if (does === 'sent twice') peer.socket.send(text)
  }
}
