import { setTimeout as sleep } from 'node:timers/promises'
import type { ClientPool } from './client-pool.ts'
import type { Driver } from './driver.ts'
import { driverOf, Stopwatch } from './latency.ts'
import type { BareCount, BurstsOrder, ChangesOrder } from './orders.ts'

/**
 * Makes changes at a steady rate. A change that is due but can't be made is skipped: a server that can't
 * handle the rate gets fewer changes, not an endless queue.
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

/** Lets free drivers make changes. A driver that waits for its reply makes no further change. */
export async function changes(pool: ClientPool, order: ChangesOrder): Promise<BareCount> {
  const stopwatch = new Stopwatch(pool.sampled, pool.drivers)
  const elsewhere = new Stopwatch(pool.sampledElsewhere, pool.drivers)
  const free = takeTurns(pool.drivers, order.waitFor)
  let carried = 0
  const count = await pool.expect(async () => {
    const { due, made } = await evenly(order, () => {
      const driver = free.shift()
      driver?.change()
      return driver !== undefined
    })
    carried = made / due
    return { each: made }
  })
  const elsewhereMs = elsewhere.stop()
  return withLatency({ ...count, carried, ...(elsewhereMs && { elsewhereMs }) }, stopwatch)
}

/**
 * Sends bursts of `size` changes. The next burst starts when all clients have received the last one and it is
 * due.
 */
export async function bursts(
  pool: ClientPool,
  { size, seconds, perSecond }: BurstsOrder,
): Promise<BareCount> {
  const { received } = pool.link
  const stopwatch = new Stopwatch(pool.sampled, pool.drivers)
  const clients = pool.clients.length
  let made = 0
  const count = await pool.expect(async () => {
    const began = performance.now()
    const had = received.frames
    for (;;) {
      for (const driver of pool.drivers.slice(0, size)) driver.change()
      made += size
      const complete = await received.reach(had + made * clients)
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

/** The free drivers, longest waiting first. What they wait for makes them free again. */
function takeTurns(drivers: readonly Driver[], waitFor: ChangesOrder['waitFor'] = 'reply'): Driver[] {
  const free = [...drivers]
  for (const [number, driver] of drivers.entries()) {
    const { client } = driver
    const again = (): void => void free.push(driver)
    client.onReply = waitFor === 'reply' ? again : undefined
    client.onChange =
      waitFor === 'reply' ? undefined : (chunk, start) => driverOf(chunk, start) === number && again()
  }
  return free
}
