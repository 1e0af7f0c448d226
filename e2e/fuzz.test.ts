import { decode } from '@who-is-online/protocol/decode'
import { FrameParser, frame, OPCODE } from '@who-is-online/testing/raw-client'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type OpenGateway, openGateway } from '../server/src/gateway/testing/open-gateway.ts'
import { faultOf } from './fuzz/fault-of.ts'
import { sequence } from './fuzz/frames.ts'
import { type MemorySocket, upgrade } from './fuzz/in-process.ts'
import { message } from './fuzz/messages.ts'

// Damaged frames and damaged messages, to a gateway in this process and without TCP, so that a hundred thousand of
// them take seconds. mutated-frames.faults.test.ts sends a million to a real server.
//
// FUZZ_SEED=… changes the run. A frame or message depends only on the seed and its number.

const SEED = Number(process.env['FUZZ_SEED'] ?? 6_455)
const FRAMES = 100_000
const MESSAGES = 100_000

/** After how many sequences or messages the honest client must be answered. */
const ROUND = 500

const QUESTION = frame({ opcode: OPCODE.text, payload: '{"type":"get_online_count"}' })

let server: OpenGateway
let honest: Client
beforeEach(async () => {
  server = await openGateway()
  honest = new Client('/ws?userId=honest', 'v1')
})
afterEach(() => {
  server.http.close()
})

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

/** A client without TCP. It collects what is wrong with the frames that it receives. */
class Client {
  readonly socket: MemorySocket
  readonly faults: string[] = []
  #parser: FrameParser | undefined
  #answers = 0

  constructor(target: string, version: 'v1' | 'v2', head: Buffer = Buffer.alloc(0)) {
    this.socket = upgrade(server.http, { target, version, head })
  }

  /** Reads what the server has sent. Returns the number of messages of a type. */
  read(type = ''): number {
    let bytes = this.socket.sent()
    if (!this.#parser) {
      const end = bytes.indexOf('\r\n\r\n')
      if (end < 0) return 0
      if (!bytes.toString('latin1', 0, end).startsWith('HTTP/1.1 101 '))
        this.faults.push('the upgrade was refused')
      this.#parser = new FrameParser()
      bytes = bytes.subarray(end + 4)
    }
    for (const received of this.#parser.push(bytes)) {
      const fault = faultOf(received)
      if (fault) this.faults.push(fault)
      if (received.payload.includes(`"type":"${type}"`)) this.#answers++
    }
    return this.#answers
  }

  /** Asks, and expects the answer within some turns of the event loop. */
  async isAnswered(): Promise<boolean> {
    const before = this.read('online_count')
    // A copy, because `ws` removes the mask in place.
    this.socket.arrive(Buffer.from(QUESTION))
    for (let turns = 0; turns < 100; turns++) {
      await turn()
      if (this.read('online_count') > before) return true
    }
    return false
  }
}

/** What is wrong now; empty if nothing. */
async function problems(clients: readonly Client[]): Promise<string[]> {
  return [
    ...clients.flatMap(({ faults }) => faults),
    ...server.errors.map(error => `a bug was logged: ${error}`),
    ...((await honest.isAnswered()) ? [] : ['the honest client got no answer']),
  ]
}

/** Waits until only the honest client is connected. */
async function onlyHonest(): Promise<void> {
  await expect.poll(() => server.gateway.connections, { timeout: 10_000 }).toBe(1)
}

test('[I9] [I10] 100,000 damaged frames: no crash, honest clients are answered, and no connection is left', {
  timeout: 120_000,
}, async () => {
  let frames = 0
  for (let number = 0; frames < FRAMES; ) {
    const clients: Client[] = []
    const first = number
    for (const end = number + ROUND; number < end; number++) {
      const { userId, pieces, frames: some } = sequence(number, SEED)
      frames += some
      const isV2 = userId.length % 2 === 0
      const target = `/ws?userId=${userId}${isV2 ? '&sessionId=s' : ''}`
      const client = new Client(target, isV2 ? 'v2' : 'v1', pieces[0])
      for (const piece of pieces.slice(1)) client.socket.arrive(piece)
      clients.push(client)
      if (number % 25 === 0) await turn()
    }
    await turn()
    for (const client of clients) {
      client.read()
      client.socket.arrive(null)
      client.socket.destroy()
    }
    await turn()
    expect(await problems(clients), `seed ${SEED}, sequences ${first} to ${number - 1}`).toEqual([])
  }
  await onlyHonest()
})

test('[I9] [I10] [P1] 100,000 damaged messages: each is answered or refused, and nothing fails', {
  timeout: 120_000,
}, async () => {
  const clients = { v1: new Client('/ws?userId=v1', 'v1'), v2: new Client('/ws?userId=v2&sessionId=s', 'v2') }
  await turn()
  const kinds = new Map<string, number>()
  for (let number = 0; number < MESSAGES; ) {
    const first = number
    for (const end = number + ROUND; number < end; number++) {
      const version = number % 2 === 0 ? 'v1' : 'v2'
      const text = message(number, SEED)
      const where = `seed ${SEED}, message ${number}`
      const { type, ...rest } = decode(text, version)
      const kind = type === 'refusal' ? (rest as { code: string }).code : 'request'
      kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
      expect(type === 'refusal' || Object.hasOwn(JSON.parse(text), 'type'), where).toBe(true)
      clients[version].socket.arrive(frame({ opcode: OPCODE.text, payload: text }))
      if (number % 25 === 0) await turn()
    }
    await turn()
    for (const client of Object.values(clients)) client.read()
    expect(
      await problems(Object.values(clients)),
      `seed ${SEED}, messages ${first} to ${number - 1}`,
    ).toEqual([])
    // A message that ends the connection would make the others meaningless.
    expect(
      Object.values(clients).map(({ socket }) => socket.destroyed),
      `seed ${SEED}, up to ${number}`,
    ).toEqual([false, false])
  }
  // The damage is neither too much nor too little.
  for (const kind of ['request', 'bad_json', 'bad_message', 'unknown_type']) {
    expect(kinds.get(kind), kind).toBeGreaterThan(MESSAGES / 100)
  }
  for (const { socket } of Object.values(clients)) socket.destroy()
  await onlyHonest()
})

test('the negative control: a bug, a connection that is left, and an honest client without an answer are found', async () => {
  const left = new Client('/ws?userId=left', 'v1')
  await turn()
  expect(server.gateway.connections).toBe(2)
  server.errors.push('planted')
  honest.socket.destroy()
  expect(await problems([left])).toEqual(['a bug was logged: planted', 'the honest client got no answer'])
  server.errors.length = 0
  left.socket.destroy()
})
