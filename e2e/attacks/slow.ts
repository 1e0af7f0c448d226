import { TestClient } from '@who-is-online/testing/client'
import { handshake, RawClient } from '@who-is-online/testing/raw-client'
import type { RunningServer } from '@who-is-online/testing/start-server'
import { onTestFinished } from 'vitest'
import type { Attack } from './attack.ts'

// Attackers that are slow: they hold what the server keeps for a connection, and send or read next to nothing.

/** How long the server may take until it ends all connections of a slow attacker, in ms. Its limits are up to 10 s. */
const PATIENCE_MS = 20_000

/** How often a slow attacker sends a byte, in ms. */
const BYTE_EVERY_MS = 200

const crowd = (server: RunningServer, count = 100): Promise<RawClient[]> =>
  Promise.all(Array.from({ length: count }, () => RawClient.connect(server.port)))

/** Resolves when the server has ended all connections. Rejects if it does not. */
async function endedByServer(clients: readonly RawClient[]): Promise<void> {
  const ends = await Promise.all(clients.map(client => client.ended(PATIENCE_MS)))
  for (const client of clients) client.destroy()
  const open = ends.filter(end => end === undefined).length
  if (open > 0) throw new Error(`the server did not end ${open} of ${clients.length} connections`)
}

/** Sends bytes one after the other until the connection has ended. */
function dribble(client: RawClient, bytes: Uint8Array): NodeJS.Timeout {
  let at = 0
  return setInterval(() => {
    // The last byte never comes, or the request would be complete.
    if (at < bytes.length - 1) client.write(bytes.subarray(at, ++at))
  }, BYTE_EVERY_MS)
}

/** 100 connections that send one byte of the same bytes from time to time, until the server ends them. */
const slowly =
  (begin: string, bytes: Uint8Array): Attack['begin'] =>
  async server => {
    const clients = await crowd(server)
    for (const client of clients) client.write(Buffer.from(begin))
    const timers = clients.map(client => dribble(client, bytes))
    return async () => {
      await endedByServer(clients)
      for (const timer of timers) clearInterval(timer)
    }
  }

export const slow: readonly Attack[] = [
  {
    title: 'slowloris: 100 requests whose headers come byte by byte',
    holds: ['sockets', 'descriptors'],
    begin: slowly('', handshake()),
  },
  {
    title: '100 requests whose bodies come byte by byte',
    holds: ['sockets', 'descriptors'],
    begin: slowly(
      'POST /healthz HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n',
      Buffer.alloc(1_000, 'x'),
    ),
  },
  {
    title: '100 TCP connections that send nothing',
    holds: ['sockets', 'descriptors'],
    begin: slowly('', Buffer.alloc(0)),
  },
  {
    title: '100 WebSockets that send nothing and answer no ping',
    holds: ['sockets', 'descriptors', 'connections', 'online', 'entries'],
    isRemembered: true,
    async begin(server) {
      const clients = await crowd(server)
      clients.forEach((client, n) => void client.write(handshake({ target: `/ws?userId=silent-${n}` })))
      await Promise.all(clients.map(client => client.response()))
      return () => endedByServer(clients)
    },
  },
  {
    title: '20 HTTP clients that send requests and read no answer',
    holds: ['sockets', 'descriptors'],
    isRemembered: true,
    async begin(server) {
      const clients = await crowd(server, 20)
      for (const client of clients) client.pause()
      const request = Buffer.from('GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n')
      clients.forEach((client, n) => void client.write(Buffer.concat(Array(4 + n).fill(request))))
      // A paused socket does not see its end. The footprint shows that the server has ended it.
      onTestFinished(() => clients.forEach(client => void client.destroy()))
      return async () => {}
    },
  },
  {
    title: '20 WebSockets that request lists and read nothing',
    holds: ['sockets', 'descriptors', 'connections', 'online', 'entries'],
    isRemembered: true,
    async begin(server) {
      const clients = await Promise.all(
        Array.from({ length: 20 }, (_, n) => TestClient.v2(server, `stalled-${n}`, { sessionId: 's' })),
      )
      for (const client of clients) {
        client.stall(true)
        client.send({ type: 'subscribe', all: true })
        for (let n = 0; n < 9; n++) client.send({ type: 'get_users', userIds: ['honest', `stalled-${n}`] })
      }
      onTestFinished(() => clients.forEach(client => void client.reset()))
      return async () => {}
    },
  },
]
