import { beforeEach, describe, expect, test } from 'vitest'
import type { PresenceClient } from './api.ts'
import { createClient } from './client.ts'
import { PresenceError } from './errors.ts'
import { Connection, FakeServer } from './fake-server.contract.ts'
import { Events } from './game.contract.ts'
import { ManualClock } from './manual-clock.contract.ts'
import type { ClientOptions } from './options.ts'
import type { Platform } from './platform.ts'

// The client with a server and a clock that do as they are told.

let clock: ManualClock
let server: FakeServer
let network: Events

beforeEach(() => {
  clock = new ManualClock()
  server = new FakeServer(clock)
  network = new Events()
})

function make(options: Partial<ClientOptions> = {}, platform: Partial<Platform> = {}): PresenceClient {
  const nothing = { document: undefined, storage: undefined, locks: undefined, isUsers: false }
  return createClient({
    url: 'ws://fake/ws',
    ...(options.getToken || options.token ? {} : { userId: 'me' }),
    WebSocket: server.WebSocket,
    ...options,
    platform: { ...clock, ...nothing, network, random: () => 0.5, ...platform },
  } as ClientOptions)
}

async function open(options: Partial<ClientOptions> = {}, platform: Partial<Platform> = {}) {
  const client = make(options, platform)
  await clock.run(1)
  expect(client.connectionStatus).toBe('open')
  return client
}

const connection = () => [...server.connections].at(-1) as Connection
const heard = (type: string) => server.heard.filter(said => said.type === type)
const query = (index: number) => Object.fromEntries(new URL(server.urls.at(index) ?? '').searchParams)
const ids = (count: number, from = 0) => Array.from({ length: count }, (_, n) => `user-${from + n}`)
const jwt = (exp: number) => `h.${btoa(JSON.stringify({ exp }))}.s`

