import type { Client } from './client.ts'
import type { Crowd } from './crowd.ts'
import type { BareCount, RequestsOrder } from './orders.ts'

/** Every listener sends a batch in one write, and the next when all its replies came, until the time is over. */
export async function requests(crowd: Crowd, { pipelined, seconds }: RequestsOrder): Promise<BareCount> {
  const { tally } = crowd.link
  const before = { frames: tally.frames, bytes: tally.bytes }
  const began = performance.now()
  const until = began + seconds * 1000
  // One client's payloads are read, so that an `error` for a reply does not go unseen.
  crowd.listeners[0]?.readPayloads()
  const asked = await Promise.all(crowd.listeners.map(client => keepAsking(client, pipelined, until)))
  const expected = asked.reduce((sum, requests) => sum + requests, 0)
  return {
    counted: tally.frames - before.frames,
    expected,
    bytes: tally.bytes - before.bytes,
    seconds: (performance.now() - began) / 1000,
    invalid: tally.takeProblems(),
  }
}

/** Resolves with the number of requests sent when all are replied to. */
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
