import { type ChildProcess, spawn } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { fileURLToPath } from 'node:url'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { seeded } from '@who-is-online/testing/random'
import {
  closeFrame,
  FrameParser,
  frame,
  handshake,
  OPCODE,
  type ReceivedFrame,
} from '@who-is-online/testing/raw-client'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, expect, test } from 'vitest'

// Valid sessions with damage: flipped bits; pieces removed, repeated, swapped or inserted. Whatever happens
// to the sender, the process must live, ordinary clients must be answered, and nothing must be left
// afterwards.
//
// SEED=… N=… changes the run. A sequence depends only on the seed and its number.

const SEED = Number(process.env['SEED'] ?? 6_455)
const N = Number(process.env['N'] ?? 100_000)

/** How many connections send at the same time. */
const AT_ONCE = 48

/** After this many sequences, the ordinary clients and the health of the server are checked. */
const ROUND = 1_000

const ORDINARY = 4

/** How long an ordinary client may wait for a reply, in ms. */
const ANSWER_MS = 2_000

/**
 * How long the server may take until only the ordinary clients are left: grace, one tick, a closing
 * handshake.
 */
const QUIET_MS = 10_000

/** How much the used memory may grow, without garbage: caches, compiled code, 300 users. */
const GROWTH_BYTES = 24 * 1024 * 1024

/** How long unneeded memory may be kept: the longest deadline of the server. */
const FORGET_MS = 20_000

/** Maximum resident memory of the process, with garbage. */
const RESIDENT_BYTES = 768 * 1024 * 1024

/** Starts the debugger of Node, which can trigger a garbage collection. */
const INSPECTED = '--inspect=127.0.0.1:0'

type Random = () => number

const below = (random: Random, end: number) => Math.floor(random() * end)
const oneOf = <Item>(random: Random, items: readonly Item[]) => items[below(random, items.length)] as Item

// A valid session

const TEXTS = [
  '{"type":"get_online_count"}',
  '{"type":"check_user_status","targetUserId":"ordinary 1"}',
  '{"type":"check_user_status","targetUserId":123}',
  '{"type":"get_all_users"}',
  '{"type":"set_status","status":"online"}',
  '{"type":"set_status","status":"offline"}',
  '{"type":"identify","username":"👩‍💻 é \\u2028"}',
  '{"type":"dance","x":{"y":[1,{"z":null}]}}',
  // Defined only in v2; v1 refuses it.
  '{"type":"set_status","status":"busy","text":"in a call","expiresAt":"2999-01-01T00:00:00Z","id":1}',
  '{"type":"set_activity","state":"idle"}',
  '{"type":"subscribe","userIds":["ordinary 1","ordinary 2",3],"id":"a"}',
  '{"type":"subscribe","all":true,"since":{"epoch":"x","seq":1}}',
  '{"type":"subscribe","count":true}',
  '{"type":"unsubscribe","userIds":["ordinary 1"]}',
  '{"type":"unsubscribe","all":true}',
  '{"type":"get_users","userIds":["ordinary 1","nobody"]}',
  '{"type":"list_users","status":"online","limit":3}',
  '{"type":"client_state","state":"inactive"}',
  '{"type":"client_state","state":"active"}',
  '{"type":"ping","id":7}',
]

/** Lengths around the changes of the length form, and around the limit of 64 KiB. */
const LENGTHS: readonly ((random: Random) => number)[] = [
  random => 120 + below(random, 12),
  random => below(random, 4_000),
  random => 65_530 + below(random, 12),
]

const KINDS: readonly ((random: Random, mask: Buffer) => Buffer[])[] = [
  (random, mask) => [frame({ opcode: OPCODE.text, payload: maybeDamaged(random), mask })],
  (random, mask) => [frame({ opcode: OPCODE.text, payload: maybeDamaged(random), mask })],
  (random, mask) => inFragments(random, maybeDamaged(random), mask),
  (random, mask) => [
    frame({
      opcode: OPCODE.text,
      payload: oneOf(random, TEXTS).padEnd(oneOf(random, LENGTHS)(random)),
      mask,
    }),
  ],
  (random, mask) => [frame({ opcode: OPCODE.ping, payload: Buffer.alloc(below(random, 126), 7), mask })],
  (random, mask) => [frame({ opcode: OPCODE.pong, payload: Buffer.alloc(below(random, 126), 7), mask })],
  random => [closeFrame(oneOf(random, [1000, 1001, 3000, 4999]), 'bye')],
]