describe('[J5] following', () => {
  test('two who follow one user cost one subscription, which ends with the last of them', async () => {
    const client = await open()
    const first = client.subscribe(['ann'])
    const second = client.subscribe(['ann', 'bob'])
    await clock.run(10)
    expect(heard('subscribe')).toEqual([
      { type: 'subscribe', userIds: ['ann', 'bob'], id: expect.any(Number) },
    ])
    first()
    first()
    await clock.run(1_000)
    expect(heard('unsubscribe')).toEqual([])
    second()
    await clock.run(1_000)
    expect(heard('unsubscribe')).toEqual([
      { type: 'unsubscribe', userIds: ['ann', 'bob'], id: expect.any(Number) },
    ])
    expect(client.users()).toEqual([])
  })

  test('a user is unknown until the server has told, then the same object until it changes', async () => {
    const client = await open()
    server.change('ann', 'busy')
    client.subscribe(['ann', 'nobody'])
    expect(client.get('ann')).toBeUndefined()
    await clock.run(50)
    const ann = client.get('ann')
    expect(ann).toMatchObject({ status: 'busy', freshness: 'live' })
    expect(client.get('nobody')).toMatchObject({ status: 'offline', lastSeen: null })
    expect(client.get('stranger')).toBeUndefined()
    const users = client.users()
    server.change('other', 'away')
    await clock.run(50)
    expect(client.get('ann')).toBe(ann)
    expect(client.users()).toBe(users)
  })

  test('rows that come and go within a turn say nothing; a thousand that come together are one message', async () => {
    const client = await open()
    client.subscribe(['ann'])()
    for (const id of ids(1_000)) client.subscribe([id])
    await clock.run(10)
    expect(heard('subscribe')).toHaveLength(1)
    expect(heard('unsubscribe')).toEqual([])
  })

  test('whoever scrolls through a list is told apart at most five times a second', async () => {
    const client = await open()
    for (let n = 0; n < 100; n++) {
      client.subscribe([`row-${n}`])
      await clock.run(10)
    }
    expect(heard('subscribe').length).toBeLessThanOrEqual(6)
    await clock.run(300)
    expect(client.users()).toHaveLength(100)
  })

  test('lists are split by the server’s limits, in ids and in bytes', async () => {
    const client = await open()
    client.subscribe(ids(2_500))
    await clock.run(3_000)
    const said = heard('subscribe') as unknown as { userIds: string[] }[]
    expect(said.map(({ userIds }) => userIds.length)).toEqual([1_000, 1_000, 500])
    server.heard.length = 0
    client.subscribe(Array.from({ length: 1_000 }, (_, n) => `${'é'.repeat(60)}${n}`))
    await clock.run(3_000)
    const long = heard('subscribe')
    expect(long.length).toBe(2)
    for (const one of long) expect(Buffer.byteLength(JSON.stringify(one))).toBeLessThan(65_536)
  })

  test('more than a connection may follow is an error, and nothing of it is followed', async () => {
    const client = await open()
    client.subscribe(ids(9_999))
    expect(() => client.subscribe(['one', 'two'])).toThrow(expect.objectContaining({ code: 'too_many' }))
    client.subscribe(['one'])
    const end = client.subscribe(ids(5))
    end()
    expect(() => client.subscribe(['two'])).toThrow(PresenceError)
  })

  test.each(['', 'a\u0000b', '\ud800', 'x'.repeat(129), 'é'.repeat(65), 7])('%j is no user id', async id => {
    const client = make()
    expect(() => client.subscribe(['ann', id as string])).toThrow(
      expect.objectContaining({ code: 'bad_user_id' }),
    )
  })

  test.each(['__proto__', 'constructor', '👻', 'x'.repeat(128), '\u2028'])('%j is one', async id => {
    const client = await open()
    server.change(id, 'busy')
    client.subscribe([id])
    await clock.run(50)
    expect(client.get(id)).toMatchObject({ userId: id, status: 'busy' })
  })

  test('everybody: whoever is missing after a new life of the server is offline', async () => {
    const client = await open()
    server.change('ann', 'online')
    server.change('bob', 'busy')
    const end = client.watchAll()
    await clock.run(300)
    expect(client.users().map(user => user.status)).toEqual(['online', 'busy'])
    server.restart()
    server.users.delete('ann')
    await clock.run(30_000)
    expect(client.get('ann')).toMatchObject({ status: 'offline', freshness: 'live' })
    end()
    await clock.run(1_000)
    expect(client.users()).toEqual([])
  })

  test('everybody: a state counts as what its last page says, asked for or not; one by name is merged', async () => {
    const client = await open()
    server.change('ann', 'online')
    server.change('bob', 'busy')
    client.watchAll()
    await clock.run(300)
    const { epoch, seq } = server
    const say = async (name: string, flags: object) => {
      const users = [server.see(name)]
      connection().say({ type: 'presence_state', epoch, seq, users, ...flags } as never)
      await clock.run(10)
    }
    const statuses = () => ['ann', 'bob'].map(id => client.get(id)?.status)
    await say('ann', { last: false, recovered: true })
    expect(statuses()).toEqual(['online', 'busy'])
    await say('bob', { last: true, recovered: false, all: true })
    expect(statuses()).toEqual(['offline', 'busy'])
    await say('ann', { last: true, recovered: false, all: true })
    expect(statuses()).toEqual(['online', 'offline'])
    await say('bob', { last: true, recovered: true })
    client.subscribe(['eve'])
    await clock.run(300)
    expect(statuses()).toEqual(['online', 'busy'])
    expect(client.freshness).toBe('live')
  })

  test('the count', async () => {
    const client = await open()
    const told: number[] = []
    client.onCount(count => told.push(count))
    expect(client.count).toBeUndefined()
    client.watchCount()
    server.change('ann', 'busy')
    await clock.run(50)
    server.change('bob', 'away')
    await clock.run(50)
    expect(told).toEqual([1, 2])
    expect(client.count).toBe(2)
  })

  test('listeners of a subscription hear of its users only, and one that throws stops nothing', async () => {
    const client = await open()
    const told: string[] = []
    client.subscribe(['ann'], () => told.push('ann'))
    client.subscribe(['bob'], () => told.push('bob'))
    const unlisten = client.onChange(changed => told.push(changed.map(user => user.userId).join()))
    await clock.run(50)
    told.length = 0
    server.change('bob', 'busy')
    await clock.run(50)
    expect(told).toEqual(['bob', 'bob'])
    unlisten()
    server.change('bob', 'away')
    await clock.run(50)
    expect(told).toEqual(['bob', 'bob', 'bob'])
  })
})

