import { readFileSync } from 'node:fs'
import { connect, type Socket } from 'node:net'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { frame, handshake, OPCODE } from '@who-is-online/testing/raw-client'
import { startServer } from '@who-is-online/testing/start-server'
import { useTemporaryDir } from '@who-is-online/testing/use-temporary-dir'
import { expect, test } from 'vitest'

// A fifth of a crowd stops reading, and answers no ping. The server must not keep much for them, must close them in
// time, and the others must not notice.
//
// N=… changes the number of clients.

const N = Number(process.env['N'] ?? 5_000)
const STALLED = N / 5

/** Users whose status changes once a second each. They speak v2 and subscribe to nothing, so they get only answers. */
const DRIVERS = 200

/** Clients that measure how long a change takes. */
const PROBES = 20

/** How long each measurement takes, in ms. */
const MEASURE_MS = 30_000

/** How often a client that reads sends a sign of life, in ms. It is less than PONG_TIMEOUT_MS. */
const ALIVE_EVERY_MS = 5_000

const MIB = 1024 * 1024
const MAX_GROWTH = 320 * MIB
const MAX_CUT_MS = 30_000
const PONG = frame({ opcode: OPCODE.pong })

const dir = useTemporaryDir()

/** A client that reads and drops everything: parsing the frames of thousands would be what is measured. */
function reader(port: number, n: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1' })
    socket.once('error', reject)
    socket.once('connect', () => socket.write(handshake({ target: `/ws?userId=reader-${n}` })))
    socket.once('data', () => {
      socket.off('error', reject)
      socket.on('error', () => {})
      socket.on('data', () => {})
      resolve(socket)
    })
  })
}

const p99 = (values: readonly number[]) =>
  values.toSorted((a, b) => a - b)[Math.ceil(values.length * 0.99) - 1] ?? Number.NaN

const residentOf = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024

test('[I9] [K1] a fifth of the clients stops reading: little memory, closed within 30 s, and the others do not notice', async () => {
  const server = await startServer(dir.path, { LIMITS: 'off', NODE_OPTIONS: '--max-semi-space-size=8' })
  const drivers = await Promise.all(
    Array.from({ length: DRIVERS }, (_, n) => TestClient.v2(server, `driver-${n}`)),
  )
  const probes = await Promise.all(
    Array.from({ length: PROBES }, (_, n) => TestClient.as(server, `probe-${n}`)),
  )
  // Before the first of them connects: the first ping comes at a random time after the welcome.
  const alive = new Set<Socket>()
  const signs = setInterval(() => {
    for (const socket of alive) socket.write(PONG)
  }, ALIVE_EVERY_MS)
  for (let n = 0; n < N; n += 100) {
    const arrived = await Promise.all(Array.from({ length: 100 }, (_, k) => reader(server.port, n + k)))
    for (const socket of arrived) alive.add(socket)
  }
  const readers = [...alive]

  const sentAt = new Map<string, number>()
  let latencies: number[] = []
  for (const probe of probes) {
    probe.socket.on('message', data => {
      const userId = /"userId":"(driver-\d+)"/.exec(String(data))?.[1]
      const at = userId === undefined ? undefined : sentAt.get(userId)
      if (at !== undefined) latencies.push(performance.now() - at)
      probe.texts.length = 0
    })
  }
  let made = 0
  const changes = setInterval(() => {
    for (let n = 0; n < DRIVERS / 20; n++) {
      const number = made++ % DRIVERS
      const status = Math.floor(made / DRIVERS) % 2 === 0 ? 'offline' : 'online'
      sentAt.set(`driver-${number}`, performance.now())
      drivers[number]?.send({ type: 'set_status', status })
      for (const driver of drivers) driver.texts.length = 0
    }
  }, 50)

  const connections = async () => {
    const metrics = await (await fetch(`${server.origin}/metrics`)).text()
    return Number(/^wio_connections (\d+)$/m.exec(metrics)?.[1])
  }
  /** The slowest hundredth of all changes during the measurement, and the most memory. */
  const measure = async (look = async () => {}) => {
    latencies = []
    let resident = 0
    for (const until = performance.now() + MEASURE_MS; performance.now() < until; await sleep(500)) {
      resident = Math.max(resident, residentOf(server.pid))
      await look()
    }
    return { p99: p99(latencies), resident, count: latencies.length }
  }

  await sleep(5_000)
  const before = await measure()
  expect(await connections()).toBe(N + DRIVERS + PROBES)

  const stalled = readers.slice(0, STALLED)
  for (const socket of stalled) {
    alive.delete(socket)
    socket.pause()
  }
  const begun = performance.now()
  let cutMs: number | undefined
  const during = await measure(async () => {
    if (cutMs === undefined && (await connections()) <= N - STALLED + DRIVERS + PROBES)
      cutMs = performance.now() - begun
  })
  const left = await connections()
  clearInterval(signs)
  clearInterval(changes)
  process.stdout.write(
    `stalled crowd: ${STALLED} of ${N}, ${made} changes; memory ${(before.resident / MIB).toFixed(0)} → ${(during.resident / MIB).toFixed(0)} MiB, ` +
      `all closed after ${(cutMs ?? Number.NaN).toFixed(0)} ms, p99 ${before.p99.toFixed(1)} → ${during.p99.toFixed(1)} ms\n`,
  )
  for (const socket of readers) socket.destroy()
  for (const client of [...drivers, ...probes]) client.reset()
  await server.end('SIGTERM')

  // The negative control: the measurements have seen the changes, and only those who stalled were closed.
  expect(during.count).toBeGreaterThan((DRIVERS * PROBES * MEASURE_MS) / 1_000 / 2)
  expect(left).toBe(N - STALLED + DRIVERS + PROBES)
  expect(during.resident - before.resident).toBeLessThan(MAX_GROWTH)
  expect(cutMs).toBeLessThan(MAX_CUT_MS)
  expect(during.p99).toBeLessThanOrEqual(2 * before.p99)
})
