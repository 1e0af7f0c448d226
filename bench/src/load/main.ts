// The load generator: a process of its own that connects clients to one server and only counts what they get.

import { Asking } from './asking.ts'
import { bursts, changes } from './changes.ts'
import { Crowd } from './crowd.ts'
import { dialects } from './dialect.ts'
import { Following } from './following.ts'
import type { Answer, BareCount, Count, Order, Target } from './orders.ts'
import { requests } from './requests.ts'
import { Tally } from './tally.ts'

const target = JSON.parse(process.argv[2] ?? '') as Target
const crowd = new Crowd({ port: target.port, dialect: dialects[target.dialect], tally: new Tally() })
const following = new Following(crowd)
const asking = new Asking(crowd)

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
    case 'connect':
      return crowd.connect(order)
    case 'changes':
      return changes(crowd, order)
    case 'bursts':
      return bursts(crowd, order)
    case 'requests':
      return requests(crowd, order)
    case 'follow':
      return following.follow(order)
    case 'stir':
      return following.stir(order)
    case 'ask':
      return asking.begin(order)
    case 'asked':
      return asking.end(order)
  }
}

/** Adds the CPU of this process while `work` ran, as a share of one core. */
async function withBusy(work: () => BareCount | Promise<BareCount>): Promise<Count> {
  const began = performance.now()
  const before = process.cpuUsage()
  const count = await work()
  const { user, system } = process.cpuUsage(before)
  return { ...count, busy: (user + system) / 1000 / (performance.now() - began) }
}
