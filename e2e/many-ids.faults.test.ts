import { closeFrame } from '@who-is-online/testing/raw-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type OpenGateway, openGateway } from '../server/src/gateway/testing/open-gateway.ts'
import { upgrade } from './fuzz/in-process.ts'

// A million user ids, each of which connects once. They come without TCP, to a gateway in this process: real sockets
// would take an hour, and test the kernel. N=… changes the run.

const N = Number(process.env['N'] ?? 1_000_000)

/** How many of them connect at the same time. */
const AT_ONCE = 500

/** `maxKnown` of `openGateway`. */
const MAX_KNOWN = 1_000

let server: OpenGateway
beforeAll(async () => {
  server = await openGateway()
})
afterAll(() => {
  server.http.close()
})

const turn = () => new Promise<void>(resolve => setImmediate(resolve))

test('[I9] a million user ids: the server knows no more than its limit, and those who are connected', async () => {
  const highest = { known: 0, connections: 0 }
  let welcomed = 0
  for (let first = 0; first < N; first += AT_ONCE) {
    const sockets = Array.from({ length: AT_ONCE }, (_, n) =>
      upgrade(server.http, { target: `/ws?userId=id-${first + n}`, version: 'v1', head: Buffer.alloc(0) }),
    )
    const waiting = new Set(sockets)
    // Handshakes are handled in slices of some ms.
    for (let turns = 0; waiting.size > 0 && turns < 10_000; turns++) {
      await turn()
      for (const socket of waiting) if (socket.sent().includes('"type":"welcome"')) waiting.delete(socket)
    }
    welcomed += sockets.length - waiting.size
    highest.known = Math.max(highest.known, server.presence.knownCount)
    highest.connections = Math.max(highest.connections, server.gateway.connections)
    // With a close frame, because a lost user is held for a while.
    for (const socket of sockets) socket.arrive(closeFrame(1000))
    await turn()
    for (const socket of sockets) socket.destroy()
    await turn()
    // The ticker of a server does this.
    const now = Date.now()
    while (server.tracker.advance(now, performance.now()));
  }
  process.stdout.write(`many ids: N ${N}, welcomed ${welcomed}, known at most ${highest.known}\n`)
  // The negative control: all of them have been here, so a server without a limit would know N users.
  expect(welcomed).toBe(N)
  expect(highest.known).toBeLessThanOrEqual(MAX_KNOWN + AT_ONCE)
  expect(highest.connections).toBeLessThanOrEqual(2 * AT_ONCE)
  await expect.poll(() => server.gateway.connections).toBe(0)
  expect(server.errors).toEqual([])
})