describe('[J6] coming back', () => {
  test('what is followed is followed again, from where it was left', async () => {
    const client = await open()
    server.change('ann', 'online')
    client.subscribe(['ann', 'bob'])
    await clock.run(300)
    const { epoch, seq } = server
    connection().cut()
    await clock.run(1)
    expect(client.freshness).toBe('stale')
    expect(client.get('ann')).toMatchObject({ status: 'online', freshness: 'stale' })
    server.change('bob', 'busy')
    client.subscribe(['eve'])
    server.heard.length = 0
    await clock.run(2_000)
    expect(heard('subscribe')).toMatchObject([
      { userIds: ['ann', 'bob'], since: { epoch, seq } },
      { userIds: ['eve'] },
    ])
    expect(heard('subscribe')[1]).not.toHaveProperty('since')
    expect(client.get('bob')).toMatchObject({ status: 'busy', freshness: 'live' })
    expect(client.freshness).toBe('live')
  })

  test('a hole is filled from before it', async () => {
    const client = await open()
    client.subscribe(['ann', 'bob'])
    await clock.run(300)
    const { epoch, seq } = server
    connection().loseDiff()
    server.change('ann', 'busy')
    await clock.run(50)
    expect(client.get('ann')?.status).toBe('offline')
    server.change('bob', 'busy')
    await clock.run(300)
    expect(heard('subscribe').at(-1)).toMatchObject({ userIds: ['ann', 'bob'], since: { epoch, seq } })
    expect(client.get('ann')).toMatchObject({ status: 'busy', freshness: 'live' })
  })

  test('a state is shown when its last page is there, at once', async () => {
    const client = await open()
    for (const id of ids(8)) server.change(id, 'online')
    const told: number[] = []
    client.onChange(changed => told.push(changed.length))
    client.subscribe(ids(8))
    await clock.run(300)
    expect(told).toEqual([8])
  })

  test('a quiet server is asked, a silent one is left, whatever the socket says', async () => {
    const client = await open()
    await clock.run(60_000)
    expect(heard('ping').length).toBe(4)
    expect(server.attempts).toBe(1)
    connection().stall()
    await clock.run(15_000 + 8_000 + 10)
    expect(client.connectionStatus).not.toBe('open')
    await clock.run(2_000)
    expect(client.connectionStatus).toBe('open')
  })

  test('a network that comes back ends a wait, and makes an open connection prove itself', async () => {
    server.weather.refused = 1
    const client = make()
    await clock.run(60_000)
    expect(client.connectionStatus).toBe('waiting')
    server.weather.refused = 0
    network.tell('online')
    await clock.run(1)
    expect(client.connectionStatus).toBe('open')
    connection().stall()
    network.tell('online')
    await clock.run(8_010)
    expect(client.connectionStatus).not.toBe('open')
  })

  test('a server that says when is believed', async () => {
    const client = await open()
    connection().end(4503, 5_000)
    await clock.run(4_990)
    network.tell('online')
    expect(client.connectionStatus).toBe('waiting')
    await clock.run(1_000)
    expect(client.connectionStatus).toBe('open')
  })

  test('a subscription that is refused for now is made again; another refusal is told', async () => {
    const client = await open()
    const errors: string[] = []
    client.onError(error => errors.push(error.code))
    server.weather.tooFast = 1
    client.subscribe(['ann'])
    await clock.run(250)
    server.weather.tooFast = 0
    await clock.run(400)
    expect(client.get('ann')).toBeDefined()
    expect(errors).toEqual([])
    client.subscribe(['bob'])
    await Promise.resolve()
    connection().say({ type: 'error', code: 'bad_message', message: 'no', id: 99 } as never)
    await clock.run(10)
    expect(errors).toEqual(['bad_message'])
  })
})

