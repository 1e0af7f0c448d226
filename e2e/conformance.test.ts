import { TestClient } from '@who-is-online/testing/client'
import {
  acceptOf,
  closeFrame,
  frame,
  handshake,
  OPCODE,
  RawClient,
  type RawResponse,
  type ReceivedFrame,
  SAMPLE_KEY,
  textFrame,
} from '@who-is-online/testing/raw-client'
import { type RunningServer, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Case, groups, shown } from './conformance.cases.ts'

// RFC 6455 on our endpoint, over raw TCP: conformance.cases.ts says what clients do and what must come of it.
// A group is observed in batches first and judged case by case after, so that every case has a line of its own.

const dir = temporaryDir()
let server: RunningServer
beforeAll(async () => {
  // No ping of the server's own falls into a case.
  server = await startServer(dir.path, { LIMITS: 'off', PING_MS: 3_600_000, OFFLINE_GRACE_MS: 0 })
})
afterAll(async () => {
  await server.end('SIGTERM')
  dir.remove()
})

/** How many cases run at the same time. */
const BATCH = 24

/** The question at the end of a case, and what its answer begins with. */
const QUESTION = textFrame('{"type":"check_user_status","targetUserId":"are you there"}')
const ANSWER = '{"type":"user_status","userId":"are you there"'

for (const { name, opened, cases } of groups) {
  describe(`[C1] RFC 6455, ${name}`, () => {
    const observed = new Map<Case, readonly string[]>()
    beforeAll(async () => {
      const waiting = cases.values()
      const worker = async () => {
        for (const one of waiting) observed.set(one, await observe(one))
      }
      await Promise.all(Array.from({ length: BATCH }, worker))
    }, 60_000)

    for (const one of cases) {
      test(one.title, () => {
        expect(observed.get(one)).toEqual(opened ? ['101', 'welcome raw', ...one.expect] : one.expect)
      })
    }

    test('and the next honest client is served', async () => {
      const client = await TestClient.as(server, 'honest')
      // Those whose connection broke are gone with the next look at the clock.
      await expect
        .poll(() => client.ask({ type: 'get_online_count' }, 'online_count'))
        .toMatchObject({ count: 1 })
      await client.leave()
    })
  })
}

test('a connection that has asked for something else before can be upgraded', async () => {
  const client = await RawClient.connect(server.port)
  client.write(Buffer.from('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'))
  expect(await client.response()).toMatchObject({ status: 200 })
  client.write(Buffer.concat([handshake(), QUESTION]))
  expect(await client.response()).toMatchObject({ status: 101 })
  expect(await conversation(client, { title: '', expect: [] })).toEqual(['welcome raw', 'open'])
  client.destroy()
})

for (const [what, bytes] of [
  ['a close by the server', frame({ opcode: OPCODE.binary })],
  ['a violation', frame({ opcode: 3 })],
] as const) {
  test(`[I1] after ${what} the user is gone at once, though the client keeps the connection`, async () => {
    const watcher = await TestClient.as(server, 'watcher')
    const heard = async (status: string) => {
      for (;;) {
        const change = await watcher.next('user_status_change')
        if (change.userId === 'lingering' && change.status === status) return
      }
    }
    const client = await RawClient.connect(server.port, { halfOpen: true })
    client.write(handshake({ target: '/ws?userId=lingering' }))
    await heard('online')
    client.write(bytes)
    const begun = performance.now()
    await heard('offline')
    client.destroy()
    await watcher.leave()
    expect(performance.now() - begun).toBeLessThan(1_000)
  })
}

test('there are 250 cases and more, each with a title of its own', () => {
  const titles = groups.flatMap(({ name, cases }) => cases.map(({ title }) => `${name}: ${title}`))
  expect(titles.length).toBeGreaterThanOrEqual(250)
  expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([])
})

test('[I9] [I10] after all of it no connection is left, and nothing was a bug', async () => {
  const figures = async () => {
    const metrics = await (await fetch(`${server.origin}/metrics`)).text()
    return metrics.match(/^wio_(connections|users_online) .*$/gm)
  }
  await expect.poll(figures, { timeout: 5_000 }).toEqual(['wio_users_online 0', 'wio_connections 0'])
  expect(server.output()).not.toMatch(/ error |a bug|a request failed/)
})

