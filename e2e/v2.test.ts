import { sleep, TestClient } from '@who-is-online/testing/client'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { useServer } from '@who-is-online/testing/use-server'
import { expect, test } from 'vitest'

// Protocol v2 on real sockets: subscriptions, messages, choices and sessions.

const GRACE_MS = 700
const server = useServer({ OFFLINE_GRACE_MS: GRACE_MS })

const shape = (text: string) => text.replaceAll(/"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"/g, '"TIME"')

/** All messages until none comes for `quietMs`. */
async function received(
  client: TestClient,
  quietMs = 150,
): Promise<{ type: string; [key: string]: unknown }[]> {
  await sleep(quietMs)
  return client.texts.splice(0).map(text => JSON.parse(text))
}

test('[V1] v2 is selected by its subprotocol, and its welcome contains session, position and limits', async () => {
  const client = await TestClient.open(`${server.url}?userId=terms&sessionId=tab-1`, {
    protocols: ['who-is-online.v1', 'who-is-online.v2'],
  })
  expect(client.socket.protocol).toBe('who-is-online.v2')
  const text = await client.text()
  expect(shape(text)).toMatch(
    /^\{"type":"welcome","userId":"terms","message":"Connected to server","sessionId":"tab-1","connectionId":"[^"]+","epoch":"[0-9a-z]+","seq":\d+,"serverTime":"TIME","heartbeatMs":15000,"graceMs":700,"limits":\{"maxMessageBytes":65536,"maxUserIds":1000,"maxWatchedUsers":10000,"messagesPerSecond":20,"messagesBurst":200\}\}$/,
  )
  const v1 = await TestClient.open(`${server.url}?userId=terms`, { protocols: ['who-is-online.v1'] })
  expect(await v1.text()).toBe('{"type":"welcome","userId":"terms","message":"Connected to server"}')
  await v1.leave()
  await client.leave()
})

test('[V2] subscribe sends the state of the selected users, then diffs without gaps', async () => {
  const fan = await TestClient.v2(server, 'fan')
  const bob = await TestClient.v2(server, 'bob', { username: 'Bob' })
  fan.send({ type: 'subscribe', userIds: ['bob', 'nobody', 42], id: 's' })
  const state = await fan.next('presence_state')
  expect(state).toMatchObject({ last: true, recovered: false, id: 's' })
  expect(state.users).toEqual([
    {
      userId: 'bob',
      status: 'online',
      lastSeen: expect.any(String),
      username: 'Bob',
      since: expect.any(String),
    },
    { userId: 'nobody', status: 'offline', lastSeen: null },
    { userId: '42', status: 'offline', lastSeen: null },
  ])
  bob.send({ type: 'set_status', status: 'busy', text: 'in a call' })
  const busy = await fan.next('presence_diff')
  expect(busy).toMatchObject({
    prevSeq: state.seq,
    users: [{ userId: 'bob', status: 'busy', text: 'in a call' }],
  })
  const stranger = await TestClient.v2(server, 'stranger')
  await stranger.leave()
  await bob.leave()
  const gone = await fan.next('presence_diff')
  expect(gone.prevSeq).toBe(busy.seq)
  expect(gone.users).toEqual([
    { userId: 'bob', status: 'offline', lastSeen: expect.any(String), username: 'Bob' },
  ])
  // An empty subscription has an empty state, and can be extended later.
  expect(await fan.ask({ type: 'subscribe', userIds: [] }, 'presence_state')).toMatchObject({
    users: [],
    last: true,
  })
  fan.send({ type: 'unsubscribe', userIds: ['bob'], id: 7 })
  expect(await fan.next('ack')).toEqual({ type: 'ack', id: 7 })
  const back = await TestClient.v2(server, 'bob')
  expect(await received(fan)).toEqual([])
  await back.leave()
  await fan.leave()
})

test('[V2] a subscription to all users includes the own user', async () => {
  const fan = await TestClient.v2(server, 'all-fan')
  const ann = await TestClient.v2(server, 'all-ann')
  fan.send({ type: 'subscribe', all: true })
  const { users, last } = await fan.next('presence_state')
  expect(last).toBe(true)
  const online = users.filter((user: { status: string }) => user.status !== 'offline')
  expect(online.map((user: { userId: string }) => user.userId).toSorted()).toEqual(['all-ann', 'all-fan'])
  ann.send({ type: 'set_status', status: 'away' })
  expect((await fan.next('presence_diff')).users).toMatchObject([{ userId: 'all-ann', status: 'away' }])
  fan.send({ type: 'set_status', status: 'busy' })
  expect((await fan.next('presence_diff')).users).toMatchObject([{ userId: 'all-fan', status: 'busy' }])
  fan.send({ type: 'unsubscribe', all: true })
  await fan.next('ack')
  ann.send({ type: 'set_status', status: 'online' })
  expect(await received(fan)).toEqual([])
  await ann.leave()
  await fan.leave()
})