describe('[J6] a server that is asked too much', () => {
  test('a long subscription that is refused unread is made again, and what ends one too', async () => {
    const client = await open()
    server.weather.tooFast = 1
    const end = client.subscribe(ids(200))
    await clock.run(250)
    server.weather.tooFast = 0
    await clock.run(500)
    expect(client.freshness).toBe('live')
    server.weather.tooFast = 1
    end()
    await clock.run(250)
    server.weather.tooFast = 0
    expect(connection().topics.size).toBe(200)
    await clock.run(500)
    expect(connection().topics.size).toBe(0)
  })

  test('what may have been taken, and is wanted no more, is ended; what is wanted again is not', async () => {
    const client = await open()
    const end = client.subscribe(ids(200))
    await Promise.resolve()
    await clock.run(0)
    connection().say({ type: 'error', code: 'too_fast', message: 'no', retryAfterMs: 300 })
    await clock.run(0)
    end()
    await clock.run(1_000)
    expect(connection().topics.size).toBe(0)
    client.subscribe(ids(200))()
    const again = client.subscribe(ids(200))
    await clock.run(300)
    again()
    server.weather.tooFast = 1
    await clock.run(250)
    client.subscribe(ids(200))
    server.weather.tooFast = 0
    await clock.run(2_000)
    expect(connection().topics.size).toBe(200)
    expect(client.freshness).toBe('live')
  })

  test('is told no faster than it takes', async () => {
    const client = await open()
    let at = clock.now()
    let left = 200
    let isOver = false
    let index = server.heard.length
    let end = (): void => {}
    for (let n = 0; n < 400; n++) {
      if (n % 10 === 0 && n < 100) {
        end()
        end = client.subscribe(ids(4_000, n * 4_000))
      }
      await clock.run(100)
      left = Math.min(200, left + (clock.now() - at) / 50)
      at = clock.now()
      for (; index < server.heard.length; index++) {
        const said = server.heard[index] as { userIds?: string[] }
        left -= 1 + Math.floor((said.userIds?.length ?? 0) / 100)
      }
      isOver ||= left < -2
    }
    expect(isOver).toBe(false)
    expect(client.users()).toHaveLength(4_000)
    expect(client.freshness).toBe('live')
    expect(connection().topics.size).toBe(4_000)
  })

  test('hears of this device again, as it is by then', async () => {
    const client = await open()
    server.weather.tooFast = 1
    client.setActivity('idle')
    client.setVisible(false)
    await clock.run(10)
    client.setActivity('active')
    client.setActivity('idle')
    await clock.run(10)
    server.weather.tooFast = 0
    server.heard.length = 0
    await clock.run(1_000)
    expect(server.heard).toMatchObject([
      { type: 'client_state', state: 'inactive' },
      { type: 'set_activity', state: 'idle' },
    ])
  })
})

describe('[J7] requests', () => {
  test('get their own replies', async () => {
    const client = await open()
    server.change('ann', 'busy')
    const [users, status] = await settle(
      Promise.all([client.getUsers(['ann', 'bob']), client.setStatus('away', { text: 'lunch' })]),
    )
    expect(users.map(user => user.status)).toEqual(['busy', 'offline'])
    expect(status).toEqual({ status: 'away', text: 'lunch', expiresAt: undefined })
    expect(client.myStatus).toEqual(status)
    expect(client.users()).toEqual([])
  })

  test('have an end: a date becomes a time', async () => {
    const client = await open()
    const expiresAt = new Date('2035-01-01T00:00:00Z')
    await settle(client.setStatus('busy', { expiresAt }))
    expect(heard('set_status')).toMatchObject([{ status: 'busy', expiresAt: '2035-01-01T00:00:00.000Z' }])
    expect(heard('set_status')[0]).not.toHaveProperty('text')
  })

  test('are refused with the server’s code', async () => {
    const client = await open()
    const asked = client.identify('Ann')
    await Promise.resolve()
    connection().say({
      type: 'error',
      code: 'too_fast',
      message: 'too fast',
      retryAfterMs: 50,
      id: 2,
    } as never)
    await expect(settle(asked)).rejects.toMatchObject({ code: 'too_fast', retryAfterMs: 50 })
  })

  test('time out, and are rejected when the client is closed', async () => {
    server.weather.vanished = 1
    const client = make()
    await expect(settle(client.getUsers(['ann']), 10_000)).rejects.toMatchObject({ code: 'timeout' })
    const asked = client.getUsers(['ann'])
    await Promise.resolve()
    client.close()
    await expect(asked).rejects.toMatchObject({ code: 'closed' })
    await expect(client.getUsers(['ann'])).rejects.toMatchObject({ code: 'closed' })
    expect(() => client.connect()).toThrow(PresenceError)
  })

  test('are asked again when the connection breaks before the reply', async () => {
    const client = await open()
    connection().stall()
    const asked = client.setStatus('busy')
    await Promise.resolve()
    connection().cut()
    await expect(settle(asked, 3_000)).resolves.toMatchObject({ status: 'busy' })
  })
})

