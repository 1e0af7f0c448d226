import { type ChildProcess, spawn } from 'node:child_process'
import { connect, type Socket } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { fileURLToPath } from 'node:url'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { INSPECTED, Inspector } from '@who-is-online/testing/inspector'
import { FrameParser, frame, handshake, OPCODE } from '@who-is-online/testing/raw-client'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { afterAll, expect, test } from 'vitest'
import { faultOf } from './fuzz/fault-of.ts'
import { type Sequence, sequence } from './fuzz/frames.ts'
import { messages } from './fuzz/messages.ts'

// Valid sessions with damage: flipped bits; pieces removed, repeated, swapped or inserted. Whatever happens
// to the sender, the process must live, ordinary clients must be answered, and nothing must be left
// afterwards.
//
// SEED=… N=… changes the run: N frames, and N messages. A sequence depends only on the seed and its number.

const SEED = Number(process.env['SEED'] ?? 6_455)
const N = Number(process.env['N'] ?? 1_000_000)

/** How many connections send at the same time. */
const AT_ONCE = 48

/** After this many sequences, the ordinary clients and the health of the server are checked. */
const ROUND = 1_000

const ORDINARY = 4

/** After this time, in ms, an ordinary client gives up. */
const GIVE_UP_MS = 2_000

/**
 * How long an ordinary client may wait for a reply, in ms, without the time in which this process was busy itself. On a
 * machine that does other work at the same time, it may take longer.
 */
const ANSWER_MS = 100

/**
 * How long the server may take until only the ordinary clients are left: grace, one tick, a closing
 * handshake.
 */
const QUIET_MS = 10_000

/** How much the used memory may grow, without garbage: caches, compiled code, 300 users. */
const GROWTH_BYTES = 20 * 1024 * 1024

/** How long unneeded memory may be kept: the longest deadline of the server. */
const FORGET_MS = 20_000

/** Maximum resident memory of the process, with garbage. */
const RESIDENT_BYTES = 768 * 1024 * 1024

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
  /** How many sequences were sent, and how many frames they had. */
  readonly played: number
  readonly frames: number
  readonly violations: readonly string[]
  /** How the connections ended, by close code; `none` without a close frame. */
  readonly ends: Readonly<Record<string, number>>
  /** The response times of ordinary clients, in ms. */
  readonly waits: readonly number[]
  readonly before: Memory
  readonly after: Memory | undefined
}

