import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { ALL_RIGHTS, type Rights } from '../identity/grant.ts'
import { type Client, GRANT, World } from './testing/socketless.ts'

// What a connection is told, by the rights of its grant.

const NAMED: Rights = { ...ALL_RIGHTS, watch: 'named' }
const ONLY_BOB: Rights = { ...ALL_RIGHTS, watch: new Set(['bob']) }
const OBSERVER: Rights = { ...ALL_RIGHTS, observer: true }

let world: World

beforeEach(() => {
  vi.useFakeTimers()
  world = new World()
})

afterEach(() => void vi.useRealTimers())

/** Makes a token that gives ann other rights, and returns the request to use it. */
function refresh(rights: Rights): object {
  world.tokens.set('new', { state: 'known', grant: { ...GRANT, rights } })
  return { type: 'refresh', token: 'new', id: 'refresh' }
}

/** Makes a user online, and publishes it. */
function come(userId: string): void {
  void world.tracker.open({ userId, sessionId: userId, isNamed: false }, {})
}

const userIds = (messages: Awaited<ReturnType<Client['taken']>>) =>
  messages.flatMap(({ users }) => ((users ?? []) as { userId: string }[]).map(({ userId }) => userId))

test('[D14] a request that is not permitted is refused with its id, and has no effect', async () => {
  const ann = world.connect({ rights: ONLY_BOB })
  await ann.taken()
  ann.send({ type: 'subscribe', userIds: ['bob', 'eve'], id: 1 }, { type: 'get_all_users', id: 2 })
  expect(await ann.taken()).toMatchObject([
    { type: 'error', code: 'not_allowed', id: 1 },
    { type: 'error', code: 'not_allowed', id: 2 },
  ])
  come('bob')
  expect(await ann.taken()).toEqual([])
  ann.send({ type: 'subscribe', userIds: ['bob', 'ann'] })
  expect(userIds(await ann.taken())).toEqual(['bob', 'ann'])
})

test('[D14] an observer reads, and cannot be seen', async () => {
  const page = world.connect({ rights: OBSERVER })
  page.send({ type: 'set_status', status: 'busy' }, { type: 'set_activity', state: 'idle' })
  page.send({ type: 'identify', username: 'Ann' }, { type: 'get_online_count' })
  expect(await page.types()).toEqual(['welcome', 'not_allowed', 'not_allowed', 'not_allowed', 'online_count'])
  expect(world.presence.knownCount).toBe(0)
})

test.each<[string, Rights, string[]]>([
  ['all', ALL_RIGHTS, ['ann offline', 'bob online', 'eve online']],
  ['named', NAMED, ['ann offline']],
  ['set', ONLY_BOB, ['ann offline']],
])('[D15] a v1 client with watch %s gets the changes %j', async (_watch, rights, expected) => {
  const ann = world.connect({ rights }, { version: 'v1' })
  await ann.taken()
  ann.send({ type: 'set_status', status: 'offline' })
  come('bob')
  come('eve')
  const changes = (await ann.taken()).filter(({ type }) => type === 'user_status_change')
  expect(changes.map(({ userId, status }) => `${userId} ${status}`)).toEqual(expected)
  ann.connection.closed(1000)
  come('ann')
  expect(await ann.taken()).toEqual([])
})

test('[D16] subscriptions that a new token does not permit end with an error that names them', async () => {
  const ann = world.connect()
  ann.send(
    { type: 'subscribe', userIds: ['bob', 'eve', 'ann'] },
    { type: 'subscribe', all: true },
    { type: 'subscribe', count: true },
  )
  await ann.taken()
  ann.send(refresh(ONLY_BOB))
  expect(await ann.taken()).toMatchObject([
    { type: 'error', code: 'not_allowed', ended: { all: true } },
    { type: 'error', code: 'not_allowed', ended: { count: true } },
    { type: 'error', code: 'not_allowed', ended: { userIds: ['eve'] } },
    { type: 'ack', id: 'refresh' },
  ])
  for (const userId of ['eve', 'cid', 'bob']) come(userId)
  expect(userIds(await ann.taken())).toEqual(['bob'])
  world.pass(2_000)
  expect(await ann.taken()).toEqual([])
})

test('[D16] what has changed before the new token, and was not sent yet, is not sent any more', async () => {
  const ann = world.connect()
  ann.send({ type: 'subscribe', userIds: ['bob', 'eve'] })
  await ann.taken()
  ann.send({ type: 'client_state', state: 'inactive' })
  for (const userId of ['eve', 'bob']) come(userId)
  ann.send(refresh(ONLY_BOB), { type: 'client_state', state: 'active' })
  expect(userIds(await ann.taken())).toEqual(['bob'])
})

test('[D16] a state of all users that is being sent ends without other users', async () => {
  for (let n = 0; n < 50; n++) come(`u${n}`)
  const ann = world.connect()
  await ann.taken()
  ann.send({ type: 'subscribe', userIds: ['u7'] }, { type: 'subscribe', all: true, id: 2 }, refresh(NAMED))
  const messages = await ann.taken()
  expect(messages).toContainEqual(expect.objectContaining({ ended: { all: true } }))
  expect(new Set(userIds(messages))).toEqual(new Set(['u7']))
  // Otherwise the client would take every user who is missing as offline.
  expect(messages.filter(({ all }) => all)).toEqual([])
})

test('[D16] a list that was asked for with the old token is refused with the new one', async () => {
  const ann = world.connect()
  ann.send({ type: 'get_all_users', id: 1 }, { type: 'get_all_users', id: 2 }, refresh(NAMED))
  const messages = await ann.taken()
  // The first one was sent at once, before the new token.
  expect(messages.map(({ type, code, id }) => [type, code, id])).toEqual([
    ['welcome', undefined, undefined],
    ['all_users', undefined, 1],
    ['ack', undefined, 'refresh'],
    ['error', 'not_allowed', 2],
  ])
})

test('[D16] with more rights, more may be asked, and nothing ends', async () => {
  const ann = world.connect({ rights: ONLY_BOB })
  ann.send({ type: 'subscribe', userIds: ['bob'] }, refresh(ALL_RIGHTS), { type: 'get_online_count' })
  expect(await ann.types()).toEqual(['welcome', 'presence_state', 'ack', 'online_count'])
})