describe('[J7] a request that is too large', () => {
  test('is rejected and not sent, by what the connection takes that is there', async () => {
    const client = await open()
    const text = 'é'.repeat(32_768)
    await expect(client.setStatus('busy', { text })).rejects.toMatchObject({ code: 'too_large' })
    await clock.run(20_000)
    expect(heard('set_status')).toEqual([])
    expect(server.attempts).toBe(1)
    await expect(settle(client.setStatus('busy', { text: 'é' }))).resolves.toMatchObject({ text: 'é' })
  })
})

describe('[J8] tokens that are none', () => {
  test.each([undefined, '', '<html>502 Bad Gateway</html>'])(
    '%j is told, and asked for again',
    async none => {
      const errors: PresenceError[] = []
      let asked = 0
      const client = make({ getToken: () => (++asked === 1 ? none : 'good.token.x') as string })
      client.onError(error => errors.push(error))
      await clock.run(1)
      expect(client.connectionStatus).toBe('waiting')
      expect(errors).toMatchObject([{ code: 'bad_token' }])
      expect(server.attempts).toBe(0)
      await clock.run(2_000)
      expect(client.connectionStatus).toBe('open')
      expect(server.protocols).toEqual([['who-is-online.v2', 'bearer.good.token.x']])
    },
  )

  test('a constructor that throws says why', async () => {
    class Picky {
      constructor() {
        throw new SyntaxError('bad subprotocol')
      }
    }
    const client = make({ token: 'a b', WebSocket: Picky as never })
    await clock.run(10)
    expect(client.refusal).toMatchObject({ closeCode: 4400, message: 'SyntaxError: bad subprotocol' })
  })

  test('the same token as before is no reason to connect anew, and is not asked for in a loop', async () => {
    const token = jwt(clock.now() / 1_000 + 40)
    let asked = 0
    await open({
      getToken() {
        asked++
        return token
      },
    })
    await clock.run(120_000)
    expect(server.attempts).toBe(1)
    expect(asked).toBeLessThanOrEqual(4)
    expect(asked).toBeGreaterThan(1)
  })

  test('one that has ended already, and one that ends soon, are not renewed in a loop', async () => {
    let asked = 0
    await open({ getToken: () => jwt(clock.now() / 1_000 - ++asked) })
    await clock.run(60_000)
    expect(server.attempts).toBe(1)
    const getToken = () => jwt(clock.now() / 1_000 + 2 + ++asked / 1_000)
    await open({ getToken, sessionId: 'other' })
    await clock.run(60_000)
    expect(server.attempts).toBeLessThanOrEqual(8)
  })

  test('a renewal that fails is tried again before the end, and not after the client is closed', async () => {
    let asked = 0
    const client = await open({
      async getToken() {
        if (++asked === 2 || asked === 3 || asked > 4) throw new Error('502')
        return jwt(clock.now() / 1_000 + 120 + asked)
      },
    })
    await clock.run(118_000)
    expect(asked).toBe(4)
    expect(server.attempts).toBe(2)
    await clock.run(100_000)
    expect(asked).toBeGreaterThan(4)
    client.close()
    await clock.run(60_000)
    expect(clock.pending).toBe(0)
  })
})