/** Sends `n` damaged frames, and checks ordinary clients and the health of the server meanwhile. */
async function bombard(
  target: Target,
  { n, seed, sequenceOf = sequence }: { n: number; seed: number; sequenceOf?: typeof sequence },
): Promise<Verdict> {
  const violations: string[] = []
  const ends: Record<string, number> = {}
  const waits: number[] = []
  const ordinary = await Promise.all(
    Array.from({ length: ORDINARY }, (_, index) => TestClient.as(target, `ordinary ${index}`)),
  )
  const playing = new Set<number>()
  let next = 0
  let frames = 0
  const busy = monitorEventLoopDelay({ resolution: 5 })
  busy.enable()
  const before = await memory(target)
  const filesBefore = (await figures(target)).files
  let after: Memory | undefined

  const worker = async (until: number): Promise<void> => {
    while (next < until && violations.length === 0) {
      const number = next++
      playing.add(number)
      const damaged = sequenceOf(number, seed)
      frames += damaged.frames
      const { end, faults } = await play(target.port, damaged)
      playing.delete(number)
      ends[end] = (ends[end] ?? 0) + 1
      violations.push(...faults.map(fault => `sequence ${number}: ${fault}`))
    }
  }
  const look = async (): Promise<void> => {
    for (const client of ordinary) {
      const begun = performance.now()
      busy.reset()
      const answer = client.ask({ type: 'get_online_count' }, 'online_count').then(() => 'answered')
      const outcome = await Promise.race([answer, sleep(GIVE_UP_MS).then(() => 'no answer')]).catch(String)
      const waited = Math.max(0, performance.now() - begun - busy.max / 1e6)
      waits.push(waited)
      if (outcome === 'answered' && waited > ANSWER_MS)
        violations.push(`an ordinary client was answered after ${Math.round(waited)} ms`)
      if (outcome !== 'answered') violations.push(`an ordinary client: ${outcome}`)
    }
    if (!isAlive(target.pid))
      violations.push(`the process ended, during or shortly before sequence ${[...playing].join()}`)
    const ready = await get(target, '/readyz')
    if (!ready.startsWith('200 ')) violations.push(`/readyz: ${ready}`)
    const bug = /^.*( error |a bug|rror:).*$/m.exec(target.output())
    if (bug) violations.push(`the log: ${bug[0]}`)
  }

  while (frames < n && violations.length === 0) {
    const until = next + ROUND
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
  busy.disable()
  return { played: next, frames, violations, ends, waits, before, after }
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
  const inspector = await Inspector.attach(target)
  const usage = async () => (await inspector.evaluate('process.memoryUsage()')) as NodeJS.MemoryUsage
  const { rss } = await usage()
  await inspector.collectGarbage()
  const { heapUsed, external } = await usage()
  inspector.detach()
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
    const signal = AbortSignal.timeout(GIVE_UP_MS)
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
  { played, frames, violations, ends, waits, before, after }: Verdict,
  seed: number,
): void {
  const sorted = waits.toSorted((a, b) => a - b)
  const at = (share: number) =>
    `${(sorted[Math.ceil(share * sorted.length) - 1] ?? Number.NaN).toFixed(1)} ms`
  console.log(
    [
      `${what}: seed ${seed}, N ${frames} frames in ${played} sequences, violations ${violations.length}`,
      `  ordinary answers p50 ${at(0.5)}, p99 ${at(0.99)}, max ${at(1)}`,
      `  memory in use ${mib(before.used)} before, ${mib(after?.used)} after`,
      `  memory resident ${mib(before.resident)} before, ${mib(after?.resident)} after`,
      `  ended with ${JSON.stringify(ends)}`,
      ...violations.slice(0, 10).map(violation => `  ${violation}`),
    ].join('\n'),
  )
}

/**
 * The settings of a server under attack. A lost user whose tab was hidden is held as long as others. The ring of recent
 * changes grows to its limit by design; a small limit is reached before memory is measured first.
 */
const ATTACKED = { LIMITS: 'off', INACTIVE_GRACE_MS: 5_000, RECENT_CHANGES: 1_000, NODE_OPTIONS: INSPECTED }

test('[I9] [I10] the server survives damaged frames, serves ordinary clients meanwhile, and keeps nothing', {
  timeout: 900_000,
}, async () => {
  const dir = temporaryDir()
  const server = await startServer(dir.path, ATTACKED)
  const verdict = await bombard(server, { n: N, seed: SEED })
  print('damaged frames', verdict, SEED)
  expect(verdict.violations).toEqual([])
  expect(verdict.frames).toBeGreaterThanOrEqual(N)
  // All kinds of damage occurred: some sequences are still valid, others violate each rule.
  expect(Object.keys(verdict.ends)).toEqual(
    expect.arrayContaining(['none', '1000', '1002', '1003', '1007', '1009']),
  )
  expect(await server.end('SIGTERM')).toBe(0)
  dir.remove()
})

test('[I9] [I10] the server survives damaged messages, serves ordinary clients meanwhile, and keeps nothing', {
  timeout: 900_000,
}, async () => {
  const dir = temporaryDir()
  const server = await startServer(dir.path, ATTACKED)
  const verdict = await bombard(server, { n: N, seed: SEED, sequenceOf: messages })
  print('damaged messages', verdict, SEED)
  expect(verdict.violations).toEqual([])
  expect(verdict.frames).toBeGreaterThanOrEqual(N)
  // No message ends a connection, so all of them were read.
  expect(verdict.ends).toEqual({ none: verdict.played })
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
      play(server.port, { userId: 'half', pieces: [half], frames: 1, ending: 'finishes' }),
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
  const child = spawn(process.execPath, ['-e', SMALL_SERVER, fault], {
    env: { ...process.env, NODE_OPTIONS: INSPECTED },
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
    const verdict = await bombard(await startSmallServer(fault), { n: 20_000, seed: SEED })
    print(`control, ${fault}`, verdict, SEED)
    if (expected) expect(verdict.violations).toContainEqual(expect.stringMatching(expected))
    else expect(verdict.violations).toEqual([])
  },
)