/** A text message. In one of three, bytes are changed before framing, so that the frame is valid. */
function maybeDamaged(random: Random): Buffer {
  const text = Buffer.from(oneOf(random, TEXTS))
  if (random() < 2 / 3) return text
  for (let left = 1 + below(random, 4); left > 0; left--)
    text[below(random, text.length)] = below(random, 256)
  return text
}

function inFragments(random: Random, payload: Buffer, mask: Buffer): Buffer[] {
  const cuts = [0, ...Array.from({ length: 1 + below(random, 5) }, () => below(random, payload.length))]
  cuts.sort((a, b) => a - b)
  return cuts.map((cut, index) =>
    frame({
      opcode: index === 0 ? OPCODE.text : OPCODE.continuation,
      payload: payload.subarray(cut, cuts[index + 1]),
      fin: index === cuts.length - 1,
      mask,
    }),
  )
}

function session(random: Random): Buffer[] {
  const mask = Buffer.from(Array.from({ length: 4 }, () => below(random, 256)))
  return Array.from({ length: 1 + below(random, 6) }, () => oneOf(random, KINDS)(random, mask)).flat()
}

// Damage

/** Ways to damage the sequence of frames, or their bytes. */
const FRAME_DAMAGE: readonly ((frames: Buffer[], random: Random) => Buffer[])[] = [
  (frames, random) => {
    const [a, b] = [below(random, frames.length), below(random, frames.length)]
    return frames.map((frame, index) => frames[index === a ? b : index === b ? a : index] ?? frame)
  },
  (frames, random) => frames.toSpliced(below(random, frames.length), 1),
  (frames, random) => frames.toSpliced(below(random, frames.length), 0, oneOf(random, frames)),
  (frames, random) => frames.toSpliced(below(random, frames.length), 1, ...session(random)),
  // Changes a header: opcode and flags, or mask bit and length.
  (frames, random) =>
    frames.with(below(random, frames.length), withByte(oneOf(random, frames), below(random, 2), random)),
]

const BYTE_DAMAGE: readonly ((bytes: Buffer, random: Random) => Buffer)[] = [
  (bytes, random) => {
    const flipped = Buffer.from(bytes)
    for (let left = 1 + below(random, 8); left > 0; left--) {
      const at = below(random, bytes.length)
      flipped[at] = (flipped[at] ?? 0) ^ (1 << below(random, 8))
    }
    return flipped
  },
  (bytes, random) => bytes.subarray(0, below(random, bytes.length)),
  (bytes, random) => bytes.subarray(below(random, bytes.length)),
  (bytes, random) => {
    const [from, to] = [below(random, bytes.length), below(random, bytes.length)]
    return Buffer.concat([bytes.subarray(0, from), bytes.subarray(to)])
  },
  (bytes, random) => {
    const at = below(random, bytes.length)
    const other = Buffer.concat(session(random))
    return Buffer.concat([
      bytes.subarray(0, at),
      other.subarray(below(random, other.length)),
      bytes.subarray(at),
    ])
  },
  (bytes, random) => withByte(bytes, below(random, bytes.length), random),
  (bytes, random) => {
    const at = below(random, bytes.length)
    return Buffer.concat([
      bytes.subarray(0, at),
      Buffer.alloc(below(random, 64), oneOf(random, [0, 0x80, 0xff])),
    ])
  },
]

function withByte(bytes: Buffer, at: number, random: Random): Buffer {
  const changed = Buffer.from(bytes)
  changed[at] = oneOf(random, [0x00, 0x7f, 0x80, 0xff, 0xfe, 0x8b, below(random, 256)])
  return changed
}

interface Sequence {
  readonly userId: string
  /** The bytes to send, in pieces. */
  readonly pieces: readonly Buffer[]
  /** How the sender ends: it ends its side and reads on, resets TCP, or waits for the server. */
  readonly ending: 'finishes' | 'breaks off' | 'waits'
}

