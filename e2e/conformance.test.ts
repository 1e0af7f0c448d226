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
import { useServer } from '@who-is-online/testing/use-server'
import { beforeAll, describe, expect, test } from 'vitest'
import type { Case } from './conformance/case.ts'
import { shown } from './conformance/frames.ts'
import { groups } from './conformance/groups.ts'

// RFC 6455 on the server's endpoint, over raw TCP. The files in conformance/ hold the cases.
// The cases of a group run in parallel first; then each case is compared in a test of its own.

// The server must not send a ping of its own during a case.
const server = useServer({
  ALLOWED_HOSTS: 'presence.example.com,p.example.com',
  LIMITS: 'off',
  PING_MS: 3_600_000,
  OFFLINE_GRACE_MS: 0,
})

/** How many cases run at the same time. */
const BATCH = 24

/** The final request of a case, and the start of its reply. */
const FINAL_REQUEST = textFrame('{"type":"check_user_status","targetUserId":"are you there"}')
const FINAL_REPLY = '{"type":"user_status","userId":"are you there"'

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

    test('afterwards an ordinary client is served', async () => {
      const client = await TestClient.as(server, 'ordinary')
      // Users whose connection broke go offline at the next tick.
      await expect
        .poll(() => client.ask({ type: 'get_online_count' }, 'online_count'))
        .toMatchObject({ count: 1 })
      await client.leave()
    })
  })
}

test('a connection that was used for an HTTP request before can be upgraded', async () => {
  const client = await RawClient.connect(server.port)
  client.write(Buffer.from('GET /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n'))
  expect(await client.response()).toMatchObject({ status: 200 })
  client.write(Buffer.concat([handshake(), FINAL_REQUEST]))
  expect(await client.response()).toMatchObject({ status: 101 })
  expect(await conversation(client, { title: '', expect: [] })).toEqual(['welcome raw', 'open'])
  client.destroy()
})

for (const [what, bytes] of [
  ['a close by the server', frame({ opcode: OPCODE.binary })],
  ['a violation', frame({ opcode: 3 })],
] as const) {
  test(`[I1] after ${what} the user is offline at once, even if the client keeps TCP open`, async () => {
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

test('there are at least 250 cases after a handshake and 40 handshakes, and all titles differ', () => {
  const titles = groups.flatMap(({ name, cases }) => cases.map(({ title }) => `${name}: ${title}`))
  const count = (opened: boolean) =>
    groups.reduce((sum, group) => sum + (group.opened === opened ? group.cases.length : 0), 0)
  expect(count(true)).toBeGreaterThanOrEqual(250)
  expect(count(false)).toBeGreaterThanOrEqual(40)
  expect(titles.filter((title, index) => titles.indexOf(title) !== index)).toEqual([])
})

test('[I9] [I10] after all cases no connection is left, and no bug was logged', async () => {
  const figures = async () => {
    const metrics = await (await fetch(`${server.origin}/metrics`)).text()
    return metrics.match(/^wio_(connections|users_online) .*$/gm)
  }
  await expect.poll(figures, { timeout: 5_000 }).toEqual(['wio_users_online 0', 'wio_connections 0'])
  expect(server.output()).not.toMatch(/ error |a bug|request failed/)
})

/** Runs a case. Returns the lines that came back, up to the reply to the final request or the end of TCP. */
async function observe(one: Case): Promise<string[]> {
  const client = await RawClient.connect(server.port, { halfOpen: one.last === 'nothing' })
  try {
    await client.writeApart(one.raw ?? [handshake(one.request)])
    if (one.last === 'finish' && one.raw) client.finish()
    const response = await client.response({ toHead: one.request?.method === 'HEAD' })
    if (response === undefined) return ['nothing']
    if (typeof response === 'string') return [response]
    if (response.status !== 101) return [...refusal(response, one), await afterRefusal(client, response)]
    await client.writeApart(one.send ?? [])
    if (one.last === 'finish') client.finish()
    else if (one.last !== 'nothing') client.write(FINAL_REQUEST)
    return [upgrade(response, one), ...(await conversation(client, one))]
  } finally {
    client.destroy()
  }
}

function refusal({ status, headers }: RawResponse, { shows = [] }: Case): string[] {
  return [['HTTP', status, ...shows.map(name => `${name}=${headers.get(name)}`)].join(' ')]
}

/** `kept` when the response keeps TCP open for another request; otherwise how the server ended TCP. */
async function afterRefusal(client: RawClient, { headers }: RawResponse): Promise<string> {
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

/** A frame as a line; `undefined` for a message about another user. */
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
  if (text.startsWith(FINAL_REPLY)) return 'open'
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
