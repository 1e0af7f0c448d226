import { setTimeout as sleep } from 'node:timers/promises'
import { idOf } from '../known-users.ts'
import { API_KEYS, type ApiRequests, apiRequests, leaseRequest } from './api-requests.ts'
import { type Answer, HttpConnection } from './http-connection.ts'
import { Latencies } from './latency.ts'
import type { BareCount, CallsOrder, LeaseOrder, PipelineOrder } from './orders.ts'

/** How many leases wait for their answers at the same time; the server ends a connection with more requests. */
const LEASES_AT_ONCE = 10

/** Leases a session of each of the first known users. */
export async function lease(port: number, { users }: LeaseOrder): Promise<BareCount> {
  const began = performance.now()
  const connection = new HttpConnection(port)
  const wrong = new Map<number, number>()
  let sent = 0
  let answered = 0
  await new Promise<void>((resolve, reject) => {
    const send = () => connection.send(leaseRequest(idOf(sent++)))
    connection.onClose = () => reject(new Error('the server closed the connection that leases sessions'))
    connection.onAnswer = ({ status }) => {
      answered++
      if (status !== 200) wrong.set(status, (wrong.get(status) ?? 0) + 1)
      if (sent < users) send()
      else if (answered === users) resolve()
    }
    while (sent < Math.min(users, LEASES_AT_ONCE)) send()
  })
  connection.close()
  return countOf(answered, connection.received, began, {
    invalid: [...wrong].map(([status, times]) => `${times} leases were answered with ${status}`),
  })
}

/** Sends calls one after the other. */
export async function calls(port: number, { call, seconds, perSecond }: CallsOrder): Promise<BareCount> {
  const requests = apiRequests(call, API_KEYS.honest)
  const connection = new HttpConnection(port)
  const latencies = new Latencies()
  const invalid: string[] = []
  // Not measured: the connection, and the first call of its kind.
  const first = await connection.ask(requests.next())
  check(first, requests, invalid)
  connection.received = 0
  const began = performance.now()
  let answered = 0
  let due = 0
  let freeAt = began
  for (;;) {
    const dueAt = perSecond === undefined ? freeAt : began + (due / perSecond) * 1_000
    if (dueAt >= began + seconds * 1_000) break
    due++
    if (dueAt > performance.now()) await sleep(dueAt - performance.now())
    // A call that is late because of the server has waited since it was due.
    const sentAt = freeAt > dueAt ? dueAt : performance.now()
    const { status, body } = await connection.ask(requests.next())
    latencies.since(sentAt)
    freeAt = performance.now()
    answered++
    if (status !== 200) invalid.push(`call ${answered} was answered with ${status}: ${body.subarray(0, 200)}`)
    if (invalid.length > 0) break
    requests.answered(body)
    if (freeAt > began + 2 * seconds * 1_000) break
  }
  connection.close()
  const latencyMs = latencies.summary()
  return countOf(answered, connection.received, began, {
    invalid,
    ...(latencyMs && { latencyMs }),
    ...(perSecond !== undefined && { carried: answered / (perSecond * seconds) }),
  })
}

function check({ status, body }: Answer, requests: ApiRequests, invalid: string[]): void {
  const problem = status === 200 ? requests.problemOf(body) : `${status}: ${body.subarray(0, 200)}`
  if (problem === undefined) requests.answered(body)
  else invalid.push(`the first call: ${problem}`)
}

/** How long to wait before connecting again, in ms. */
const AGAIN_MS = 20

/**
 * Keeps some calls waiting for their answers on one connection, with a key of its own, whatever the answers are. When
 * the server ends the connection, it connects again.
 */
export async function pipeline(port: number, { call, atOnce, seconds }: PipelineOrder): Promise<BareCount> {
  const requests = apiRequests(call, API_KEYS.greedy)
  const began = performance.now()
  let isOver = false
  let answered = 0
  let bytes = 0
  const open = (): HttpConnection => {
    const connection = new HttpConnection(port)
    connection.onAnswer = ({ body }) => {
      answered++
      bytes += body.length
      if (!isOver) connection.send(requests.next())
    }
    connection.onClose = () => setTimeout(reopen, AGAIN_MS)
    for (let n = 0; n < atOnce; n++) connection.send(requests.next())
    return connection
  }
  let connection = open()
  function reopen(): void {
    if (!isOver) connection = open()
  }
  await sleep(seconds * 1_000)
  isOver = true
  connection.close()
  return countOf(answered, bytes, began)
}

function countOf(counted: number, bytes: number, began: number, more: Partial<BareCount> = {}): BareCount {
  const seconds = (performance.now() - began) / 1_000
  return { counted, expected: counted, bytes, seconds, invalid: [], ...more }
}