test('[V3] `since` in the same epoch returns what changed after it; in another epoch everything', async () => {
  const ann = await TestClient.v2(server, 'since-ann')
  const bob = await TestClient.v2(server, 'since-bob')
  const userIds = ['since-ann', 'since-bob']
  const fan = await TestClient.v2(server, 'since-fan')
  const before = await fan.ask({ type: 'subscribe', userIds }, 'presence_state')
  fan.reset()
  bob.send({ type: 'set_status', status: 'busy' })
  await bob.next('status_updated')
  const again = await TestClient.v2(server, 'since-fan')
  const since = { epoch: before.epoch, seq: before.seq }
  const recovered = await again.ask({ type: 'subscribe', userIds, since }, 'presence_state')
  expect(recovered).toMatchObject({
    recovered: true,
    last: true,
    users: [{ userId: 'since-bob', status: 'busy' }],
  })
  for (const lost of [
    { epoch: 'another', seq: before.seq },
    { epoch: before.epoch, seq: 1e9 },
  ]) {
    const whole = await again.ask({ type: 'subscribe', userIds, since: lost }, 'presence_state')
    expect(whole.recovered).toBe(false)
    expect(whole.users).toHaveLength(2)
  }
  for (const client of [ann, bob, again]) await client.leave()
})

test('[V4] an inactive client receives nothing; when it is active again, one diff has the newest state of each user', async () => {
  const fan = await TestClient.v2(server, 'looker')
  const ann = await TestClient.v2(server, 'look-ann')
  const bob = await TestClient.v2(server, 'look-bob')
  await fan.ask({ type: 'subscribe', userIds: ['look-ann', 'look-bob'] }, 'presence_state')
  await fan.ask({ type: 'client_state', state: 'inactive', id: 1 }, 'ack')
  for (const status of ['busy', 'away', 'busy']) {
    ann.send({ type: 'set_status', status })
    bob.send({ type: 'set_status', status })
    await sleep(60)
  }
  expect(await received(fan)).toEqual([])
  fan.send({ type: 'client_state', state: 'active', id: 2 })
  const told = await received(fan)
  expect(told).toMatchObject([
    { type: 'presence_diff', users: [{ status: 'busy' }, { status: 'busy' }] },
    { type: 'ack', id: 2 },
  ])
  for (const client of [ann, bob, fan]) await client.leave()
})

test('[V5] the number of online users is sent at most once per second, and only if it changed', async () => {
  const fan = await TestClient.v2(server, 'counter')
  const { count } = await fan.ask({ type: 'subscribe', count: true, id: 'c' }, 'online_count')
  const clients: TestClient[] = []
  for (let n = 0; n < 10; n++) {
    clients.push(await TestClient.v2(server, `counted-${n}`))
    await sleep(30)
  }
  const first = await received(fan, 1_300)
  expect(first.length).toBeLessThanOrEqual(2)
  expect(first.at(-1)).toMatchObject({ type: 'online_count', count: count + 10 })
  expect(await received(fan, 1_200)).toEqual([])
  await fan.ask({ type: 'unsubscribe', count: true }, 'ack')
  for (const client of clients) await client.leave()
  expect(await received(fan, 1_200)).toEqual([])
  await fan.leave()
})

