import type { Socket } from 'node:net'
import { beforeEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import { type AnswerReceiver, SharedAnswers } from '../fanout/shared-answers.ts'
import { rethrow } from '../fanout/testing/rethrow.ts'
import { Traffic } from '../fanout/traffic.ts'
import type { Refused, SharedAnswer } from '../reply.ts'
import { Delivery, type DeliveryPorts, MAX_ASKED } from './delivery.ts'
import { framesIn, textFrame } from './frames.ts'

// What one client is sent, without a socket.

const MAX_BUFFERED_BYTES = 1_000

/** A socket whose client reads only when it is told to. */
class FakeSocket {
  readonly writes: Buffer[] = []
  writableLength = 0
  bytesWritten = 0
  /** The bytes in the write that libuv is doing. */
  readonly _handle = { writeQueueSize: 0 }
  /** The client reads everything at once. */
  isFast = true

  write(bytes: Buffer): void {
    this.writes.push(bytes)
    this.bytesWritten += bytes.length
    if (!this.isFast) this.writableLength += bytes.length
  }
  uncork(): void {}

  /** The client reads so many bytes. */
  read(bytes = this.writableLength): void {
    this.writableLength -= bytes
  }
  /** The messages in each write since the last call. */
  taken(): string[][] {
    return this.writes.splice(0).map(bytes => [...framesIn(bytes)].map(({ payload }) => payload.toString()))
  }
}

/** Answers that are sent when the test says so. */
class HeldAnswers extends SharedAnswers {
  readonly asked: { receiver: AnswerReceiver; answer: SharedAnswer }[] = []

  override send(receiver: AnswerReceiver, answer: SharedAnswer): void {
    this.asked.push({ receiver, answer })
  }
  /** Sends the answers that were asked for, and returns how many. */
  sendAll(): number {
    const asked = this.asked.splice(0)
    for (const { receiver, answer } of asked) receiver.writeShared(textFrame(answer.build()))
    return asked.length
  }
}

const ANSWER: SharedAnswer = { build: () => '{"type":"all"}' }

let socket: FakeSocket
let answers: HeldAnswers
let slow: DeliveryPorts['slow']
let awake: number
/** What the connection was told. */
let told: string[]
let refused: unknown[]
let delivery: Delivery

beforeEach(() => {
  socket = new FakeSocket()
  answers = new HeldAnswers()
  slow = new Set()
  awake = 0
  told = []
  refused = []
  const clock = { awake: () => awake }
  const traffic = new Traffic()
  const ports = { shared: answers, clock, traffic, maxBufferedBytes: MAX_BUFFERED_BYTES, slow }
  const webSocket = { readyState: WebSocket.OPEN } as WebSocket
  const owner = {
    tooSlow: () => void told.push('too slow'),
    drained: () => void told.push('drained'),
    seesAll: true,
    refuse: ({ code, id }: Refused) => void refused.push([code, id]),
    fail: rethrow,
  }
  delivery = new Delivery(ports, webSocket, socket as unknown as Socket, owner)
})

/** Writes one message, of so many bytes in all. */
function write(bytes: number): void {
  const header = bytes < 128 ? 2 : 4
  delivery.write(textFrame('x'.repeat(bytes - header)))
}

const nextTick = () => new Promise<void>(resolve => process.nextTick(resolve))

test('[B4] replies of one tick leave in one write, and before what is written later', async () => {
  delivery.reply('one')
  delivery.reply('two')
  expect(socket.taken()).toEqual([])
  await nextTick()
  expect(socket.taken()).toEqual([['one', 'two']])
  delivery.reply('three')
  delivery.write(textFrame('batch'))
  expect(socket.taken()).toEqual([['three'], ['batch']])
  delivery.reply('four')
  delivery.flush()
  expect(socket.taken()).toEqual([['four']])
})

test('[B5] after the end only the last message is sent', async () => {
  delivery.end()
  delivery.reply('reply')
  delivery.write(textFrame('batch'))
  delivery.share(ANSWER, undefined)
  expect(answers.asked).toEqual([])
  delivery.sendLast('last')
  await nextTick()
  expect(socket.taken()).toEqual([['last']])
})

test('[I9] a client with a backlog is checked until it has read everything or its connection ends', () => {
  write(10)
  expect(slow.size).toBe(0)
  socket.isFast = false
  write(10)
  expect([...slow]).toEqual([delivery])
  delivery.check(0)
  expect([told, slow.size]).toEqual([[], 1])
  socket.read()
  delivery.check(0)
  expect([told, slow.size]).toEqual([['drained'], 0])
  write(10)
  delivery.end()
  delivery.sendLast('last')
  delivery.flush()
  expect([told, slow.size]).toEqual([['drained'], 0])
})

test('a client is too slow when more small writes wait than may wait', () => {
  socket.isFast = false
  for (let n = 0; n < 4; n++) write(MAX_BUFFERED_BYTES / 4)
  expect(told).toEqual([])
  write(2)
  expect(told).toEqual(['too slow'])
})

test.each([MAX_BUFFERED_BYTES / 4 + 1, 5 * MAX_BUFFERED_BYTES])(
  'a large write, of %i bytes, does not count until the client has read everything',
  large => {
    socket.isFast = false
    write(large)
    for (let n = 0; n < 4; n++) write(MAX_BUFFERED_BYTES / 4)
    expect(told).toEqual([])
    write(2)
    expect(told).toEqual(['too slow'])
    socket.read()
    delivery.check(0)
    expect(told.splice(0)).toEqual(['too slow', 'drained'])
    // Now small writes count as without it.
    for (let n = 0; n < 4; n++) write(MAX_BUFFERED_BYTES / 4)
    expect(told).toEqual([])
    write(2)
    expect(told).toEqual(['too slow'])
  },
)

test('[I1] a backlog without progress for ten seconds of awake time is too slow', () => {
  socket.isFast = false
  awake = 5_000
  write(100)
  // A later write is no progress.
  awake = 9_000
  write(100)
  delivery.check(14_999)
  expect(told).toEqual([])
  delivery.check(15_000)
  expect(told).toEqual(['too slow'])
})

test('[B7] progress begins the ten seconds again, also in the middle of one write', () => {
  socket.isFast = false
  socket._handle.writeQueueSize = 100
  write(100)
  socket.read(1)
  delivery.check(9_999)
  delivery.check(19_998)
  expect(told).toEqual([])
  // Only libuv sees this progress.
  socket._handle.writeQueueSize = 99
  delivery.check(19_998)
  delivery.check(29_997)
  expect(told).toEqual([])
  delivery.check(29_998)
  expect(told).toEqual(['too slow'])
})

test('[B7] the time without a backlog does not count', () => {
  socket.isFast = false
  write(100)
  socket.read()
  delivery.check(1_000)
  awake = 50_000
  write(100)
  delivery.check(59_999)
  expect(told).toEqual(['drained'])
  delivery.check(60_000)
  expect(told).toEqual(['drained', 'too slow'])
})

test('[F5 V6] shared answers come one at a time, in the order of the requests, each with its id', () => {
  const ids = [undefined, 0, '', 'a"b', 7]
  for (const id of ids) delivery.share(ANSWER, id)
  for (const id of ids) {
    expect(answers.sendAll()).toBe(1)
    const [[text] = []] = socket.taken()
    expect(JSON.parse(text as string)).toEqual({ type: 'all', ...(id !== undefined && { id }) })
  }
  expect(answers.sendAll()).toBe(0)
})

test('[F1] an answer without an id has the shared bytes themselves', () => {
  const bytes = textFrame(ANSWER.build())
  delivery.share(ANSWER, undefined)
  delivery.writeShared(bytes)
  expect(socket.writes[0]).toBe(bytes)
})

test('the next shared answer is built when the client has read everything before it', () => {
  socket.isFast = false
  for (const id of [1, 2]) delivery.share(ANSWER, id)
  expect(answers.sendAll()).toBe(1)
  expect(answers.sendAll()).toBe(0)
  socket.read()
  expect(answers.sendAll()).toBe(0)
  delivery.check(0)
  expect(answers.sendAll()).toBe(1)
})

test('a shared answer that waits for a backlog is sent after it, though nothing else is written', () => {
  socket.writableLength = 10
  delivery.share(ANSWER, 1)
  expect([answers.sendAll(), slow.size]).toEqual([0, 1])
  socket.read()
  delivery.check(0)
  expect([answers.sendAll(), slow.size]).toEqual([1, 0])
})

test('[I9] answers that wait for a client which trickles its reads do not add up', () => {
  socket.isFast = false
  for (let id = 0; id <= MAX_ASKED; id++) delivery.share(ANSWER, id)
  // The first one was asked for at once.
  expect(refused).toEqual([])
  for (let id = 0; id < 5; id++) {
    delivery.share(ANSWER, `late ${id}`)
    awake += 1_000
    socket.read(1)
    delivery.check(awake)
  }
  expect(refused).toEqual([0, 1, 2, 3, 4].map(id => ['too_fast', `late ${id}`]))
  // When it has read, it may ask again.
  expect(answers.sendAll()).toBe(1)
  socket.read()
  delivery.check(awake)
  delivery.share(ANSWER, 'again')
  expect(refused).toHaveLength(5)
})

test('[I9] a connection that ends asks for no more answers, and is not sent the one it asked for', () => {
  for (const id of [1, 2]) delivery.share(ANSWER, id)
  delivery.end()
  expect(answers.sendAll()).toBe(1)
  expect([answers.sendAll(), socket.taken()]).toEqual([0, []])
})
