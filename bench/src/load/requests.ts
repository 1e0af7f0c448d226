import type { Client } from './client.ts'
import type { ClientPool } from './client-pool.ts'
import type { BareCount, RequestsOrder } from './orders.ts'

/**
 * Every listener sends a batch in one write, and the next one when all replies have come, until the time is
 * over.
 */
export async function requests(pool: ClientPool, { pipelined, seconds }: RequestsOrder): Promise<BareCount> {
  const { received } = pool.link
  const before = { frames: received.frames, bytes: received.bytes }
  const began = performance.now()
  const until = began + seconds * 1000
  // The payloads of one client are read, so that an `error` instead of a reply is noticed.
  pool.listeners[0]?.readPayloads()
  const asked = await Promise.all(pool.listeners.map(client => keepAsking(client, pipelined, until)))
  const expected = asked.reduce((sum, requests) => sum + requests, 0)
  return {
    counted: received.frames - before.frames,
    expected,
    bytes: received.bytes - before.bytes,
    seconds: (performance.now() - began) / 1000,
    invalid: received.takeProblems(),
  }
}

/** Sends requests until `until`. Resolves with their number when all have a reply. */
function keepAsking(client: Client, pipelined: number, until: number): Promise<number> {
  const batch = Buffer.concat(
    Array.from({ length: pipelined }, (_, index) => client.prepare(question(index))),
  )
  const had = client.frames
  let asked = pipelined
  client.write(batch)
  return new Promise(resolve => {
    client.onRead = () => {
      if (client.frames - had < asked) return
      if (performance.now() >= until) {
        client.onRead = undefined
        resolve(asked)
        return
      }
      asked += pipelined
      client.write(batch)
    }
  })
}

function question(index: number): string {
  return index % 2 === 0
    ? '{"type":"get_online_count"}'
    : `{"type":"check_user_status","targetUserId":"u${index}"}`
}
