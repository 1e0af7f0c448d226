// The load generator: a separate process that connects clients to one server and counts what they receive.

import { calls, lease, pipeline } from './api-calls.ts'
import { BackgroundRequests } from './background-requests.ts'
import { bursts, changes } from './changes.ts'
import { ClientPool } from './client-pool.ts'
import { flood } from './flood.ts'
import { FrameCount } from './frame-count.ts'
import { newcomers } from './newcomers.ts'
import type { Answer, BareCount, Count, Order, Target } from './orders.ts'
import { requests } from './requests.ts'
import { Subscribers } from './subscribers.ts'
import { wireFormats } from './wire-format.ts'

const target = JSON.parse(process.argv[2] ?? '') as Target
const pool = new ClientPool({
  port: target.port,
  wireFormat: wireFormats[target.wireFormat],
  received: new FrameCount(),
  tokens: new Map(),
})
const subscribers = new Subscribers(pool)
const backgroundRequests = new BackgroundRequests(pool)

process.on('message', async (order: Order) => {
  process.send?.(await answer(order))
})
process.on('disconnect', () => process.exit())

async function answer(order: Order): Promise<Answer> {
  try {
    return { count: await withBusy(() => carryOut(order)) }
  } catch (error) {
    return { failed: error instanceof Error ? error.message : String(error) }
  }
}

function carryOut(order: Order): BareCount | Promise<BareCount> {
  switch (order.do) {
    case 'make tokens':
      return pool.makeTokens(order)
    case 'connect':
      return pool.connect(order)
    case 'changes':
      return changes(pool, order)
    case 'bursts':
      return bursts(pool, order)
    case 'requests':
      return requests(pool, order)
    case 'subscribe':
      return subscribers.subscribe(order)
    case 'subscriber changes':
      return subscribers.change(order)
    case 'begin requests':
      return backgroundRequests.begin(order)
    case 'end requests':
      return backgroundRequests.end(order)
    case 'flood':
      return flood(target.port, order)
    case 'newcomers':
      return newcomers(pool.link, order)
    case 'lease':
      return lease(target.port, order)
    case 'calls':
      return calls(target.port, order)
    case 'pipeline':
      return pipeline(target.port, order)
  }
}

/** Adds the CPU time of this process during `work`, as a share of one core. */
async function withBusy(work: () => BareCount | Promise<BareCount>): Promise<Count> {
  const began = performance.now()
  const before = process.cpuUsage()
  const count = await work()
  const { user, system } = process.cpuUsage(before)
  return { ...count, busy: (user + system) / 1000 / (performance.now() - began) }
}