describe('[J8] who this is', () => {
  test('the session stays over reconnects, and a name that was given later too', async () => {
    const client = await open({ username: 'Old' })
    await settle(client.identify('New'))
    connection().cut()
    await clock.run(2_000)
    expect(query(0)).toMatchObject({ userId: 'me', username: 'Old' })
    expect(query(1)).toEqual({ userId: 'me', username: 'New', sessionId: query(0)['sessionId'] })
    expect(server.protocols[0]).toEqual(['who-is-online.v2'])
  })

  test('the session is kept for the tab; a copy of the tab takes another', async () => {
    const stored = new Map<string, string>()
    const storage = {
      getItem: (key: string) => stored.get(key) ?? null,
      setItem: (key: string, value: string) => void stored.set(key, value),
    }
    let next = 0
    const random = () => ++next / 1_000
    const first = await open({}, { storage, random })
    const copy = make({}, { storage, random })
    await clock.run(10_000)
    expect(copy.connectionStatus).toBe('open')
    expect(first.connectionStatus).toBe('open')
    expect(query(1)['sessionId']).toBe(query(0)['sessionId'])
    expect(query(2)['sessionId']).not.toBe(query(0)['sessionId'])
    expect(server.attempts).toBe(3)
  })

  test('where there are locks the copy knows before it connects', async () => {
    const stored = new Map([['who-is-online:ws://fake/ws:me', 'tab-1']])
    const storage = { getItem: (key: string) => stored.get(key) ?? null, setItem: () => {} }
    const held = new Set<string>()
    const locks: NonNullable<Platform['locks']> = {
      async request(name, _options, callback) {
        if (held.has(name)) return callback(null)
        held.add(name)
        await callback({})
        held.delete(name)
      },
    }
    const first = await open({}, { storage, locks })
    await open({}, { storage, locks })
    expect(query(0)['sessionId']).toBe('tab-1')
    expect(query(1)['sessionId']).not.toBe('tab-1')
    first.close()
    await clock.run(10)
    expect(held.has('who-is-online:ws://fake/ws:me tab-1')).toBe(false)
  })

  test('replaced twice in a row: the client stays away until it is asked to come back', async () => {
    const client = await open()
    connection().end(4409)
    await clock.run(10)
    connection().end(4409)
    await clock.run(60_000)
    expect(client.connectionStatus).toBe('suspended')
    expect(client.refusal).toMatchObject({ code: 'refused', closeCode: 4409, message: 'because' })
    await expect(client.getUsers(['ann'])).rejects.toBe(client.refusal)
    client.connect()
    await clock.run(10)
    expect(client.connectionStatus).toBe('open')
    expect(client.refusal).toBeUndefined()
  })

  test('a token travels as a subprotocol, fetched for each connection', async () => {
    let fetched = 0
    await open({ getToken: () => `token-${++fetched}` })
    connection().cut()
    await clock.run(2_000)
    expect(server.protocols).toEqual([1, 2].map(n => ['who-is-online.v2', `bearer.token-${n}`]))
    expect(query(0)).toEqual({ sessionId: expect.any(String) })
  })

  test('a token is renewed before it ends, on another connection of the same session', async () => {
    let fetched = 0
    const getToken = async () => jwt(clock.now() / 1_000 + 600 + ++fetched)
    await open({ getToken })
    await clock.run(560_000)
    expect(server.attempts).toBe(1)
    await clock.run(20_000)
    expect(server.attempts).toBe(2)
    expect(fetched).toBe(2)
    expect(query(1)).toEqual(query(0))
    expect(server.connections.size).toBe(1)
  })

  test('4401: another token, once; no token to be had is no network', async () => {
    let fetched = 0
    const client = await open({ getToken: () => `token-${++fetched}` })
    connection().end(4401)
    await clock.run(10)
    expect(client.connectionStatus).toBe('open')
    connection().end(4401)
    await clock.run(10)
    expect(client.connectionStatus).toBe('suspended')
    const offline = make({ getToken: () => Promise.reject(new Error('offline')) })
    await clock.run(10)
    expect(offline.connectionStatus).toBe('waiting')
  })

  test('a socket that can’t even be made is not tried again', async () => {
    class Picky {
      constructor() {
        throw new SyntaxError('bad subprotocol')
      }
    }
    const client = make({ token: 'a b', WebSocket: Picky as never })
    await clock.run(60_000)
    expect(client.connectionStatus).toBe('suspended')
  })
})

