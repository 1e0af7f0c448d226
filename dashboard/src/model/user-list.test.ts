import type { Status, User } from '@who-is-online/client'
import { expect, test } from 'vitest'
import { DEFAULT_ORDER } from './order.ts'
import { UserList } from './user-list.ts'

const user = (userId: string, status: Status, more: Partial<User> = {}): User => ({
  userId,
  status,
  lastSeen: '2026-01-01T12:00:00.000Z',
  ...more,
})
const ids = (users: UserList) => users.list.map(({ userId }) => userId)

test('users online come first, by name; then users offline, the last one seen first', () => {
  const list = new UserList()
  list.update(
    [
      user('old', 'offline', { lastSeen: '2026-01-01T11:00:00.000Z' }),
      user('never', 'offline', { lastSeen: null }),
      user('zoe', 'online'),
      user('new', 'offline'),
      user('u7', 'busy', { username: 'Ann' }),
      user('bob', 'away'),
    ],
    0,
    'initial',
  )
  expect(ids(list)).toEqual(['u7', 'bob', 'zoe', 'new', 'old', 'never'])
  expect([list.online, list.total]).toEqual([3, 6])
})

test('marks the user of this tab, until it is another one', () => {
  const list = new UserList()
  const marked = () => list.list.filter(row => row.isMe).map(({ userId }) => userId)
  list.update([user('ann', 'online'), user('zoe', 'offline')], 0, 'initial')
  list.setMe('zoe')
  expect(marked()).toEqual(['zoe'])
  list.setMe('mia')
  list.update([user('mia', 'online'), user('eve', 'online')], 0, 'live')
  expect(marked()).toEqual(['mia'])
  list.setMe(undefined)
  expect(marked()).toEqual([])
})

test('counts the users of each status, whatever the filter is', () => {
  const list = new UserList()
  list.update([user('ann', 'online'), user('bob', 'busy'), user('eve', 'offline')], 0, 'initial')
  list.show({ text: 'ann', status: 'online' }, DEFAULT_ORDER)
  list.update([user('bob', 'away'), user('eve', 'online')], 1, 'live')
  expect(list.counts).toEqual({ online: 2, away: 1, busy: 0, offline: 0 })
  expect([list.online, list.total]).toEqual([3, 3])
})

test('knows the place of a user in the list, if it shows the user', () => {
  const list = new UserList()
  list.update([user('ann', 'online'), user('bob', 'busy'), user('eve', 'online')], 0, 'initial')
  list.show({ text: '', status: undefined }, { by: 'name', isReversed: true })
  expect(['ann', 'bob', 'eve', 'zoe'].map(id => list.indexOf(id))).toEqual([2, 1, 0, -1])
  list.show({ text: '', status: 'online' }, DEFAULT_ORDER)
  expect(['ann', 'bob', 'eve'].map(id => list.indexOf(id))).toEqual([0, -1, 1])
})

test('an initial state is no change; another status and another text are', () => {
  const list = new UserList()
  expect(list.update([user('ann', 'online')], 1, 'initial')).toEqual([])
  const changes = [
    ...list.update([user('ann', 'busy', { text: 'in a call' })], 2, 'live'),
    ...list.update([user('ann', 'busy', { text: 'at lunch' })], 3, 'live'),
    ...list.update([user('ann', 'busy')], 4, 'live'),
    ...list.update([user('bob', 'online'), user('eve', 'offline')], 5, 'live'),
  ]
  expect(
    changes.map(({ at, userId, previous, status, text }) => [at, userId, previous, status, text]),
  ).toEqual([
    [2, 'ann', 'online', 'busy', 'in a call'],
    [3, 'ann', 'busy', 'busy', 'at lunch'],
    [5, 'bob', 'offline', 'online', undefined],
  ])
})

test('the beginning of a status is certain only if the page watched it', () => {
  const list = new UserList()
  const since = () => list.list.map(({ userId, since }) => [userId, since.at, since.isUncertain])
  list.update([user('ann', 'online'), user('bob', 'online'), user('eve', 'offline')], 1, 'initial')
  list.update([user('bob', 'away')], 2, 'live')
  list.update([user('bob', 'away', { text: 'soon back' }), user('joe', 'online')], 3, 'live')
  expect(since()).toEqual([
    ['ann', 1, true],
    ['bob', 2, false],
    ['joe', 3, false],
    ['eve', 1, true],
  ])
  list.update(
    [user('ann', 'online', { text: 'hello' }), user('bob', 'busy'), user('eve', 'online')],
    9,
    'late',
  )
  expect(since()).toEqual([
    ['ann', 1, true],
    ['bob', 9, true],
    ['eve', 9, true],
    ['joe', 3, false],
  ])
})

test('a row is the same object until something in it changes', () => {
  const list = new UserList()
  list.update([user('ann', 'online')], 1, 'initial')
  const [before] = list.list
  list.update([user('ann', 'online', { lastSeen: '2026-01-01T13:00:00.000Z' })], 2, 'live')
  expect(list.list[0]).toBe(before)
  list.update([user('ann', 'online', { username: 'Ann' })], 3, 'live')
  expect(list.list[0]).not.toBe(before)
})

test('the filter finds names and ids in any case, also after changes', () => {
  const list = new UserList()
  list.update(
    [user('u1', 'online', { username: 'Ann' }), user('u2', 'offline'), user('ANNA', 'online')],
    0,
    'initial',
  )
  list.show({ text: ' ann ', status: undefined }, DEFAULT_ORDER)
  expect(ids(list)).toEqual(['u1', 'ANNA'])
  list.update([user('joanne', 'away'), user('u1', 'online', { username: 'Bob' })], 1, 'live')
  expect(ids(list)).toEqual(['ANNA', 'joanne'])
  list.show({ text: '', status: 'online' }, DEFAULT_ORDER)
  expect(ids(list)).toEqual(['ANNA', 'u1'])
  list.update([user('ANNA', 'offline'), user('u2', 'online')], 2, 'live')
  expect(ids(list)).toEqual(['u1', 'u2'])
  expect(list.total).toBe(4)
})

test('names of object properties are valid ids', () => {
  const list = new UserList()
  list.update(
    ['__proto__', 'constructor', 'toString'].map(id => user(id, 'online')),
    0,
    'initial',
  )
  expect(ids(list)).toEqual(['__proto__', 'constructor', 'toString'])
})

test('[E18] the start that the server tells is certain, and differs from the known one only by more than a second', () => {
  const list = new UserList()
  const told = (since: string | null) => user('ann', 'online', { since })
  const since = () => list.list[0]?.since
  list.update([told('2026-01-01T11:00:00.000Z')], 1, 'initial')
  const start = { at: Date.UTC(2026, 0, 1, 11), isUncertain: false }
  expect(since()).toEqual(start)
  const [row] = list.list
  list.update([told('2026-01-01T11:00:01.000Z')], 2, 'live')
  list.update([told(null)], 3, 'live')
  expect(list.list[0]).toBe(row)
  // The user has left and come back meanwhile.
  expect(list.update([told('2026-01-01T11:00:01.001Z')], 4, 'late')).toEqual([])
  expect(since()).toEqual({ at: start.at + 1_001, isUncertain: false })
})
