import { TestClient } from '@who-is-online/testing/client'
import { handshake, RawClient } from '@who-is-online/testing/raw-client'
import type { RunningServer } from '@who-is-online/testing/start-server'
import type { Attack } from './attack.ts'

// Attackers that are many.

/** Opens `all` connections, `atOnce` at a time, and returns what `use` makes of them. */
async function flood<Result>(
  all: number,
  use: (n: number) => Promise<Result>,
  atOnce = 50,
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  const worker = async () => {
    while (next < all) results.push(await use(next++))
  }
  await Promise.all(Array.from({ length: atOnce }, worker))
  return results
}

const connectAndReset = async (server: RunningServer, bytes?: Uint8Array) => {
  const client = await RawClient.connect(server.port)
  if (bytes) client.write(bytes)
  client.reset()
}

export const floods: readonly Attack[] = [
  {
    title: '2,000 TCP connections that are reset at once, and 200 that stay for a while',
    holds: ['sockets', 'descriptors'],
    async begin(server) {
      await flood(2_000, () => connectAndReset(server))
      const clients = await flood(200, () => RawClient.connect(server.port))
      return async () => {
        for (const client of clients) client.reset()
      }
    },
  },
  {
    title: '1,000 handshakes that are reset at once, and 200 that stay for a while',
    holds: ['sockets', 'descriptors', 'connections', 'online', 'entries'],
    isRemembered: true,
    async begin(server) {
      await flood(1_000, n => connectAndReset(server, handshake({ target: `/ws?userId=flood-${n % 200}` })))
      const clients = await flood(200, n => TestClient.as(server, `flood-${n}`))
      return async () => {
        for (const client of clients) client.reset()
      }
    },
  },
  {
    title: '500 half-closed connections with half a request',
    holds: [],
    async begin(server) {
      const clients = await flood(500, async () => {
        const client = await RawClient.connect(server.port, { halfOpen: true })
        client.write(handshake().subarray(0, 60))
        client.finish()
        return client
      })
      return async () => {
        await Promise.all(clients.map(client => client.ended()))
        for (const client of clients) client.destroy()
      }
    },
  },
]
