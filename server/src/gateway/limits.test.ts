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
  const flood = { status: 429, limit: 'HANDSHAKES_PER_SECOND_PER_ADDRESS', retryAfterMs: 100 }
  for (let n = 0; n < 50; n++) expect(limits.handshake('a', T)).toEqual(flood)
  expect(limits.handshake('b', T)).toBeUndefined()
  expect(limits.handshake(undefined, T)).toBeUndefined()
  expect(limits.handshake('c', T)).toEqual({
    status: 503,
    limit: 'HANDSHAKES_PER_SECOND',
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
  expect(limits.admits('ann', '2.2.2.2')?.limit).toBe('MAX_CONNECTIONS_PER_USER')
  limits.opened('bob', '1.1.1.1')
  expect(limits.admits('eve', '1.1.1.1')?.limit).toBe('MAX_CONNECTIONS_PER_ADDRESS')
  expect(limits.admits('eve', undefined)).toBeUndefined()
  limits.opened('eve', undefined)
  limits.opened('dan', undefined)
  expect(limits.admits('joe', undefined)).toMatchObject({ status: 503, limit: 'MAX_CONNECTIONS' })
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
  // To raise the settings for one address would change nothing, so they are not named.
  expect(limits.handshake('a', T)).toEqual({
    status: 429,
    limit: 'HANDSHAKES_PER_SECOND_SHARE',
    retryAfterMs: 200,
  })
  expect(limits.handshake('b', T)).toBeUndefined()
  for (let n = 0; n < 2; n++) limits.opened('ann', 'a')
  expect(limits.admits('ann', 'b')).toMatchObject({ status: 429, limit: 'MAX_CONNECTIONS_SHARE' })
  expect(limits.admits('bob', 'a')).toMatchObject({ status: 429, limit: 'MAX_CONNECTIONS_SHARE' })
  expect(limits.admits('bob', 'b')).toBeUndefined()
  // The negative control: with many connections, the settings are the limits.
  const large = new ConnectionLimits({ ...UNLIMITED, connections: 100, connectionsPerUser: 40 })
  for (let n = 0; n < 39; n++) large.opened('ann', 'a')
  expect(large.admits('ann', 'a')).toBeUndefined()
  large.opened('ann', 'a')
  expect(large.admits('ann', 'a')?.limit).toBe('MAX_CONNECTIONS_PER_USER')
  const one = new ConnectionLimits({ ...UNLIMITED, connections: 1 })
  expect(one.admits('ann', 'a')).toBeUndefined()
})

test('[L10] the rate of one address is named by its share if that lowers only the burst, or only the rate', () => {
  const nameOf = (burst: number, everyMs: number) => {
    const handshakesPerAddress = pace(burst, everyMs)
    const limits = new ConnectionLimits({ ...UNLIMITED, handshakes: pace(8, 100), handshakesPerAddress })
    for (let n = 0; n < 4; n++) limits.handshake('a', T)
    return limits.handshake('a', T)?.limit
  }
  expect(nameOf(5, 200)).toBe('HANDSHAKES_PER_SECOND_SHARE')
  expect(nameOf(4, 199)).toBe('HANDSHAKES_PER_SECOND_SHARE')
  expect(nameOf(4, 200)).toBe('HANDSHAKES_PER_SECOND_PER_ADDRESS')
})

test('[N6 L2] connections on other nodes count for the user, but not for the half of this node', () => {
  const elsewhere = new Map([['ann', 2]])
  const nodeOf = (connections: number) =>
    new ConnectionLimits(
      { ...UNLIMITED, connections, connectionsPerUser: 3 },
      (userId, except) => (elsewhere.get(userId) ?? 0) - (except === 'moves' ? 1 : 0),
    )
  const limits = nodeOf(100)
  expect(limits.admits('ann', 'a')).toBeUndefined()
  limits.opened('ann', 'a')
  expect(limits.admits('ann', 'a')).toMatchObject({ status: 429, limit: 'MAX_CONNECTIONS_PER_USER' })
  // A session that moves here leaves the other node.
  expect(limits.admits('ann', 'a', 'moves')).toBeUndefined()
  // The negative controls: who has none elsewhere, or counts for nobody.
  limits.opened('bob', 'a')
  expect([limits.admits('bob', 'a'), limits.admits(undefined, 'a')]).toEqual([undefined, undefined])
  elsewhere.set('ann', 1)
  expect(limits.admits('ann', 'a')).toBeUndefined()
  const small = nodeOf(4)
  elsewhere.set('eve', 1)
  small.opened('eve', 'a')
  expect(small.admits('eve', 'a')).toBeUndefined()
  small.opened('eve', 'a')
  expect(small.admits('eve', 'a')?.limit).toBe('MAX_CONNECTIONS_SHARE')
})

test('[V14 L2] who is not limited per user does not count for one', () => {
  const limits = new ConnectionLimits({ ...UNLIMITED, connections: 5, connectionsPerUser: 1 })
  limits.opened(undefined, 'a')
  limits.opened('ann', 'a')
  expect(limits.admits('ann', 'b')?.limit).toBe('MAX_CONNECTIONS_PER_USER')
  limits.closed(undefined, 'a')
  expect(limits.admits('ann', 'b')?.limit).toBe('MAX_CONNECTIONS_PER_USER')
  limits.closed('ann', 'a')
  expect(limits.admits('ann', 'b')).toBeUndefined()
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