test('[V6] every reply and error has the id of its request', async () => {
  const client = await TestClient.v2(server, 'ids')
  const requests: [object, string][] = [
    [{ type: 'get_online_count' }, 'online_count'],
    [{ type: 'check_user_status', targetUserId: 'ids' }, 'user_status'],
    [{ type: 'get_all_users' }, 'all_users'],
    [{ type: 'set_status', status: 'online' }, 'status_updated'],
    [{ type: 'identify', username: 'Ids' }, 'ack'],
    [{ type: 'set_activity', state: 'active' }, 'ack'],
    [{ type: 'subscribe', userIds: ['ids'] }, 'presence_state'],
    [{ type: 'unsubscribe', userIds: ['ids'] }, 'ack'],
    [{ type: 'get_users', userIds: ['ids'] }, 'users'],
    [{ type: 'list_users' }, 'users'],
    [{ type: 'client_state', state: 'active' }, 'ack'],
    [{ type: 'ping' }, 'pong'],
  ]
  for (const [index, [request, reply]] of requests.entries()) {
    for (const id of [index, `id ${index} "`]) {
      client.send({ ...request, id })
      expect((await client.next(reply)).id).toBe(id)
    }
  }
  client.send({ type: 'get_users', userIds: [''], id: 'wrong' })
  expect(await client.next('error')).toMatchObject({
    code: 'bad_message',
    id: 'wrong',
    message: expect.stringContaining('userIds[0]'),
  })
  client.send({ type: 'dance', id: 3 })
  expect(await client.next('error')).toMatchObject({ code: 'unknown_type', id: 3 })
  client.send('{')
  expect(await client.next('error')).toMatchObject({ code: 'bad_json' })
  await client.leave()
})

test('[V7] get_users returns any users, list_users returns all users in pages', async () => {
  const client = await TestClient.v2(server, 'lister')
  const crowd = await Promise.all(Array.from({ length: 25 }, (_, n) => TestClient.v2(server, `page-${n}`)))
  const { users, seq } = await client.ask({ type: 'get_users', userIds: ['page-3', 'nobody'] }, 'users')
  expect(users).toMatchObject([
    { userId: 'page-3', status: 'online' },
    { userId: 'nobody', status: 'offline', lastSeen: null },
  ])
  expect(seq).toBeGreaterThan(0)
  const listed: string[] = []
  let cursor: string | undefined
  do {
    const page = await client.ask({ type: 'list_users', status: 'online', limit: 7, cursor }, 'users')
    expect(page.users.length).toBeLessThanOrEqual(7)
    for (const user of page.users) listed.push(user.userId)
    cursor = page.cursor
    await crowd.pop()?.leave()
    crowd.push(await TestClient.v2(server, `late-${listed.length}`))
  } while (cursor !== undefined)
  expect(new Set(listed).size).toBe(listed.length)
  for (let n = 0; n < 15; n++) expect(listed).toContain(`page-${n}`)
  for (const wrong of ['x', 'zzz.ann', '-1.ann', `1.${'z'.repeat(129)}`, `1.${'\n'}`]) {
    client.send({ type: 'list_users', cursor: wrong })
    expect(await client.next('error')).toMatchObject({ code: 'bad_cursor' })
  }
  for (const one of crowd) await one.leave()
  await client.leave()
})

test('[V8] a new connection of a session replaces the dead one at once, without a change or a duplicate', async () => {
  const fan = await TestClient.v2(server, 'replace-fan')
  await fan.ask({ type: 'subscribe', userIds: ['twice'] }, 'presence_state')
  const old = await TestClient.v2(server, 'twice', { sessionId: 'tab' })
  await fan.next('presence_diff')
  const fresh = await TestClient.v2(server, 'twice', { sessionId: 'tab' })
  expect((await old.closed).code).toBe(4409)
  expect(old.texts.map(text => JSON.parse(text))).toMatchObject([
    { type: 'disconnect', code: 4409, reconnect: false },
  ])
  expect(await received(fan, GRACE_MS + 300)).toEqual([])
  await fresh.leave()
  expect((await fan.next('presence_diff')).users).toMatchObject([{ userId: 'twice', status: 'offline' }])
  await fan.leave()
})

test('[V8] a user at the connection limit can reconnect with the same session', async () => {
  const own = temporaryDir()
  const small = await startServer(own.path, { MAX_CONNECTIONS_PER_USER: 2 })
  await TestClient.v2(small, 'full', { sessionId: '1' })
  await TestClient.v2(small, 'full', { sessionId: '2' })
  await expect(TestClient.v2(small, 'full', { sessionId: '3' })).rejects.toThrow('HTTP 429')
  const back = await TestClient.v2(small, 'full', { sessionId: '2' })
  await back.leave()
  await small.end('SIGTERM')
  own.remove()
})

