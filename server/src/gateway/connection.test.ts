import type { Socket } from 'node:net'
import { beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { MemoryFeed } from '../changes/memory-feed.ts'
import { newFeed } from '../changes/testing/new-feed.ts'
import { ALL_RIGHTS, type Grant } from '../identity/grant.ts'
import { Presence } from '../presence/presence.ts'
import { DEFAULTS } from '../presence/testing/options.ts'
import { newTracker } from '../testing/new-tracker.ts'
import { type Caller, Connection } from './connection.ts'
import { Debts } from './debts.ts'
import type { Inbox } from './inbox.ts'
import { UNLIMITED } from './limits.ts'
import { MESSAGES_MS, MessageTurns } from './message-turns.ts'
import { newPorts } from './testing/new-ports.ts'

// One connection without a socket: what it does when a text arrives or the client leaves.

const T = Date.UTC(2030, 0, 1)
const OPEN_CALLER: Caller = {
  version: 'v2',
  userId: 'ann',
  sessionId: 's1',
  isNamed: true,
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

const OBSERVER: Grant = { ...OPEN_CALLER.grant, rights: { ...ALL_RIGHTS, observer: true } }

let presence: Presence
let feed: MemoryFeed
/** The types of the messages that were written, and what was done with the socket. */
let output: string[]
let gone: number
let errors: number
/** The time of all monotonic clocks, in ms. */
let at: number
let tooFast: Set<Inbox>
let debts: Debts
/** Closes the socket. */
let closing: (code: number) => void

beforeEach(() => {
  output = []
  at = 0
  tooFast = new Set()
  debts = new Debts()
  closing = code => void output.push(`close ${code}`)
  gone = 0
  errors = 0
  presence = new Presence(DEFAULTS)
  presence.restore([], T)
  feed = newFeed(10)
})

/** Notes the messages in the bytes that a connection writes. */
function note(bytes: Buffer): boolean {
  if (bytes[0] === 0x8a) output.push(`pong frame ${bytes.subarray(2)}`)
  for (const [, type] of bytes.toString().matchAll(/\{"type":"(\w+)"/g)) output.push(`${type}`)
  return true
}

function connect(
  what: Partial<Caller> = {},
  limits = UNLIMITED,
  messagesMs = Number.POSITIVE_INFINITY,
): Connection {
  const clock = { now: () => T, awake: () => at, steady: () => at }
  const tracker = newTracker({ presence, feed, clock })
  const ignore = () => {}
  const log = { error: () => errors++, info: ignore, debug: ignore, limited: ignore, once: ignore }
  const ports = newPorts(
    { presence, feed, tracker, clock },
    { limits, log, gone: () => gone++, tooFast, debts, messageTurns: new MessageTurns(clock, messagesMs) },
  )
  const webSocket = {
    readyState: WebSocket.OPEN,
    ping: () => output.push('ping'),
    close: (code: number) => closing(code),
    terminate: () => output.push('terminate'),
    pause: () => output.push('pause'),
    resume: () => output.push('resume'),
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

test('[C2 I9] a bug in one step of the end does not prevent the others', async () => {
  const bug = () => {
    throw new Error('planted')
  }
  debts.add = bug
  const inDebt = connect({}, { ...UNLIMITED, messages: { burst: 1, everyMs: 1_000 } })
  inDebt.receive('{"type":"ping"}')
  inDebt.end(4508, 'silent')
  expect((await taken()).at(-1)).toBe('close 4508')
  expect([presence.record('ann')?.session, errors, gone]).toEqual(['held', 1, 1])
  presence.lose = bug
  connect({ sessionId: 's2', connectionId: 'c2' }).end(4508, 'silent')
  expect((await taken()).at(-1)).toBe('close 4508')
  expect([errors, gone]).toEqual([2, 2])
})

test('[C2] a connection that can not be closed, or fails after its end, is destroyed', async () => {
  const connection = connect()
  await taken()
  connection.end(4508, 'silent')
  connection.fail(new Error('planted'))
  expect(await taken()).toEqual(['disconnect', 'close 4508', 'terminate'])
  const stuck = connect({ sessionId: 's2', connectionId: 'c2' })
  await taken()
  closing = () => {
    throw new Error('planted')
  }
  stuck.fail(new Error('planted'))
  expect(await taken()).toEqual(['disconnect', 'terminate'])
  expect([errors, gone]).toEqual([3, 2])
})

test('[V8] a connection that is replaced is closed with 4409, and its session continues', async () => {
  const connection = connect()
  await taken()
  connection.replaced()
  expect(await taken()).toEqual(['disconnect', 'close 4409'])
  expect(presence.record('ann')?.session).toBe('live')
})

/** One message at once, then one a second. */
const SLOW = { ...UNLIMITED, messages: { burst: 1, everyMs: 1_000 } }

/** Lets time pass in steps of 100 ms, as the ticker does. */
async function wait(ms: number): Promise<string[]> {
  for (const until = at + ms; at < until; ) {
    at += 100
    for (const inbox of tooFast) inbox.advance(at)
  }
  return taken()
}

test('[L3] messages beyond the burst wait in their order, and the client is not read meanwhile', async () => {
  const connection = connect({}, SLOW)
  await taken()
  connection.receive('{"type":"ping"}')
  connection.receive('{"type":"get_online_count"}')
  connection.pinged(Buffer.from('hello'))
  expect(await taken()).toEqual(['pause', 'pong', 'error'])
  expect(await wait(900)).toEqual([])
  expect(await wait(100)).toEqual(['online_count'])
  expect(await wait(1_000)).toEqual(['pong frame hello'])
  expect(await wait(1_000)).toEqual(['resume'])
  expect(tooFast.size).toBe(0)
})

test('[L3] a list of the users with one status counts as ten messages more', async () => {
  const limits = { ...UNLIMITED, messages: { burst: 12, everyMs: 1_000 } }
  for (const [list, pings] of [
    [{ type: 'list_users', status: 'online' }, 1],
    [{ type: 'list_users' }, 11],
  ] as const) {
    const connection = connect({ grant: OBSERVER }, limits)
    await taken()
    connection.receive(JSON.stringify(list))
    for (let n = 0; n < 12; n++) connection.receive('{"type":"ping"}')
    expect((await taken()).filter(type => type === 'pong')).toHaveLength(pings)
    connection.end(4508, 'silent')
    await taken()
  }
})

test('[L11] a request that waits for its turn takes effect and is answered before the close of the client', async () => {
  const connection = connect({}, UNLIMITED, MESSAGES_MS)
  await taken()
  connection.receive('{"type":"ping"}')
  at += MESSAGES_MS
  connection.receive('{"type":"set_status","status":"busy"}')
  connection.closed(1000, () => output.push('answer to the close frame'))
  // The event that follows when the TCP connection has ended.
  connection.closed(1006)
  expect([presence.see('ann').status, gone, output]).toEqual(['online', 0, ['pause']])
  expect(await taken()).toEqual(['pause', 'pong', 'resume', 'status_updated', 'answer to the close frame'])
  expect([presence.record('ann')?.session, gone]).toEqual(['none', 1])
})

test('[L3] a client whose messages wait counts as heard', async () => {
  const connection = connect({}, SLOW)
  for (let n = 0; n < 6; n++) connection.receive('{"type":"ping"}')
  await wait(5_000)
  expect(connection.heardAt).toBe(5_000)
  await wait(4_000)
  expect(connection.heardAt).toBe(6_000)
})

test('[L3] a pong that answers a ping is free, and any other one counts as a message', async () => {
  const connection = connect({}, SLOW)
  await taken()
  connection.ping()
  connection.ponged()
  connection.receive('{"type":"ping"}')
  expect(await taken()).toEqual(['ping', 'pong'])
  connection.ponged()
  expect(await taken()).toEqual(['pause', 'error'])
})

test('[L4] after too much, the connection ends, nothing that waits is answered, and the next one has to wait', async () => {
  const connection = connect({}, SLOW)
  await taken()
  for (let n = 0; n < 12; n++) connection.receive('{"type":"ping"}')
  expect(await taken()).toEqual(['pause', 'resume', 'pong', 'error', 'disconnect', 'close 4429', 'pause'])
  expect([tooFast.size, gone]).toEqual([0, 1])
  connect({ sessionId: 's2', connectionId: 'c2' }, SLOW)
  expect(await taken()).toEqual(['pause', 'welcome'])
  expect(await wait(9_900)).toEqual([])
  expect(await wait(100)).toEqual(['resume'])
})

test('[C1] after the end a client that was not read is read again, and a burst that arrives is dropped', async () => {
  const connection = connect({}, { ...UNLIMITED, messages: { burst: 3, everyMs: 1_000 } })
  for (let n = 0; n < 5; n++) connection.receive('{"type":"ping"}')
  expect((await taken()).filter(type => type === 'pause')).toHaveLength(1)
  connection.end(4409, 'replaced')
  expect(await taken()).toEqual(['resume', 'disconnect', 'close 4409'])
  for (let n = 0; n < 3; n++) connection.receive('{"type":"ping"}')
  expect(await taken()).toEqual([])
  connection.receive('{"type":"ping"}')
  expect(await taken()).toEqual(['pause'])
})

test('[L4] observers have the same user id and share no debt', async () => {
  const connection = connect({ grant: OBSERVER }, SLOW)
  for (let n = 0; n < 12; n++) connection.receive('{"type":"ping"}')
  await taken()
  connect({ grant: OBSERVER, connectionId: 'c2' }, SLOW)
  expect(await taken()).toEqual(['welcome'])
})

test('[V14 L10] observers have the same user id, and their subscriptions count only for their address', () => {
  expect(connect({ grant: OBSERVER, address: '8.8.8.8' }).holder).toEqual({ address: '8.8.8.8' })
  // The negative control: a user counts.
  expect(connect({ address: '8.8.8.8' }).holder).toEqual({ userId: 'ann', address: '8.8.8.8' })
})

test('[V12 C2] a bug in a message that waited closes its own connection only', async () => {
  const connection = connect({}, SLOW)
  connection.receive('{"type":"ping"}')
  connection.receive('{"type":"ping"}')
  connection.handleText = () => {
    throw new Error('planted')
  }
  await taken()
  expect(await wait(1_000)).toEqual(['resume', 'disconnect', 'close 4500'])
  expect(errors).toBe(1)
})

test('[V14] an observer is never present and has no session', async () => {
  const connection = connect({ grant: OBSERVER })
  expect(await taken()).toEqual(['welcome'])
  connection.receive('{"type":"set_status","status":"busy"}')
  expect(await taken()).toEqual(['error'])
  connection.closed(1000)
  expect([presence.knownCount, feed.seq]).toEqual([0, 0])
})
