import { expect, test } from 'vitest'
import { BATCH_LIMIT, Delivery } from './delivery.ts'

/** A delivery that has nothing to send. */
function idle(random = () => 0.5): Delivery {
  const delivery = new Delivery(random)
  expect(delivery.next(0)).toBe('prepare')
  delivery.prepared(false, false, 0)
  expect(delivery.wakeAt).toBeUndefined()
  return delivery
}

/** A delivery with a batch that is being sent. */
function sending(random?: () => number): Delivery {
  const delivery = idle(random)
  delivery.changed(BATCH_LIMIT, 0)
  expect(delivery.next(0)).toBe('prepare')
  delivery.prepared(true, false, 0)
  expect(delivery.next(0)).toBe('send')
  return delivery
}

test('[M1] changes are gathered for a second since the first, or until there are enough', () => {
  const delivery = idle()
  delivery.changed(1, 5)
  delivery.changed(1, 900)
  expect(delivery.wakeAt).toBe(1_005)
  expect(delivery.next(1_004)).toBeUndefined()
  delivery.changed(BATCH_LIMIT - 3, 950)
  expect(delivery.next(950)).toBeUndefined()
  delivery.changed(1, 950)
  expect(delivery.next(950)).toBe('prepare')
  // Those that come while the batch is made are for the next one.
  delivery.changed(1, 960)
  delivery.prepared(false, false, 970)
  expect(delivery.wakeAt).toBe(1_960)
})

test('[M1] one batch is sent at a time, and what came meanwhile is gathered since it came', () => {
  const delivery = sending()
  delivery.changed(BATCH_LIMIT, 10)
  expect([delivery.wakeAt, delivery.next(60_000)]).toEqual([undefined, undefined])
  expect(delivery.delivered()).toBeUndefined()
  expect(delivery.next(10)).toBe('prepare')
  // A batch that had not room for all is followed by the next at once.
  delivery.prepared(true, true, 20)
  expect(delivery.next(20)).toBe('send')
  delivery.delivered()
  expect(delivery.next(20)).toBe('prepare')
})

test('[M3] a batch that failed is sent until it is taken, after waits that double up to 5 minutes', () => {
  for (const [random, share] of [
    [() => 0, 0.5],
    [() => 0.999_999_9, 1],
  ] as const) {
    const delivery = sending(random)
    let now = 0
    const waits = Array.from({ length: 40 }, () => {
      delivery.failed(now)
      const wait = (delivery.wakeAt as number) - now
      now = delivery.wakeAt as number
      expect(delivery.next(now - 1)).toBeUndefined()
      expect(delivery.next(now)).toBe('send')
      return Math.round(wait / share)
    })
    expect(waits.slice(0, 10)).toEqual([
      1_000, 2_000, 4_000, 8_000, 16_000, 32_000, 64_000, 128_000, 256_000, 300_000,
    ])
    expect(waits.at(-1)).toBe(300_000)
    delivery.delivered()
    delivery.changed(BATCH_LIMIT, now)
    expect(delivery.next(now)).toBe('prepare')
  }
})

test('[M3] Retry-After is respected up to 5 minutes', () => {
  const waits = [0, 60_000, 86_400_000].map(retryAfterMs => {
    const delivery = sending()
    delivery.failed(0, retryAfterMs)
    return delivery.wakeAt
  })
  expect(waits).toEqual([750, 60_000, 300_000])
})

test('[M3] a batch that could not be stored is made again', () => {
  const delivery = idle()
  delivery.changed(BATCH_LIMIT, 0)
  expect(delivery.next(0)).toBe('prepare')
  delivery.failed(0)
  expect(delivery.next(749)).toBeUndefined()
  expect(delivery.next(750)).toBe('prepare')
})

test('[M6] it knows since when the endpoint has not everything', () => {
  const delivery = sending()
  delivery.changed(1, 40)
  delivery.failed(50)
  expect(delivery.behindSince).toBe(0)
  expect(delivery.next(10_000)).toBe('send')
  delivery.delivered()
  expect(delivery.behindSince).toBe(40)
  expect(delivery.next(10_000)).toBe('prepare')
  delivery.prepared(true, false, 10_010)
  expect([delivery.next(10_010), delivery.behindSince]).toEqual(['send', 40])
  delivery.delivered()
  expect(delivery.behindSince).toBeUndefined()
})

test('[M6] a failure is reported at once and then each minute, and the end of it once', () => {
  const delivery = sending()
  const reports: number[] = []
  for (let now = 0; now < 300_000; now += 5_000) {
    if (delivery.failed(now) === 'fails') reports.push(now)
    expect(delivery.next(now + 1_000_000)).toBe('send')
  }
  expect(reports).toEqual([0, 60_000, 120_000, 180_000, 240_000])
  expect(delivery.delivered()).toBe('works again')
  expect(sending().delivered()).toBeUndefined()
})
