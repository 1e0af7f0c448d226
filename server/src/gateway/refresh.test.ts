import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Grant } from '../identity/grant.ts'
import type { Identified } from '../identity/identity.ts'
import { SlowLog } from '../testing/slow-log.ts'
import { GRANT, START, World } from './testing/socketless.ts'

// Tokens that are renewed and end, access that is revoked, and requests that others wait for.

const MINUTE = 60_000

let world: World

beforeEach(() => {
  vi.useFakeTimers()
  world = new World()
})

afterEach(() => void vi.useRealTimers())

const known = (grant: Partial<Grant> = {}): Identified => ({ state: 'known', grant: { ...GRANT, ...grant } })
const refresh = (token: string, id: unknown = token) => ({ type: 'refresh', token, id })

/** A promise that the test resolves. */
function held(): { promise: Promise<Identified>; resolve(identified: Identified): void } {
  let resolve!: (identified: Identified) => void
  const promise = new Promise<Identified>(resolved => {
    resolve = resolved
  })
  return { promise, resolve }
}

describe('refresh', () => {
  test.each<[string, Identified, string]>([
    ['of the same user', known({ expiresAt: START + 20 * MINUTE }), 'ack'],
    ['of another user', known({ userId: 'bob' }), 'bad_token'],
    ['of an observer', known({ rights: { ...GRANT.rights, observer: true } }), 'bad_token'],
    ['that has expired', { state: 'refused', rule: 'time', text: 'expired' }, 'bad_token'],
    ['whose keys are down', { state: 'unavailable', text: 'keys are down' }, 'unavailable'],
  ])('[D17] a token %s: %s', async (_what, identified, answer) => {
    const ann = world.connect({ expiresAt: START + 10 * MINUTE })
    const endsAt = ann.connection.endsAt
    await ann.taken()
    for (const result of [identified, Promise.resolve(identified)]) {
      world.tokens.set('new', result)
      ann.send(refresh('new', 7))
      expect(await ann.taken()).toMatchObject([
        answer === 'ack' ? { type: 'ack', id: 7 } : { type: 'error', code: answer, id: 7 },
      ])
    }
    expect(ann.connection.endsAt - endsAt).toBe(answer === 'ack' ? 10 * MINUTE : 0)
    expect(world.logged).toHaveLength(answer === 'bad_token' ? 2 : 0)
  })

  test('[D17] the old token again is no error, and a name of the new one is shown', async () => {
    const ann = world.connect({ expiresAt: START + MINUTE })
    world.tokens.set('old', known({ expiresAt: START + MINUTE }))
    world.tokens.set('named', known({ username: 'Ann', isNameFixed: true }))
    ann.send(refresh('old'), refresh('named'), { type: 'identify', username: 'Eve' })
    expect(await ann.types()).toEqual(['welcome', 'ack', 'ack', 'not_allowed'])
    expect(world.presence.see('ann').username).toBe('Ann')
  })

  test('[D14] the name of a token is fixed for as long as that token is used, and not longer', async () => {
    world.tokens.set('nameless', known())
    const ann = world.connect({ username: 'Ann', isNameFixed: true }, { username: 'Ann' })
    ann.send({ type: 'identify', username: 'Eve' })
    expect(await ann.types()).toEqual(['welcome', 'not_allowed'])
    expect(world.presence.see('ann').username).toBe('Ann')
    ann.send(refresh('nameless'), { type: 'identify', username: 'Annie' })
    expect(await ann.types()).toEqual(['ack', 'ack'])
    expect(world.presence.see('ann').username).toBe('Annie')
    // A token with a name sets it again.
    world.tokens.set('named', known({ username: 'Ann', isNameFixed: true }))
    ann.send(refresh('named'))
    expect(await ann.types()).toEqual(['ack'])
    expect(world.presence.see('ann').username).toBe('Ann')
  })

  test('[W9] later requests wait for a token that is being checked, for 250 ms at most', async () => {
    const ann = world.connect()
    await ann.taken()
    const quick = held()
    world.tokens.set('quick', quick.promise)
    ann.send(refresh('quick'), { type: 'ping', id: 1 }, { type: 'get_online_count', id: 2 })
    world.pass(100)
    expect(await ann.taken()).toEqual([])
    quick.resolve(known({ rights: { ...GRANT.rights, watch: 'named' } }))
    // The request that has waited is answered with the rights of the new token.
    expect(await ann.types()).toEqual(['ack', 'pong', 'not_allowed'])
    const slow = held()
    world.tokens.set('slow', slow.promise)
    ann.send(refresh('slow'), { type: 'ping', id: 3 })
    world.pass(200)
    expect(await ann.taken()).toEqual([])
    world.pass(100)
    expect(await ann.types()).toEqual(['pong'])
    expect(world.tooFast.size).toBe(0)
    slow.resolve(known())
    expect(await ann.types()).toEqual(['ack'])
  })

  test('[D17 I9] 1,000 refreshes: one is checked at a time, and the others are refused or wait', async () => {
    let checks = 0
    const slow = held()
    world.tokens.get = () => {
      checks++
      return slow.promise
    }
    const ann = world.connect()
    const limited = new World({ limits: { ...world.limits, messages: { burst: 200, everyMs: 50 } } })
    const bob = limited.connect({ userId: 'bob' })
    limited.tokens.get = world.tokens.get
    for (let n = 0; n < 1_000; n++) {
      ann.send(refresh(`token-${n}`))
      bob.send(refresh(`token-${n}`))
    }
    expect(checks).toBe(2)
    world.pass(300)
    limited.pass(300)
    slow.resolve(known())
    const answers = await ann.types()
    expect(answers.filter(type => type === 'too_fast')).toHaveLength(999)
    expect(answers.filter(type => type === 'ack')).toHaveLength(1)
    // With the default limits of messages, most still wait.
    expect((await bob.types()).length).toBeLessThan(250)
    expect([world.errors, limited.errors]).toEqual([[], []])
  })

  test('a connection that ended while its token was checked is not answered', async () => {
    const ann = world.connect()
    const slow = held()
    world.tokens.set('slow', slow.promise)
    ann.send(refresh('slow'), { type: 'ping' })
    ann.connection.closed(1006)
    await ann.taken()
    slow.resolve(known())
    world.pass(1_000)
    expect(await ann.taken()).toEqual([])
    expect([world.tooFast.size, world.errors]).toEqual([0, []])
  })

  test('[C2] a bug in the check of a token closes its own connection', async () => {
    const ann = world.connect()
    await ann.taken()
    world.tokens.set('bug', Promise.reject(new Error('planted')))
    ann.send(refresh('bug'))
    expect(await ann.types()).toEqual(['disconnect', 'close 4500'])
  })
})

