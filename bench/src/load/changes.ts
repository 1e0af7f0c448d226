import { setTimeout as sleep } from 'node:timers/promises'
import type { Crowd } from './crowd.ts'
import type { Driver } from './driver.ts'
import { Stopwatch } from './latency.ts'
import type { BareCount, BurstsOrder, ChangesOrder } from './orders.ts'

/**
 * Changes at an even rate. A change that falls due and can't be made is left out: a server that cannot carry the
 * rate gets fewer changes, not an endless queue.
 */
export async function evenly(
  { perSecond, seconds }: Pick<ChangesOrder, 'perSecond' | 'seconds'>,
  change: () => boolean,
): Promise<{ due: number; made: number }> {
  let due = 0
  let made = 0
  const began = performance.now()
  for (;;) {
    const elapsed = Math.min((performance.now() - began) / 1000, seconds)
    for (const now = Math.floor(elapsed * perSecond); due < now; due++) if (change()) made++
    if (elapsed >= seconds) return { due, made }
    await sleep(Math.max(1, ((due + 1) / perSecond - elapsed) * 1000))
  }
}

/** Changes of drivers that nobody waits for; one that waits for its reply makes no further change. */
export async function changes(crowd: Crowd, order: ChangesOrder): Promise<BareCount> {
  const stopwatch = new Stopwatch(crowd.sampled, crowd.drivers)
  const free = takeTurns(crowd.drivers)
  let carried = 0
  const count = await crowd.expect(async () => {
    const { due, made } = await evenly(order, () => {
      const driver = free.shift()
      driver?.change()
      return driver !== undefined
    })
    carried = made / due
    return { each: made }
  })
  return withLatency({ ...count, carried }, stopwatch)
}

/** Bursts: `size` changes leave in one tick, the next ones when everybody heard all of them and it is their time. */
export async function bursts(crowd: Crowd, { size, seconds, perSecond }: BurstsOrder): Promise<BareCount> {
  const { tally } = crowd.link
  const stopwatch = new Stopwatch(crowd.sampled, crowd.drivers)
  const clients = crowd.clients.length
  let made = 0
  const count = await crowd.expect(async () => {
    const began = performance.now()
    const had = tally.frames
    for (;;) {
      for (const driver of crowd.drivers.slice(0, size)) driver.change()
      made += size
      const complete = await tally.reach(had + made * clients)
      const next = perSecond === undefined ? 0 : made / size / perSecond
      const elapsed = (performance.now() - began) / 1000
      if (!complete || Math.max(elapsed, next) >= seconds) return { each: made }
      if (next > elapsed) await sleep((next - elapsed) * 1000)
    }
  })
  const due = perSecond === undefined ? undefined : Math.floor(seconds * perSecond) * size
  return withLatency(due ? { ...count, carried: Math.min(1, made / due) } : count, stopwatch)
}

function withLatency(count: BareCount, stopwatch: Stopwatch): BareCount {
  const latencyMs = stopwatch.stop()
  return latencyMs ? { ...count, latencyMs } : count
}

/** The drivers nobody waits for, longest first; a reply puts a driver back in line. */
function takeTurns(drivers: Driver[]): Driver[] {
  const free = [...drivers]
  for (const driver of drivers) driver.client.onReply = () => free.push(driver)
  return free
}
