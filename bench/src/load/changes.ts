import { setTimeout as sleep } from 'node:timers/promises'
import type { Crowd } from './crowd.ts'
import type { Driver } from './driver.ts'
import { Stopwatch } from './latency.ts'
import type { BareCount, BurstsOrder, ChangesOrder } from './orders.ts'

/**
 * Changes at an even rate. A change that falls due while every driver still waits for its reply is left out: a server
 * that cannot carry the rate gets fewer changes, not an endless queue.
 */
export async function changes(crowd: Crowd, { perSecond, seconds }: ChangesOrder): Promise<BareCount> {
  const stopwatch = new Stopwatch(crowd.sampled, crowd.drivers)
  const free = takeTurns(crowd.drivers)
  let due = 0
  let made = 0
  const count = await crowd.expect(async () => {
    const began = performance.now()
    for (;;) {
      const elapsed = Math.min((performance.now() - began) / 1000, seconds)
      for (const now = Math.floor(elapsed * perSecond); due < now; due++) {
        const driver = free.shift()
        driver?.change()
        if (driver) made++
      }
      if (elapsed >= seconds) return { each: made }
      await sleep(Math.max(1, ((due + 1) / perSecond - elapsed) * 1000))
    }
  })
  return withLatency({ ...count, carried: made / due }, stopwatch)
}

/** Bursts: `size` changes leave in one tick, the next ones when everybody heard all of them. */
export async function bursts(crowd: Crowd, { size, seconds }: BurstsOrder): Promise<BareCount> {
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
      if (!complete || performance.now() - began >= seconds * 1000) return { each: made }
    }
  })
  return withLatency(count, stopwatch)
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