describe('the end of a grant', () => {
  test('[D18] it is the end of the token and the grace, and no jump of the wall clock moves it', () => {
    const ann = world.connect({ expiresAt: START + MINUTE })
    const far = world.connect({ userId: 'far', expiresAt: Date.UTC(9999, 0, 1) })
    const open = world.connect({ userId: 'open' })
    world.jumpedMs = 365 * 24 * 60 * MINUTE
    expect(ann.connection.endsAt).toBe(6 * MINUTE)
    expect(far.connection.endsAt).toBeGreaterThan(2 ** 31)
    expect(open.connection.endsAt).toBe(Number.POSITIVE_INFINITY)
    // A token that is checked after the jump is measured by the new wall clock.
    world.tokens.set('new', known({ expiresAt: START + world.jumpedMs + 2 * MINUTE }))
    ann.send(refresh('new'))
    expect(ann.connection.endsAt).toBe(7 * MINUTE)
  })

  test('[D18] its connection is closed with 4401, and the session is held', async () => {
    const ann = world.connect({ expiresAt: START + MINUTE })
    await ann.taken()
    ann.connection.expired()
    expect(await ann.taken()).toMatchObject([
      { type: 'disconnect', code: 4401, reconnect: false },
      { type: 'close 4401' },
    ])
    expect(world.presence.record('ann')?.session).toBe('held')
  })
})

describe('a hide', () => {
  const hide = { type: 'set_status', status: 'offline', id: 1 }

  test('[W9] it is confirmed when it is placed, and later requests wait for that', async () => {
    const log = new SlowLog()
    const slow = new World({ log })
    const ann = slow.connect()
    await ann.taken()
    log.isSlow = true
    ann.send(hide, { type: 'ping', id: 2 })
    slow.pass(200)
    expect(await ann.taken()).toEqual([])
    expect(slow.presence.see('ann').status).toBe('online')
    log.place()
    expect(await ann.taken()).toMatchObject([{ type: 'status_updated', id: 1 }, { id: 2 }])
    expect(slow.presence.see('ann').status).toBe('offline')
  })

  test('[W9] after 250 ms later requests are answered, and the hide still is not', async () => {
    const log = new SlowLog()
    const slow = new World({ log })
    const ann = slow.connect()
    log.isSlow = true
    ann.send(hide, { type: 'ping', id: 2 })
    slow.pass(300)
    expect(await ann.types()).toEqual(['welcome', 'pong'])
    log.place()
    expect(await ann.types()).toEqual(['status_updated'])
  })

  test('[W9] negative control: any other choice, and a log that is at once, wait for nothing', async () => {
    const log = new SlowLog()
    const slow = new World({ log })
    const [ann, bob] = [slow.connect(), world.connect({ userId: 'bob' })]
    log.isSlow = true
    ann.send({ ...hide, status: 'busy' }, { type: 'ping' })
    expect(await ann.types()).toEqual(['welcome', 'status_updated', 'pong'])
    bob.send(hide, { type: 'ping' })
    expect([world.tooFast.size, slow.tooFast.size]).toEqual([0, 0])
    expect(await bob.types()).toEqual(['welcome', 'status_updated', 'pong'])
  })

  test('[W9 L4] many hides in a slow cluster never count as too fast', async () => {
    const log = new SlowLog()
    const slow = new World({ log, limits: { ...world.limits, messages: { burst: 200, everyMs: 50 } } })
    const ann = slow.connect()
    await ann.taken()
    log.isSlow = true
    let confirmed = 0
    // 20 s at 10 a second, each placed after 100 ms.
    for (let n = 0; n < 100; n++) {
      ann.send(hide, hide)
      for (let step = 0; step < 2; step++) {
        slow.pass(100)
        log.place()
        await vi.advanceTimersByTimeAsync(10)
      }
      const types = await ann.types()
      expect(types).toEqual(types.map(() => 'status_updated'))
      confirmed += types.length
    }
    expect(confirmed).toBeGreaterThanOrEqual(198)
  })
})