function sequence(number: number, seed: number): Sequence {
  const random = seeded(seed * 1_000_003 + number)
  let frames = session(random)
  for (let left = below(random, 3); left > 0 && frames.length > 0; left--) {
    frames = oneOf(random, FRAME_DAMAGE)(frames, random)
  }
  let bytes = Buffer.concat(frames)
  for (let left = 1 + below(random, 2); left > 0 && bytes.length > 0; left--) {
    bytes = Buffer.from(oneOf(random, BYTE_DAMAGE)(bytes, random))
  }
  const cut = random() < 0.3 ? below(random, bytes.length + 1) : bytes.length
  return {
    userId: `m${below(random, 300)}`,
    pieces: [bytes.subarray(0, cut), bytes.subarray(cut)].filter(({ length }) => length > 0),
    ending: random() < 0.6 ? 'finishes' : random() < 0.5 ? 'breaks off' : 'waits',
  }
}

// Playing them

/** The server under attack. */
interface Target {
  readonly port: number
  readonly pid: number
  /** `ws://127.0.0.1:PORT/ws` */
  readonly url: string
  readonly output: () => string
}

interface Verdict {
  readonly played: number
  readonly violations: readonly string[]
  /** How the connections ended, by close code; `none` without a close frame. */
  readonly ends: Readonly<Record<string, number>>
  /** The response times of ordinary clients, in ms. */
  readonly waits: readonly number[]
  readonly before: Memory
  readonly after: Memory | undefined
}

/** Sends `n` damaged sequences, and checks ordinary clients and the health of the server meanwhile. */
async function bombard(target: Target, { n, seed }: { n: number; seed: number }): Promise<Verdict> {
  const violations: string[] = []
  const ends: Record<string, number> = {}
  const waits: number[] = []
  const ordinary = await Promise.all(
    Array.from({ length: ORDINARY }, (_, index) => TestClient.as(target, `ordinary ${index}`)),
  )
  const playing = new Set<number>()
  let next = 0
  const before = await memory(target)
  const filesBefore = (await figures(target)).files
  let after: Memory | undefined

  const worker = async (until: number): Promise<void> => {
    while (next < until && violations.length === 0) {
      const number = next++
      playing.add(number)
      const { end, faults } = await play(target.port, sequence(number, seed))
      playing.delete(number)
      ends[end] = (ends[end] ?? 0) + 1
      violations.push(...faults.map(fault => `sequence ${number}: ${fault}`))
    }
  }
  const look = async (): Promise<void> => {
    for (const client of ordinary) {
      const begun = performance.now()
      const answer = client.ask({ type: 'get_online_count' }, 'online_count').then(() => 'answered')
      const outcome = await Promise.race([answer, sleep(ANSWER_MS).then(() => 'no answer')]).catch(String)
      waits.push(performance.now() - begun)
      if (outcome !== 'answered') violations.push(`an ordinary client: ${outcome}`)
    }
    if (!isAlive(target.pid))
      violations.push(`the process ended, during or shortly before sequence ${[...playing].join()}`)
    const ready = await get(target, '/readyz')
    if (!ready.startsWith('200 ')) violations.push(`/readyz: ${ready}`)
    const bug = /^.*( error |a bug|rror:).*$/m.exec(target.output())
    if (bug) violations.push(`the log: ${bug[0]}`)
  }

  while (next < n && violations.length === 0) {
    const until = Math.min(n, next + ROUND)
    await Promise.all([...Array.from({ length: AT_ONCE }, () => worker(until)), look()])
  }
  await look()
  if (violations.length === 0) {
    violations.push(...(await whatIsLeft(target, filesBefore)))
    after = await memory(target)
    const { resident } = after
    const until = performance.now() + FORGET_MS
    while (after.used - before.used > GROWTH_BYTES && performance.now() < until) {
      await sleep(2_000)
      after = { ...(await memory(target)), resident }
    }
    const grown = after.used - before.used
    if (grown > GROWTH_BYTES) violations.push(`used memory grew by ${mib(grown)}`)
    if (after.resident > RESIDENT_BYTES) violations.push(`${mib(after.resident)} are resident`)
  }
  for (const client of ordinary) client.reset()
  return { played: next, violations, ends, waits, before, after }
}

