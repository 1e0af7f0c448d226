import { once } from 'node:events'
import { afterEach, expect, test, vi } from 'vitest'
import { WebSocket } from 'ws'
import { Requests } from '../requests.ts'
import { SystemClock } from '../time/clock.ts'
import { UNLIMITED } from './limits.ts'
import { MESSAGES_MS } from './message-turns.ts'
import { type OpenGateway, openGateway } from './testing/open-gateway.ts'

// Many connections within their limits beside one honest client, with real sockets.

const START = Date.UTC(2030, 0, 1)
const CONNECTIONS = 50

/** Requests of the burst of one connection: each counts as 11 messages. */
const REQUESTS = 17
const IDS = Array.from({ length: 1_000 }, (_, n) => `u${n}`)
const LIMITS = { ...UNLIMITED, messages: { burst: 200, everyMs: 50 } }

/** The users whose requests were handled, in order. */
let handled: string[] = []
let open: OpenGateway | undefined
const clients: WebSocket[] = []

afterEach(async () => {
  vi.restoreAllMocks()
  for (const client of clients.splice(0)) client.terminate()
  await new Promise(resolve => open?.http.close(resolve))
})

async function connect(userId: string): Promise<WebSocket> {
  const client = new WebSocket(`${open?.url}?userId=${userId}`, 'who-is-online.v2')
  clients.push(client)
  // The welcome.
  await once(client, 'message')
  return client
}

/** Returns how many requests of the others were handled before the one of an honest client. */
async function handledBefore(messagesMs: number): Promise<number> {
  handled = []
  const { handle } = Requests.prototype
  vi.spyOn(Requests.prototype, 'handle').mockImplementation(function (this: Requests, asker, request) {
    handled.push(asker.userId)
    return handle.call(this, asker, request)
  })
  // Each request takes 1 ms of this clock, so the machine's speed does not matter.
  const clock = new SystemClock(
    () => START + handled.length,
    () => handled.length,
  )
  open = await openGateway({ limits: LIMITS, clock, messagesMs })
  const honest = await connect('honest')
  const crowd = await Promise.all(Array.from({ length: CONNECTIONS }, () => connect('crowd')))
  const request = JSON.stringify({ type: 'get_users', userIds: IDS })
  for (const client of crowd) {
    for (let n = 0; n < REQUESTS; n++) client.send(request)
  }
  honest.send('{"type":"ping"}')
  await once(honest, 'message')
  return handled.indexOf('honest')
}

test('[L11] beside 50 connections with full bursts, an honest client is answered within a few turns', async () => {
  expect(await handledBefore(MESSAGES_MS)).toBeLessThanOrEqual(4 * MESSAGES_MS)
  // Nothing is lost.
  await vi.waitFor(() => expect(handled).toHaveLength(CONNECTIONS * REQUESTS + 1), 20_000)
})

test('[L11] negative control: without a limit, all that has arrived is handled first', async () => {
  expect(await handledBefore(Number.POSITIVE_INFINITY)).toBeGreaterThan(10 * MESSAGES_MS)
})