test('[V9] own connections receive a choice with its text and expiry, and its end', async () => {
  const fan = await TestClient.v2(server, 'choice-fan')
  const v1 = await TestClient.as(server, 'choice-v1')
  await fan.ask({ type: 'subscribe', userIds: ['chooser'] }, 'presence_state')
  const laptop = await TestClient.v2(server, 'chooser')
  const phone = await TestClient.v2(server, 'chooser')
  await v1.next('user_status_change')
  await fan.next('presence_diff')
  const expiresAt = new Date(Date.now() + 900).toISOString()
  const reply = await laptop.ask(
    { type: 'set_status', status: 'busy', text: 'exam', expiresAt, id: 1 },
    'status_updated',
  )
  expect(reply).toMatchObject({ status: 'busy', text: 'exam', expiresAt, id: 1 })
  expect(await phone.next('status_updated')).toMatchObject({ status: 'busy', text: 'exam', expiresAt })
  expect((await fan.next('presence_diff')).users).toEqual([
    { userId: 'chooser', status: 'busy', lastSeen: expect.any(String), text: 'exam', expiresAt },
  ])
  const late = await TestClient.v2(server, 'chooser')
  expect(await late.next('status_updated')).toMatchObject({ status: 'busy', text: 'exam' })
  for (const own of [laptop, phone, late]) {
    const fallen = await own.next('status_updated')
    expect(fallen).toMatchObject({ status: 'online' })
    expect(fallen).not.toHaveProperty('text')
  }
  const { users } = await fan.next('presence_diff')
  expect(users).toMatchObject([{ userId: 'chooser', status: 'online' }])
  expect(users[0]).not.toHaveProperty('text')
  // In v1 a busy user is online, so there was no change.
  expect(v1.texts).toEqual([])
  // The status online with an expiry is a choice as well.
  const soon = new Date(Date.now() + 60_000).toISOString()
  await laptop.ask({ type: 'set_status', status: 'online', expiresAt: soon }, 'status_updated')
  const third = await TestClient.v2(server, 'chooser')
  expect(await third.next('status_updated')).toMatchObject({ status: 'online', expiresAt: soon })
  await third.leave()
  laptop.send({ type: 'set_status', status: 'busy', expiresAt: '2020-01-01T00:00:00Z', id: 9 })
  expect(await laptop.next('error')).toMatchObject({ code: 'bad_message', id: 9 })
  for (const client of [laptop, phone, late, fan, v1]) await client.leave()
})

test('[V10] a user who is idle on all devices is away; one active device is enough to be online', async () => {
  const fan = await TestClient.v2(server, 'idle-fan')
  await fan.ask({ type: 'subscribe', userIds: ['idler'] }, 'presence_state')
  const laptop = await TestClient.v2(server, 'idler')
  const phone = await TestClient.v2(server, 'idler')
  await fan.next('presence_diff')
  await laptop.ask({ type: 'set_activity', state: 'idle' }, 'ack')
  expect(await received(fan)).toEqual([])
  await phone.ask({ type: 'set_activity', state: 'idle' }, 'ack')
  expect((await fan.next('presence_diff')).users).toMatchObject([{ userId: 'idler', status: 'away' }])
  await laptop.ask({ type: 'set_activity', state: 'active' }, 'ack')
  expect((await fan.next('presence_diff')).users).toMatchObject([{ userId: 'idler', status: 'online' }])
  for (const client of [laptop, phone, fan]) await client.leave()
})

test('[L3] a thousand ids count as eleven messages', async () => {
  const own = temporaryDir()
  const strict = await startServer(own.path, { MESSAGES_PER_SECOND: 1, MESSAGES_BURST: 26 })
  const client = await TestClient.v2(strict, 'asker')
  const userIds = Array.from({ length: 1_000 }, (_, n) => `u${n}`)
  const begun = performance.now()
  for (let n = 0; n < 4; n++) client.send({ type: 'get_users', userIds, id: n })
  for (let n = 0; n < 4; n++) expect(await client.next('users')).toMatchObject({ id: n })
  // After 33 of 26 messages, the fourth request is due in 8 s. Whether `too_fast` comes meanwhile depends on how much
  // of it has arrived when the server stops reading.
  expect(performance.now() - begun).toBeGreaterThan(7_000)
  await strict.end('SIGTERM')
  own.remove()
})