/** Runs one sequence on a new connection, and checks what comes back. */
function play(
  port: number,
  { userId, pieces, ending }: Sequence,
): Promise<{ end: string; faults: string[] }> {
  return new Promise(resolve => {
    const faults: string[] = []
    const parser = new FrameParser()
    let head = ''
    let end = 'none'
    const socket = connect({ port, host: '127.0.0.1' })
    socket.setNoDelay()
    const patience = setTimeout(() => {
      faults.push('the connection never ended')
      socket.destroy()
    }, QUIET_MS / 2)
    const take = (bytes: Buffer): void => {
      for (const received of parser.push(bytes)) {
        const fault = faultOf(received)
        if (fault) faults.push(fault)
        if (received.opcode !== OPCODE.close) continue
        end = received.payload.length < 2 ? '1005' : String(received.payload.readUInt16BE(0))
        socket.end()
      }
    }
    socket.on('connect', () => void send(socket, userId, pieces, ending))
    socket.on('data', bytes => {
      if (head.endsWith('\r\n\r\n')) return take(bytes)
      const text = head + bytes.toString('latin1')
      const headEnd = text.indexOf('\r\n\r\n')
      head = headEnd < 0 ? text : text.slice(0, headEnd + 4)
      if (headEnd < 0) return
      if (!head.startsWith('HTTP/1.1 101 ')) faults.push(`the handshake was refused: ${head.slice(0, 60)}`)
      else take(Buffer.from(text.slice(headEnd + 4), 'latin1'))
    })
    socket.on('error', () => {})
    socket.on('close', () => {
      clearTimeout(patience)
      resolve({ end, faults })
    })
  })
}

async function send(
  socket: Socket,
  userId: string,
  pieces: readonly Buffer[],
  ending: Sequence['ending'],
): Promise<void> {
  const [first = Buffer.alloc(0), ...others] = pieces
  // Every second user uses v2 with one session, so each connection replaces the previous one.
  const isV2 = userId.length % 2 === 0
  const headers = isV2 ? { 'Sec-WebSocket-Protocol': 'who-is-online.v2' } : {}
  const target = `/ws?userId=${userId}${isV2 ? '&sessionId=s' : ''}`
  socket.write(Buffer.concat([handshake({ target, headers }), first]))
  for (const piece of others) {
    await sleep(1)
    socket.write(piece)
  }
  if (ending === 'finishes') return void socket.end()
  await sleep(ending === 'waits' ? 30 : 2)
  if (ending === 'waits') socket.end()
  else socket.resetAndDestroy()
}

/** What is wrong with a frame from the server; `undefined` if nothing. */
function faultOf({ opcode, fin, rsv, masked, minimal, payload }: ReceivedFrame): string | undefined {
  if (!fin || rsv !== 0 || masked || !minimal) return `a frame that a server must not send, opcode ${opcode}`
  if (opcode === OPCODE.ping || opcode === OPCODE.pong) {
    return payload.length > 125 ? 'a control frame of more than 125 bytes' : undefined
  }
  if (opcode === OPCODE.close) {
    const code = payload.length === 0 ? 1005 : payload.length === 1 ? 0 : payload.readUInt16BE(0)
    return code < 1000 || code > 4999 ? `a close with ${code}` : undefined
  }
  if (opcode !== OPCODE.text) return `opcode ${opcode}`
  try {
    JSON.parse(new TextDecoder('utf8', { fatal: true }).decode(payload))
    return undefined
  } catch {
    return `a text that is not JSON: ${payload.subarray(0, 60)}`
  }
}

interface Figures {
  readonly connections: number
  readonly online: number
  readonly files: number
}