describe('[J9] this user', () => {
  test('a choice of another device is told; after a welcome without one it is a plain one', async () => {
    const client = await open()
    const told: string[] = []
    client.onMyStatus(({ status }) => told.push(status))
    connection().say({ type: 'status_updated', status: 'busy' } as never)
    await clock.run(10)
    connection().cut()
    await clock.run(1)
    expect(client.myStatus.status).toBe('busy')
    await clock.run(2_000)
    expect(told).toEqual(['busy', 'online'])
  })

  test('idle and hidden are seen, told, and told again after a reconnect', async () => {
    const document = Object.assign(new Events(), { visibilityState: 'visible' })
    const client = await open({ idleAfterMs: 60_000 }, { document })
    // A session may have been left idle by the page before a reload.
    const id = expect.any(Number)
    expect(heard('set_activity')).toEqual([{ type: 'set_activity', state: 'active', id }])
    server.heard.length = 0
    await clock.run(59_000)
    document.tell('keydown')
    await clock.run(59_000)
    expect(heard('set_activity')).toEqual([])
    await clock.run(2_000)
    expect(heard('set_activity')).toEqual([{ type: 'set_activity', state: 'idle', id }])
    document.visibilityState = 'hidden'
    document.tell('visibilitychange')
    await clock.run(6_000)
    expect(heard('client_state')).toEqual([{ type: 'client_state', state: 'inactive', id }])
    server.heard.length = 0
    connection().cut()
    await clock.run(2_000)
    expect(server.heard).toEqual([
      { type: 'set_activity', state: 'idle', id },
      { type: 'client_state', state: 'inactive', id },
    ])
    server.heard.length = 0
    document.visibilityState = 'visible'
    document.tell('visibilitychange')
    await clock.run(10)
    expect(server.heard.map(({ type }) => type)).toEqual(['client_state', 'ping', 'set_activity'])
    client.close()
    await clock.run(60_000)
    expect(document.size).toBe(0)
    expect(network.size).toBe(0)
    expect(clock.pending).toBe(0)
  })

  test('what a hidden tab shows is stale, until the server has told what it kept to itself', async () => {
    const client = await open()
    client.subscribe(['ann'])
    await clock.run(300)
    client.setVisible(false)
    expect(client.get('ann')?.freshness).toBe('stale')
    expect(client.freshness).toBe('stale')
    server.change('ann', 'busy')
    await clock.run(1_000)
    const told: string[] = []
    client.onChange(([ann]) => told.push(`${ann?.status} ${ann?.freshness}`))
    client.setVisible(true)
    expect(client.freshness).toBe('stale')
    await clock.run(10)
    expect(told).toEqual(['busy stale', 'busy live'])
    client.setVisible(false)
    connection().cut()
    await clock.run(2_000)
    expect(client.connectionStatus).toBe('open')
    expect(client.freshness).toBe('stale')
    connection().cut()
    await clock.run(1)
    client.setVisible(true)
    await clock.run(3_000)
    expect(client.freshness).toBe('live')
  })

  test('a tab that is hidden for a moment says nothing', async () => {
    const document = Object.assign(new Events(), { visibilityState: 'hidden' })
    await open({ idleAfterMs: false }, { document })
    server.heard.length = 0
    document.visibilityState = 'visible'
    document.tell('visibilitychange')
    await clock.run(600_000)
    expect(server.heard.every(({ type }) => type === 'ping')).toBe(true)
  })
})

describe('[J10] a server that talks nonsense', () => {
  test('a welcome that lacks everything will do', async () => {
    const WebSocket = server.WebSocket
    const client = make({ WebSocket })
    server.weather.delayMs = 0
    const say = Connection.prototype.say
    Connection.prototype.say = function (message) {
      say.call(this, message.type === 'welcome' ? { type: 'welcome' } : message)
    }
    try {
      await clock.run(1)
      client.subscribe(['ann'])
      await clock.run(60_000)
    } finally {
      Connection.prototype.say = say
    }
    expect(client.connectionStatus).toBe('open')
    expect(client.get('ann')).toMatchObject({ freshness: 'live' })
    expect(heard('ping')).toHaveLength(4)
  })

  test.each([
    { type: 'presence_state', last: true },
    { type: 'presence_state', last: true, users: [null] },
    { type: 'presence_diff', prevSeq: 100, seq: 107 },
  ])('%j: the line is as good as broken, and nothing is missed', async message => {
    const client = await open()
    client.subscribe(['ann'])
    await clock.run(300)
    connection().say(message)
    await clock.run(1)
    expect(client.connectionStatus).toBe('waiting')
    server.change('ann', 'busy')
    await clock.run(3_000)
    expect(client.connectionStatus).toBe('open')
    expect(client.get('ann')).toMatchObject({ status: 'busy', freshness: 'live' })
    client.close()
    expect(client.connectionStatus).toBe('closed')
  })

  test('a farewell that lacks everything, and a socket that can’t be used, are a broken line', async () => {
    const client = await open()
    connection().say({ type: 'disconnect' })
    await clock.run(1)
    connection().cut()
    await clock.run(1)
    expect(client.connectionStatus).toBe('waiting')
    await clock.run(2_000)
    expect(client.connectionStatus).toBe('open')
    class Broken extends server.WebSocket {
      override send(): void {
        throw new Error('not open')
      }
    }
    const broken = make({ WebSocket: Broken })
    await clock.run(1)
    expect(broken.connectionStatus).toBe('waiting')
    broken.close()
    expect(broken.connectionStatus).toBe('closed')
  })

  test('a wait that no timer can wait is a long one', async () => {
    const waits: number[] = []
    const setTimeout = (task: () => void, ms: number) => {
      waits.push(ms)
      return clock.setTimeout(task, ms)
    }
    await open({}, { setTimeout })
    connection().end(4503, 3e9)
    await clock.run(1)
    expect(Math.max(...waits)).toBe(2 ** 31 - 1)
  })
})

