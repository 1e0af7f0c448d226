import type { Socket } from 'node:net'
import { beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { MemoryFeed } from '../changes/memory-feed.ts'
import { newFeed } from '../changes/testing/new-feed.ts'
import { Hub } from '../fanout/hub.ts'
import { SharedAnswers } from '../fanout/shared-answers.ts'
import { Subscriptions } from '../fanout/subscriptions.ts'
import { Turns } from '../fanout/turns.ts'
import { ALL_RIGHTS } from '../identity/grant.ts'
import { Presence } from '../presence/presence.ts'
import { DEFAULTS } from '../presence/testing/options.ts'
import { Requests } from '../requests.ts'
import { newTracker } from '../testing/new-tracker.ts'
import { type Caller, Connection } from './connection.ts'
import { Heartbeat } from './heartbeat.ts'
import { UNLIMITED } from './limits.ts'
import { TERMS } from './testing/terms.ts'

// One connection without a socket: what it does when a text arrives or the client leaves.

const T = Date.UTC(2030, 0, 1)
const OPEN_CALLER: Caller = {
  version: 'v2',
  userId: 'ann',
  sessionId: 's1',
  isNamed: true,
  isObserver: false,
  grant: {
    userId: 'ann',
    username: undefined,
    isNameFixed: false,
    expiresAt: undefined,
    rights: ALL_RIGHTS,
  },
  connectionId: 'c1',
  address: undefined,
}

let presence: Presence
let feed: MemoryFeed
/** The types of the messages that were written, and what was done with the socket. */
let output: string[]
let gone: number
let errors: number

beforeEach(() => {
  output = []
  gone = 0
  errors = 0
  presence = new Presence(DEFAULTS)
  presence.restore([], T)
  feed = newFeed(10)
})

/** Notes the messages in the bytes that a connection writes. */
function note(bytes: Buffer): boolean {
  for (const [, type] of bytes.toString().matchAll(/\{"type":"(\w+)"/g)) output.push(`${type}`)
  return true
}

function connect(what: Partial<Caller> = {}, limits = UNLIMITED): Connection {
  const clock = { now: () => T, awake: () => 0, steady: () => 0, listen() {} }
  const ignore = () => {}
  const tracker = newTracker({ presence, feed, clock })
  const subscriptions = new Subscriptions(presence, feed, 10)
  const ports = {
    tracker,
    requests: new Requests({ presence, tracker, feed, clock, allUsersLimit: 10 }),
    hub: new Hub(feed.seq, subscriptions),
    heartbeat: new Heartbeat<Connection>({ pingMs: 1, pongTimeoutMs: 1, random: () => 0 }),
    clock,
    log: { error: () => errors++, info: ignore, debug: ignore, limited: ignore, once: ignore },
    limits,
    terms: TERMS,
    gone: () => gone++,
    presence,
    feed,
    subscriptions,
    turns: new Turns(),
    maxSubscribedUsers: 10,
    allUsersLimit: 10,
    maxBufferedBytes: 1e6,
    highWaterMark: 1e5,
    shared: new SharedAnswers(),
    slow: new Set<never>(),
  }
  const webSocket = {
    readyState: WebSocket.OPEN,
    ping: () => output.push('ping'),
    close: (code: number) => output.push(`close ${code}`),
  }
  const socket = { write: note, uncork: ignore, writableLength: 0, bytesWritten: 0 }
  const caller = { ...OPEN_CALLER, ...what }
  const connection = new Connection(ports, caller, webSocket as never, socket as unknown as Socket)
  connection.start(caller)
  return connection
}

/** What was written since the last call. */
async function taken(): Promise<string[]> {
  await new Promise(resolve => setImmediate(resolve))
  return output.splice(0)
}

test('[W1 W4] the welcome comes first, and a command takes effect before it is confirmed', async () => {
  const connection = connect()
  expect(presence.see('ann').status).toBe('online')
  expect(await taken()).toEqual(['welcome'])
  connection.receive('{"type":"set_status","status":"busy"}')
  expect(presence.see('ann').status).toBe('busy')
  expect(await taken()).toEqual(['status_updated'])
  connection.receive('no message')
  expect(await taken()).toEqual(['error'])
})

test('[V4] an inactive client is told the choice of another session when it is active again', async () => {
  const connection = connect()
  connection.receive('{"type":"client_state","state":"inactive"}')
  await taken()
  connection.choiceChanged({ userId: 'ann', choice: { status: 'busy' }, madeAt: T })
  expect(await taken()).toEqual([])
  connection.receive('{"type":"client_state","state":"active"}')
  expect(await taken()).toEqual(['status_updated', 'ack'])
})

test.each([
  [1000, 'none'],
  [1005, 'none'],
  [1001, 'held'],
  [1006, 'held'],
])(
  '[R2 I9] after the close code %i the session is %s, and the connection ends once',
  async (code, session) => {
    const connection = connect()
    await taken()
    connection.closed(code)
    connection.closed(code)
    connection.end(4508, 'silent')
    connection.receive('{"type":"set_status","status":"busy"}')
    expect([presence.record('ann')?.session, gone]).toEqual([session, 1])
    expect(await taken()).toEqual([])
  },
)

test('[V12 C2] a bug closes its own connection, after a disconnect message, and the session is held', async () => {
  const connection = connect()
  await taken()
  connection.fail(new Error('planted'))
  expect(await taken()).toEqual(['disconnect', 'close 4500'])
  expect([presence.record('ann')?.session, errors, gone]).toEqual(['held', 1, 1])
})

test('[V8] a connection that is replaced is closed with 4409, and its session continues', async () => {
  const connection = connect()
  await taken()
  connection.replaced()
  expect(await taken()).toEqual(['disconnect', 'close 4409'])
  expect(presence.record('ann')?.session).toBe('live')
})

test('[L3] messages beyond the burst are refused', async () => {
  const connection = connect({}, { ...UNLIMITED, messages: { burst: 1, everyMs: 1_000 } })
  await taken()
  for (let n = 0; n < 2; n++) connection.receive('{"type":"ping"}')
  expect(await taken()).toEqual(['pong', 'error'])
})

test('[V14] an observer is never present and has no session', async () => {
  const connection = connect({ isObserver: true })
  expect(await taken()).toEqual(['welcome'])
  connection.receive('{"type":"set_status","status":"busy"}')
  expect(await taken()).toEqual(['error'])
  connection.closed(1000)
  expect([presence.knownCount, feed.seq]).toEqual([0, 0])
})