/** What is left after all other clients have disconnected, and must not be. */
async function whatIsLeft(target: Target, filesBefore: number, ordinary = ORDINARY): Promise<string[]> {
  const problems = ({ connections, online, files }: Figures): string[] => [
    ...(connections === ordinary ? [] : [`${connections} connections are left, ${ordinary} are ordinary`]),
    ...(online === ordinary ? [] : [`${online} users are online, ${ordinary} are ordinary`]),
    ...(files <= filesBefore + ordinary ? [] : [`${files} files are open, ${filesBefore} were before`]),
  ]
  const until = performance.now() + QUIET_MS
  for (;;) {
    const left = problems(await figures(target))
    if (left.length === 0 || performance.now() > until) return left
    await sleep(200)
  }
}

/** Memory of the process in bytes. */
interface Memory {
  /** Used memory after a garbage collection, on and outside the heap. */
  readonly used: number
  /** Resident memory before the garbage collection. */
  readonly resident: number
}

/** Triggers a garbage collection through the debugger, and measures the memory. */
async function memory(target: Target): Promise<Memory> {
  const [url] = /ws:\/\/127\.0\.0\.1:\d+\/[0-9a-f-]{36}/.exec(target.output()) ?? []
  const inspector = await TestClient.open(String(url))
  const usage = async (id: number) => {
    const expression = 'JSON.stringify(process.memoryUsage())'
    inspector.send({ id, method: 'Runtime.evaluate', params: { expression } })
    const { result } = JSON.parse(await inspector.text())
    return JSON.parse(result.result.value) as NodeJS.MemoryUsage
  }
  const { rss } = await usage(1)
  inspector.send({ id: 2, method: 'HeapProfiler.collectGarbage' })
  await inspector.text()
  const { heapUsed, external } = await usage(3)
  inspector.reset()
  return { used: heapUsed + external, resident: rss }
}

async function figures(target: Target): Promise<Figures> {
  const text = await get(target, '/metrics')
  const figure = (name: string) => Number(new RegExp(`^${name} (.*)$`, 'm').exec(text)?.[1])
  return {
    connections: figure('wio_connections'),
    online: figure('wio_users_online'),
    files: figure('process_open_fds'),
  }
}

async function get({ port }: Target, path: string): Promise<string> {
  try {
    const signal = AbortSignal.timeout(ANSWER_MS)
    // Without keep-alive, so that this connection does not count as left over.
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      signal,
      headers: { connection: 'close' },
    })
    return `${response.status} \n${await response.text()}`
  } catch (error) {
    return String(error)
  }
}