/** Plays a case and tells what came back, line by line, up to the answer to the question or the end. */
async function observe(one: Case): Promise<string[]> {
  const client = await RawClient.connect(server.port, { halfOpen: one.last === 'nothing' })
  try {
    await client.writeApart(one.raw ?? [handshake(one.request)])
    if (one.last === 'finish' && one.raw) client.finish()
    const response = await client.response({ toHead: one.request?.method === 'HEAD' })
    if (response === undefined) return ['nothing']
    if (typeof response === 'string') return [response]
    if (response.status !== 101) return [...refusal(response, one), await howItGoesOn(client, response)]
    await client.writeApart(one.send ?? [])
    if (one.last === 'finish') client.finish()
    else if (one.last !== 'nothing') client.write(QUESTION)
    return [upgrade(response, one), ...(await conversation(client, one))]
  } finally {
    client.destroy()
  }
}

function refusal({ status, headers }: RawResponse, { shows = [] }: Case): string[] {
  return [['HTTP', status, ...shows.map(name => `${name}=${headers.get(name)}`)].join(' ')]
}

/** Whether a connection that was not upgraded ends, as a response says, or is kept for a next request. */
async function howItGoesOn(client: RawClient, { headers }: RawResponse): Promise<string> {
  if (headers.get('connection') !== 'close') return 'kept'
  return (await client.ended()) ?? 'nothing'
}

function upgrade({ headers }: RawResponse, one: Case): string {
  const { 'Sec-WebSocket-Key': key = SAMPLE_KEY } = one.request?.headers ?? {}
  const isRight =
    headers.get('upgrade')?.toLowerCase() === 'websocket' &&
    headers.get('connection')?.toLowerCase() === 'upgrade' &&
    headers.get('sec-websocket-accept') === acceptOf(String(key))
  const agreed = ['sec-websocket-protocol', 'sec-websocket-extensions'].map(name => headers.get(name) ?? [])
  return [isRight ? '101' : '101 MALFORMED', ...agreed.flat()].join(' ')
}

async function conversation(client: RawClient, one: Case): Promise<string[]> {
  const lines: string[] = []
  for (;;) {
    const frame = await client.frame()
    if (frame === undefined) return [...lines, 'nothing']
    if (typeof frame === 'string') return [...lines, frame]
    const line = lineOf(frame)
    if (line !== undefined) lines.push(line)
    if (line === 'open') return lines
    if (frame.opcode === OPCODE.close && one.last === undefined) client.write(closeFrame(1000))
  }
}

/** A frame as a line; undefined for what is about other users. */
function lineOf(frame: ReceivedFrame): string | undefined {
  const { opcode, fin, rsv, masked, minimal, payload } = frame
  if (!fin || rsv !== 0 || masked || !minimal) return `MALFORMED ${JSON.stringify(frame)}`
  if (opcode === OPCODE.pong) return `pong ${shown(payload)}`.trimEnd()
  if (opcode === OPCODE.close && payload.length === 0) return 'close'
  if (opcode === OPCODE.close)
    return `close ${payload.readUInt16BE(0)} ${shown(payload.subarray(2))}`.trimEnd()
  if (opcode !== OPCODE.text || !payload.equals(Buffer.from(payload.toString())))
    return `MALFORMED ${JSON.stringify(frame)}`
  return lineOfText(payload.toString())
}

function lineOfText(text: string): string | undefined {
  if (text.startsWith(ANSWER)) return 'open'
  const { type, ...message } = JSON.parse(text)
  switch (type) {
    case 'user_status_change':
      return undefined
    case 'welcome':
      return `welcome ${message.userId}`
    case 'user_status':
      return `user_status ${message.userId} ${message.online}`
    case 'status_updated':
      return `status_updated ${message.status}`
    case 'error': {
      const [, code = '?', field = ''] = /^(\w+): ("[^"]+")?/.exec(message.message) ?? []
      return `error ${code} ${field}`.trimEnd()
    }
    default:
      return type
  }
}