test('[V14] a client that observes like the live page is not a user: not counted, not listed, without a status', async () => {
  const v1 = await TestClient.as(server, 'spectated')
  const before = (await v1.ask({ type: 'get_all_users' }, 'all_users')).users.length
  const pages = await Promise.all(
    Array.from({ length: 60 }, () =>
      TestClient.v2(server, 'who-is-online/live-page', { username: 'spectated' }),
    ),
  )
  const [page] = pages as [TestClient]
  expect((await page.ask({ type: 'subscribe', all: true }, 'presence_state')).last).toBe(true)
  page.send({ type: 'set_status', status: 'online', id: 1 })
  expect(await page.next('error')).toMatchObject({ code: 'not_allowed', id: 1 })
  page.send({ type: 'identify', username: 'spectated', id: 2 })
  expect(await page.next('error')).toMatchObject({ code: 'not_allowed', id: 2 })
  const other = await TestClient.v2(server, 'seen-by-page')
  expect((await page.next('presence_diff')).users).toMatchObject([{ userId: 'seen-by-page' }])
  await other.leave()
  for (const one of pages) await one.leave()
  const { users } = await v1.ask({ type: 'get_all_users' }, 'all_users')
  expect(users.length).toBe(before + 1)
  expect(JSON.stringify(users)).not.toContain('live-page')
  expect(v1.texts.filter(text => text.includes('live-page'))).toEqual([])
  await v1.leave()
})

test('[V11] a subscription to more users than allowed is refused completely with too_many', async () => {
  const own = temporaryDir()
  const small = await startServer(own.path, { MAX_WATCHED_USERS: 5 })
  const fan = await TestClient.v2(small, 'fan')
  const ids = (from: number, count: number) => Array.from({ length: count }, (_, n) => `u${from + n}`)
  await fan.ask({ type: 'subscribe', userIds: ids(0, 4) }, 'presence_state')
  fan.send({ type: 'subscribe', userIds: ids(4, 2), id: 'x' })
  expect(await fan.next('error')).toMatchObject({ code: 'too_many', id: 'x' })
  const gauge = async () =>
    /^wio_watched_ids (\d+)$/m.exec(await (await fetch(`${small.origin}/metrics`)).text())?.[1]
  expect(await gauge()).toBe('4')
  // Subscribing to the same users again counts nothing.
  await fan.ask({ type: 'subscribe', userIds: ids(0, 5) }, 'presence_state')
  expect(await gauge()).toBe('5')
  await fan.leave()
  await sleep(50)
  expect(await gauge()).toBe('0')
  await small.end('SIGTERM')
  own.remove()
})

test('[V12] before it closes, the server sends the reason, and whether and when to reconnect', async () => {
  const own = temporaryDir()
  const ending = await startServer(own.path)
  const clients = await Promise.all(Array.from({ length: 50 }, (_, n) => TestClient.v2(ending, `u${n}`)))
  await ending.end('SIGTERM')
  for (const client of clients) {
    expect((await client.closed).code).toBe(4503)
    const disconnect = JSON.parse(client.texts.at(-1) as string)
    expect(disconnect).toMatchObject({ type: 'disconnect', code: 4503, reconnect: true })
    expect(disconnect.retryAfterMs).toBeLessThanOrEqual(1_000)
  }
  own.remove()
  const unusable = await TestClient.open(`${server.url}?userId=`, { protocols: ['who-is-online.v2'] })
  expect(await unusable.next('error')).toMatchObject({ code: 'bad_message' })
  expect(await unusable.next('disconnect')).toMatchObject({ code: 4400, reconnect: false })
  expect((await unusable.closed).code).toBe(4400)
})

test('[P11] an id that would be rounded is refused, and the connection stays open', async () => {
  const client = await TestClient.v2(server, 'digits')
  client.socket.send('{"type":"ping","id":1767225600123456789}')
  const error = await client.next('error')
  expect(error).toMatchObject({
    code: 'bad_message',
    message: expect.stringMatching(
      /^bad_message: "id" must be a string of at most 128 characters, or a whole/,
    ),
  })
  expect(error).not.toHaveProperty('id')
  for (const id of ['9007199254740991', '"1767225600123456789"']) {
    client.socket.send(`{"type":"ping","id":${id}}`)
    expect(await client.text()).toBe(`{"type":"pong","id":${id}}`)
  }
  await client.leave()
})

test('[P12] null in an optional field is the same as an absent field', async () => {
  const client = await TestClient.v2(server, 'nulls')
  client.send({ type: 'set_status', status: 'busy', text: null, expiresAt: null, id: null })
  const updated = await client.next('status_updated')
  expect(Object.keys(updated)).toEqual(['type', 'status', 'timestamp'])
  client.send({ type: 'subscribe', userIds: ['nulls'], all: null, count: null, since: null, id: 1 })
  expect(await client.next('presence_state')).toMatchObject({ users: [{ userId: 'nulls' }], id: 1 })
  await client.leave()
})