function isAlive(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

const mib = (bytes = Number.NaN) => `${Math.round(bytes / 1024 / 1024)} MiB`

function print(
  what: string,
  { played, violations, ends, waits, before, after }: Verdict,
  seed: number,
): void {
  const sorted = waits.toSorted((a, b) => a - b)
  const at = (share: number) =>
    `${(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN).toFixed(1)} ms`
  console.log(
    [
      `${what}: seed ${seed}, N ${played}, violations ${violations.length}`,
      `  ordinary answers p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`,
      `  memory in use ${mib(before.used)} before, ${mib(after?.used)} after`,
      `  memory resident ${mib(before.resident)} before, ${mib(after?.resident)} after`,
      `  ended with ${JSON.stringify(ends)}`,
      ...violations.slice(0, 10).map(violation => `  ${violation}`),
    ].join('\n'),
  )
}

test('[I9] [I10] the server survives damaged frames, serves ordinary clients meanwhile, and keeps nothing', {
  timeout: 300_000,
}, async () => {
  const dir = temporaryDir()
  const server = await startServer(dir.path, { LIMITS: 'off', NODE_OPTIONS: INSPECTED })
  const verdict = await bombard(server, { n: N, seed: SEED })
  print('damaged frames', verdict, SEED)
  expect(verdict.violations).toEqual([])
  expect(verdict.played).toBe(N)
  // All kinds of damage occurred: some sequences are still valid, others violate each rule.
  expect(Object.keys(verdict.ends)).toEqual(
    expect.arrayContaining(['none', '1000', '1002', '1003', '1007', '1009']),
  )
  expect(await server.end('SIGTERM')).toBe(0)
  dir.remove()
})

test('[I9] an incomplete message is freed with its connection', async () => {
  const dir = temporaryDir()
  const server = await startServer(dir.path, { LIMITS: 'off', OFFLINE_GRACE_MS: 0, NODE_OPTIONS: INSPECTED })
  const before = await memory(server)
  const half = frame({ opcode: OPCODE.text, payload: Buffer.alloc(65_536, 0x20) }).subarray(0, 60_000)
  for (let round = 0; round < 40; round++) {
    const connections = Array.from({ length: 50 }, () =>
      play(server.port, { userId: 'half', pieces: [half], ending: 'finishes' }),
    )
    expect((await Promise.all(connections)).flatMap(({ faults }) => faults)).toEqual([])
  }
  expect(await whatIsLeft(server, Number.POSITIVE_INFINITY, 0)).toEqual([])
  const after = await memory(server)
  console.log(
    `2,000 halves of 60,000 bytes: memory in use ${mib(before.used)} before, ${mib(after.used)} after`,
  )
  await server.end('SIGKILL')
  dir.remove()
  expect(after.used - before.used).toBeLessThan(GROWTH_BYTES)
})

// Negative controls: the same checks on a small server that is correct, or has one of the faults that must be
// found.

const SMALL_SERVER = `
const { createServer } = require('node:http')
const { WebSocketServer } = require('ws')
const fault = process.argv[1]
let connections = 0
const http = createServer((request, response) => response.end(request.url === '/metrics'
  ? 'wio_connections ' + connections + '\\nwio_users_online ' + connections +
    '\\nprocess_open_fds 20\\n'
  : 'ready'))
const server = new WebSocketServer({ server: http, maxPayload: 65536 })
const kept = []
server.on('connection', (socket, request) => {
  connections++
  const userId = new URL(request.url, 'http://x').searchParams.get('userId')
  socket.send(JSON.stringify({ type: 'welcome', userId }))
  socket.on('error', error => {
    if (fault === 'logs a bug' && /opcode 11/.test(error.message)) console.error('Error: a bug', error.message)
    if (fault === 'crashes' && /opcode 11/.test(error.message)) throw error
    if (fault === 'hangs' && /opcode 11/.test(error.message)) for (;;);
    if (fault === 'leaks connections' && /opcode 11/.test(error.message)) connections++
    if (fault === 'leaks memory') kept.push(Buffer.alloc(32768, 1))
  })
  socket.on('message', (data, isBinary) => {
    if (isBinary) return socket.close(1003)
    const text = fault === 'sends invalid JSON' && data.length % 97 === 0 ? '{' : JSON.stringify({ type: 'online_count', count: connections })
    socket.send(text)
  })
  socket.on('close', () => connections--)
})
http.listen(0, '127.0.0.1', () => console.log('port ' + http.address().port))
`

const children = new Set<ChildProcess>()
afterAll(() => {
  for (const child of children) child.kill('SIGKILL')
})

async function startSmallServer(fault: string): Promise<Target> {
  const child = spawn(process.execPath, [INSPECTED, '-e', SMALL_SERVER, fault], {
    cwd: fileURLToPath(new URL('../testing/', import.meta.url)),
  })
  children.add(child)
  child.once('exit', () => children.delete(child))
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', data => {
      output += data
    })
  }
  for (;;) {
    const port = Number(/^port (\d+)/m.exec(output)?.[1])
    if (port) return { port, pid: child.pid ?? 0, url: `ws://127.0.0.1:${port}/ws`, output: () => output }
    if (child.exitCode !== null) throw new Error(output)
    await sleep(20)
  }
}

test.for([
  ['none', undefined],
  ['crashes', /^the process ended/],
  ['hangs', /^an ordinary client: no answer|^\/readyz: TimeoutError/],
  ['logs a bug', /^the log: Error: a bug/],
  ['leaks connections', /connections are left/],
  ['leaks memory', /^used memory grew/],
  ['sends invalid JSON', /^sequence \d+: a text that is not JSON/],
] as const)(
  'control: the checks find the fault of a small server: %s',
  {
    timeout: 60_000,
  },
  async ([fault, expected]) => {
    const verdict = await bombard(await startSmallServer(fault), { n: 4_000, seed: SEED })
    print(`control, ${fault}`, verdict, SEED)
    if (expected) expect(verdict.violations).toContainEqual(expect.stringMatching(expected))
    else expect(verdict.violations).toEqual([])
  },
)
