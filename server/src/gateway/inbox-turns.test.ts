import { beforeEach, expect, test } from 'vitest'
import { UNPACED } from '../presence/pace.ts'
import { Refusals } from '../refusals.ts'
import { Debts } from './debts.ts'
import { Inbox } from './inbox.ts'
import { MessageTurns } from './message-turns.ts'

// Inboxes that share a budget of time for their messages.

const BUDGET_MS = 10

/** How long a message takes, in ms. */
const MESSAGE_MS = 4

const nextTurn = () => new Promise(resolve => setImmediate(resolve))

/** The time of all clocks, in ms. Messages take some, and the test moves it. */
let at: number
/** What was handled and told, in order. */
let done: string[]
let tooFast: Set<Inbox>
let refusals: Refusals
let messageTurns: MessageTurns

beforeEach(() => {
  at = 0
  done = []
  tooFast = new Set()
  refusals = new Refusals()
  messageTurns = new MessageTurns({ steady: () => at }, BUDGET_MS)
})

/** Opens the inbox of one connection. `act` is called when it handles a text. */
function open(
  name: string,
  { userId = name, address = undefined as string | undefined, isObserver = false, messages = UNPACED } = {},
  act = (_text: string): void => {},
): Inbox {
  const webSocket = { pause: () => done.push(`${name} pause`), resume: () => done.push(`${name} resume`) }
  const owner = {
    heardAt: 0,
    beat() {},
    handleText(text: string) {
      at += MESSAGE_MS
      done.push(name + text)
      act(text)
    },
    handlePing: () => done.push(`${name} ping`),
    tellTooFast: () => done.push(`${name} too fast`),
    sentTooMuch: () => done.push(`${name} too much`),
    fail: (error: unknown) => done.push(`${name} ${error}`),
  }
  const ports = {
    clock: { awake: () => at, steady: () => at },
    limits: { messages },
    tooFast,
    debts: new Debts(),
    refusals,
    messageTurns,
  }
  return new Inbox(ports, webSocket as never, owner as never, isObserver ? undefined : userId, address)
}

/** Sends texts with these numbers in one read. */
function send(inbox: Inbox, from: number, to: number): void {
  for (let n = from; n <= to; n++) inbox.text(String(n))
}

/** Lets the ticker tick. */
function tick(ms: number): void {
  at += ms
  for (const inbox of tooFast) inbox.advance(at)
}

/** A promise that the test resolves. */
function later() {
  let resolve = () => {}
  const promise = new Promise<void>(done => {
    resolve = done
  })
  return { promise, resolve: () => resolve() }
}

const handled = () => done.filter(each => /^\w+\d+$/.test(each)).join()

/** Lets all turns pass that are needed for a test. */
async function allTurns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await nextTurn()
}

test('[L11] messages beyond the time of a turn wait in their order, and are neither refused nor lost', async () => {
  const inbox = open('a')
  send(inbox, 1, 4)
  inbox.ping(Buffer.from('x'))
  send(inbox, 5, 6)
  expect(done).toEqual(['a1', 'a2', 'a3', 'a pause'])
  await nextTurn()
  expect(done.slice(4)).toEqual(['a4', 'a ping', 'a5', 'a6', 'a resume'])
  expect(refusals.counts.MESSAGES_PER_SECOND).toBe(0)
  expect(tooFast.size).toBe(0)
})

test('[L11] a client waits for one message of each other line, not for all messages of many connections', async () => {
  const crowd = Array.from({ length: 5 }, (_, n) => open('abcde'[n] as string, { userId: 'crowd' }))
  for (const inbox of crowd) send(inbox, 1, 4)
  const honest = open('x')
  send(honest, 1, 2)
  await allTurns()
  expect(handled()).toBe('a1,a2,a3,a4,x1,b1,x2,c1,d1,e1,b2,c2,d2,e2,b3,c3,d3,e3,b4,c4,d4,e4')
})

test.each([
  [
    'connections of one address',
    { userId: 'u1', address: '1.1.1.1' },
    { userId: 'u2', address: '1.1.1.1' },
    1,
  ],
  ['connections of one user', { userId: 'u1' }, { userId: 'u1' }, 1],
  ['observers', { userId: 'o', isObserver: true }, { userId: 'o', isObserver: true }, 2],
  ['a user who is named like an address', { userId: 'u1', address: '1.1.1.1' }, { userId: '1.1.1.1' }, 2],
  ['a user who is named like a line', { userId: 'u1', address: '1.1.1.1' }, { userId: 'address 1.1.1.1' }, 2],
])('[L11] %s: lines are per address, else per user, else per connection', async (_, first, second, lines) => {
  const full = open('full')
  send(full, 1, 3)
  const [a, b] = [open('a', first), open('b', second)]
  send(a, 1, 1)
  send(b, 1, 1)
  const x = open('x', { userId: 'other' })
  send(x, 1, 1)
  await allTurns()
  expect(handled().slice('full1,full2,full3,'.length)).toBe(lines === 1 ? 'a1,x1,b1' : 'a1,b1,x1')
})