describe('[J10] where it runs', () => {
  test('on a server nothing is opened until something is wanted', async () => {
    const WebSocket = server.WebSocket
    const client = make({ WebSocket: undefined as never }, { WebSocket })
    await clock.run(1_000)
    expect(client.connectionStatus).toBe('idle')
    client.subscribe(['ann'])
    await clock.run(10)
    expect(client.get('ann')).toBeDefined()
  })

  test('in front of a user it connects at once, unless it must not', async () => {
    await open({ WebSocket: undefined as never }, { WebSocket: server.WebSocket, isUsers: true })
    const shy = make({ autoConnect: false })
    shy.subscribe(['ann'])
    await clock.run(1_000)
    expect(shy.connectionStatus).toBe('idle')
    shy.connect()
    await clock.run(10)
    expect(shy.connectionStatus).toBe('open')
  })

  test('without a WebSocket it knows nothing, and says so', async () => {
    const client = make({ WebSocket: undefined as never }, { WebSocket: undefined })
    client.subscribe(['ann'])
    expect(client.users()).toEqual([])
    expect(() => client.connect()).toThrow(expect.objectContaining({ code: 'no_websocket' }))
  })

  test('without a WebSocket whatever needs one says so at once', async () => {
    const client = make({ WebSocket: undefined as never }, { WebSocket: undefined, isUsers: true })
    const errors: string[] = []
    client.onError(error => errors.push(error.code))
    await expect(client.setStatus('busy')).rejects.toMatchObject({ code: 'no_websocket' })
    client.subscribe(['ann'])
    client.watchAll()
    expect(errors).toEqual(['no_websocket'])
    client.close()
    await expect(client.setStatus('busy')).rejects.toMatchObject({ code: 'closed' })
    expect(clock.pending).toBeLessThanOrEqual(1)
  })

  test('an end that is no time is a PresenceError', async () => {
    const asked = make().setStatus('busy', { expiresAt: 'tomorrow' })
    await expect(asked).rejects.toMatchObject({ name: 'PresenceError', code: 'bad_message' })
  })

  test('a client that is closed before it has its lock does not keep it, nor asks for it in the first place', async () => {
    const stored = new Map([['who-is-online:ws://fake/ws:me', 'tab-1']])
    const storage = { getItem: (key: string) => stored.get(key) ?? null, setItem: () => {} }
    const held = new Set<string>()
    let asked = 0
    const locks: NonNullable<Platform['locks']> = {
      async request(name, _options, callback) {
        asked++
        await new Promise<void>(resolve => void clock.setTimeout(resolve, 5))
        if (held.has(name)) return callback(null)
        held.add(name)
        await callback({})
        held.delete(name)
      },
    }
    make({ autoConnect: false }, { storage, locks })
    await clock.run(50)
    make({}, { storage, locks }).close()
    await clock.run(50)
    expect(asked).toBe(0)
    const late = make({}, { storage, locks })
    await clock.run(1)
    expect(asked).toBe(1)
    late.close()
    await clock.run(50)
    expect(held.size).toBe(0)
    await open({}, { storage, locks: { request: (...args) => Promise.resolve(args[2]({})) } })
    expect(query(-1)['sessionId']).toBe('tab-1')
  })

  test('options that can’t be meant are refused', () => {
    expect(() => createClient({ url: 'ws://x' } as never)).toThrow(
      expect.objectContaining({ code: 'bad_options' }),
    )
  })

  test('the real surroundings will do', () => {
    const client = createClient({ url: 'ws://127.0.0.1:1/ws', userId: 'me' })
    expect(client.connectionStatus).toBe('idle')
    client.close()
    expect(client.connectionStatus).toBe('closed')
  })
})

/** What a promise comes to while time passes. */
async function settle<Value>(promise: Promise<Value>, ms = 100): Promise<Value> {
  promise.catch(() => {})
  await clock.run(ms)
  return promise
}
