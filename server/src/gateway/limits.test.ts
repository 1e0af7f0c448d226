import { expect, test } from 'vitest'
import { ConnectionLimits, RequestLimit, UNLIMITED } from './limits.ts'

const T = 1_000_000
const pace = (burst: number, everyMs: number) => ({ burst, everyMs })

test('[L1] handshakes beyond the burst are refused, in total and by address, and refused ones are not counted', () => {
  const limits = new ConnectionLimits({
    ...UNLIMITED,
    handshakes: pace(4, 10),
    handshakesPerAddress: pace(2, 100),
  })
  expect(limits.handshake('a', T)).toBeUndefined()
  expect(limits.handshake('a', T)).toBeUndefined()
  const flood = { status: 429, setting: 'HANDSHAKES_PER_SECOND_PER_ADDRESS', retryAfterMs: 100 }
  for (let n = 0; n < 50; n++) expect(limits.handshake('a', T)).toEqual(flood)
  expect(limits.handshake('b', T)).toBeUndefined()
  expect(limits.handshake(undefined, T)).toBeUndefined()
  expect(limits.handshake('c', T)).toEqual({
    status: 503,
    setting: 'HANDSHAKES_PER_SECOND',
    retryAfterMs: 10,
  })
  expect(limits.handshake(undefined, T + 10)).toBeUndefined()
  expect(limits.handshake('a', T + 100)).toBeUndefined()
})

test('[L2] open connections are counted in total, by user and by address', () => {
  const limits = new ConnectionLimits({
    ...UNLIMITED,
    connections: 4,
    connectionsPerUser: 1,
    connectionsPerAddress: 2,
  })
  limits.opened('ann', '1.1.1.1')
  expect(limits.admits('ann', '2.2.2.2')?.setting).toBe('MAX_CONNECTIONS_PER_USER')
  limits.opened('bob', '1.1.1.1')
  expect(limits.admits('eve', '1.1.1.1')?.setting).toBe('MAX_CONNECTIONS_PER_ADDRESS')
  expect(limits.admits('eve', undefined)).toBeUndefined()
  limits.opened('eve', undefined)
  limits.opened('dan', undefined)
  expect(limits.admits('joe', undefined)).toMatchObject({ status: 503, setting: 'MAX_CONNECTIONS' })
  limits.closed('ann', '1.1.1.1')
  expect(limits.admits('ann', '1.1.1.1')).toBeUndefined()
})

test('[L10] however few connections and handshakes there are, one user and one address get at most half', () => {
  const limits = new ConnectionLimits({
    ...UNLIMITED,
    connections: 5,
    connectionsPerUser: 50,
    connectionsPerAddress: 50,
    handshakes: pace(8, 100),
    handshakesPerAddress: pace(1_000, 20),
  })
  for (let n = 0; n < 4; n++) expect(limits.handshake('a', T)).toBeUndefined()
  expect(limits.handshake('a', T)).toMatchObject({ status: 429, retryAfterMs: 200 })
  expect(limits.handshake('b', T)).toBeUndefined()
  for (let n = 0; n < 2; n++) limits.opened('ann', 'a')
  expect(limits.admits('ann', 'b')?.setting).toBe('MAX_CONNECTIONS_PER_USER')
  expect(limits.admits('bob', 'a')?.setting).toBe('MAX_CONNECTIONS_PER_ADDRESS')
  expect(limits.admits('bob', 'b')).toBeUndefined()
  // The negative control: with many connections, the settings are the limits.
  const large = new ConnectionLimits({ ...UNLIMITED, connections: 100, connectionsPerUser: 40 })
  for (let n = 0; n < 39; n++) large.opened('ann', 'a')
  expect(large.admits('ann', 'a')).toBeUndefined()
  large.opened('ann', 'a')
  expect(large.admits('ann', 'a')?.setting).toBe('MAX_CONNECTIONS_PER_USER')
  const one = new ConnectionLimits({ ...UNLIMITED, connections: 1 })
  expect(one.admits('ann', 'a')).toBeUndefined()
})

test('[L5] requests beyond the burst are refused with a retry time, and after ten seconds the connection must end', () => {
  const limit = new RequestLimit(pace(200, 50))
  for (let n = 0; n < 200; n++) expect(limit.take(T).verdict).toBe('taken')
  expect(limit.take(T)).toEqual({ verdict: 'too fast', retryAfterMs: 50 })
  expect(limit.take(T + 50).verdict).toBe('taken')
  let enoughAt = Number.POSITIVE_INFINITY
  for (let at = T + 51; at < T + 11_000; at += 10) {
    if (limit.take(at).verdict === 'enough') enoughAt = Math.min(enoughAt, at)
  }
  expect(enoughAt).toBeGreaterThanOrEqual(T + 10_000)
  expect(enoughAt).toBeLessThan(T + 10_100)
})

test('[L5] after a second without refusals, a client has ten seconds again', () => {
  const limit = new RequestLimit(pace(1, 5_000))
  for (let at = T; at < T + 30_000; at += 1_100) expect(limit.take(at).verdict).not.toBe('enough')
})