test('[L11] the tick does not handle one message of each inbox when there is no time', async () => {
  const pace = { burst: 1, everyMs: 100 }
  const inboxes = Array.from({ length: 9 }, (_, n) => open('abcdefghi'[n] as string, { messages: pace }))
  for (const inbox of inboxes) {
    send(inbox, 1, 2)
    await nextTurn()
  }
  done = []
  tick(100)
  expect(handled()).toBe('a2,b2,c2')
  await nextTurn()
  expect(handled()).toBe('a2,b2,c2,d2,e2,f2')
  await nextTurn()
  expect(handled()).toBe('a2,b2,c2,d2,e2,f2,g2,h2,i2')
})

test('[L11 L3] a message that had its turn still waits for the rate', async () => {
  const inbox = open('a', { messages: { burst: 4, everyMs: 100 } })
  send(inbox, 1, 6)
  await allTurns()
  expect(handled()).toBe('a1,a2,a3,a4')
  tick(100)
  expect(handled()).toBe('a1,a2,a3,a4,a5')
  await nextTurn()
  tick(100)
  expect(handled()).toBe('a1,a2,a3,a4,a5,a6')
})

test('[L11 L4] waiting for a turn counts neither as too fast nor as silent', async () => {
  const inbox = open('a')
  send(inbox, 1, 4)
  for (let n = 0; n < 200; n++) tick(100)
  expect(done).toEqual(['a1', 'a2', 'a3', 'a pause'])
  await nextTurn()
  expect(handled()).toBe('a1,a2,a3,a4')
})

test('[L11 L3] a message that waits for the rate when there is no time is too fast all the same', () => {
  const inbox = open('a', { messages: { burst: 1, everyMs: 100 } })
  send(inbox, 1, 2)
  send(open('x'), 1, 2)
  expect(messageTurns.hasTime(at)).toBe(false)
  tick(50)
  send(inbox, 3, 3)
  expect(refusals.counts.MESSAGES_PER_SECOND).toBe(2)
})

test('[L11] what waits for a turn is dropped when the connection ends, and then nobody waits for it', async () => {
  send(open('full'), 1, 3)
  const other = open('x', {}, () => {
    inbox.end()
    done.push(`time ${messageTurns.hasTime(at)}`)
  })
  send(other, 1, 1)
  const inbox = open('a')
  send(inbox, 1, 2)
  await allTurns()
  expect(handled()).toBe('full1,full2,full3,x1')
  expect(done.at(-2)).toBe('time true')
})

test('[L11 W9] a promise holds an inbox during its turns, and then the messages wait for a turn again', async () => {
  const placed = later()
  const inbox = open('a', {}, text => {
    if (text === '6') inbox.hold(placed.promise, () => done.push('placed'))
  })
  send(inbox, 1, 8)
  await allTurns()
  const before = 'a1,a2,a3,a4,a5,a6'
  expect(handled()).toBe(before)
  // Another client takes the time of the turn in which the ticker ticks, and then in which the promise resolves.
  const other = open('x')
  send(other, 1, 4)
  tick(100)
  await allTurns()
  expect(handled()).toBe(`${before},x1,x2,x3,x4`)
  send(other, 5, 8)
  placed.resolve()
  await placed.promise
  await Promise.resolve()
  expect(done.at(-1)).toBe('placed')
  await allTurns()
  expect(handled()).toBe(`${before},x1,x2,x3,x4,x5,x6,x7,x8,a7,a8`)
})

test('[L11 W9] a promise that resolves too late does not give messages a turn', async () => {
  const late = later()
  const inbox = open('a', {}, text => {
    if (text === '1') inbox.hold(late.promise, () => done.push('late'))
  })
  send(inbox, 1, 4)
  await nextTurn()
  send(open('x'), 1, 3)
  tick(250)
  late.resolve()
  await late.promise
  await Promise.resolve()
  expect(handled()).toBe('a1,x1,x2,x3')
  await allTurns()
  expect(handled()).toBe('a1,x1,x2,x3,a2,a3,a4')
})

test('[L11] the end of a connection comes after the messages that wait for turns, and once', async () => {
  const inbox = open('a')
  send(inbox, 1, 8)
  inbox.afterTurns(() => done.push('closed'))
  inbox.afterTurns(() => done.push('closed again'))
  await nextTurn()
  expect(done.at(-1)).toBe('a6')
  await nextTurn()
  expect(done.slice(-3)).toEqual(['a8', 'a resume', 'closed'])
  await allTurns()
  inbox.end()
  expect(done.at(-1)).toBe('closed')
  inbox.afterTurns(() => done.push('at once'))
  expect(done.at(-1)).toBe('at once')
})

test('[L11] the end of a connection does not wait for the rate, and an earlier end ends the wait', async () => {
  const slow = open('a', { messages: { burst: 4, everyMs: 100 } })
  send(slow, 1, 6)
  slow.afterTurns(() => done.push('closed'))
  await nextTurn()
  expect([handled(), done.at(-1)]).toEqual(['a1,a2,a3,a4', 'closed'])
  await nextTurn()
  const ended = open('b')
  send(ended, 1, 4)
  ended.afterTurns(() => done.push('closed b'))
  ended.end()
  expect(done.at(-1)).toBe('closed b')
})
