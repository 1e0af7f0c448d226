import type { Client } from './client.ts'
import type { ClientPool } from './client-pool.ts'
import { mulberry32 } from './graph.ts'
import type { BareCount, RequestsOrder } from './orders.ts'

/** How many batches of requests each client prepares and then sends in turns. */
const BATCHES = 16

/**
 * Every listener sends a batch in one write, and the next one when all replies have come, until the time is
 * over. The batches are prepared before that, so that the time of the load generator goes into reading. Each
 * request has its own `id`, so that a server can't answer from a cache of texts.
 */
export async function requests(pool: ClientPool, { pipelined, seconds }: RequestsOrder): Promise<BareCount> {
  const { received } = pool.link
  const question = questions(2 * pool.listeners.length)
  const prepared = pool.listeners.map(client => ({
    client,
    batches: Array.from({ length: BATCHES }, () => batchOf(client, pipelined, question)),
  }))
  const before = { frames: received.frames, bytes: received.bytes }
  const began = performance.now()
  const until = began + seconds * 1000
  // The payloads of one client are read, so that an `error` instead of a reply is noticed.
  pool.listeners[0]?.readPayloads()
  const asked = await Promise.all(
    prepared.map(({ client, batches }) => keepAsking(client, batches, pipelined, until)),
  )
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
function keepAsking(
  client: Client,
  batches: readonly Buffer[],
  pipelined: number,
  until: number,
): Promise<number> {
  const had = client.frames
  let asked = 0
  const ask = (): void => {
    client.write(batches[(asked / pipelined) % batches.length] as Buffer)
    asked += pipelined
  }
  ask()
  return new Promise(resolve => {
    client.onRead = () => {
      if (client.frames - had < asked) return
      if (performance.now() >= until) {
        client.onRead = undefined
        resolve(asked)
        return
      }
      ask()
    }
  })
}

function batchOf(client: Client, pipelined: number, question: () => string): Buffer {
  return Buffer.concat(Array.from({ length: pipelined }, () => client.prepare(question())))
}

/** Requests, each with the next `id`: the number of online users, and the status of a random user, in turns. */
function questions(users: number): () => string {
  const random = mulberry32(1)
  let id = 0
  return () => {
    id++
    return id % 2 === 0
      ? `{"type":"get_online_count","id":${id}}`
      : `{"type":"check_user_status","targetUserId":"u${Math.floor(random() * users)}","id":${id}}`
  }
}
