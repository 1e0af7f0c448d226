import type { Status, User } from '@who-is-online/client'
import { expect, test } from 'vitest'
import { People } from './people.ts'

const user = (userId: string, status: Status, more: Partial<User> = {}): User => ({
  userId,
  status,
  lastSeen: '2026-01-01T12:00:00.000Z',
  ...more,
})
const ids = (people: People) => people.list.map(({ userId }) => userId)

test('who is here comes first, by name; then who left, the last one first', () => {
  const people = new People()
  people.take(
    [
      user('old', 'offline', { lastSeen: '2026-01-01T11:00:00.000Z' }),
      user('never', 'offline', { lastSeen: null }),
      user('zoe', 'online'),
      user('new', 'offline'),
      user('u7', 'busy', { username: 'Ann' }),
      user('bob', 'away'),
    ],
    0,
    'first',
  )
  expect(ids(people)).toEqual(['u7', 'bob', 'zoe', 'new', 'old', 'never'])
  expect([people.here, people.known]).toEqual([3, 6])
})

test('who sits here comes first, known before or not, and is one of many again after that', () => {
  const people = new People()
  people.take([user('ann', 'online'), user('zoe', 'offline')], 0, 'first')
  people.setMe('zoe')
  expect(ids(people)).toEqual(['zoe', 'ann'])
  people.setMe('mia')
  people.take([user('mia', 'online'), user('eve', 'online')], 0, 'live')
  expect(ids(people)).toEqual(['mia', 'ann', 'eve', 'zoe'])
  expect(people.list.filter(row => row.isMe)).toHaveLength(1)
  people.setMe(undefined)
  expect(ids(people)).toEqual(['ann', 'eve', 'mia', 'zoe'])
})

test('the first word on somebody is no change, every other status and text is one', () => {
  const people = new People()
  expect(people.take([user('ann', 'online')], 1, 'first')).toEqual([])
  const changes = [
    ...people.take([user('ann', 'busy', { text: 'in a call' })], 2, 'live'),
    ...people.take([user('ann', 'busy', { text: 'at lunch' })], 3, 'live'),
    ...people.take([user('ann', 'busy')], 4, 'live'),
    ...people.take([user('bob', 'online'), user('eve', 'offline')], 5, 'live'),
  ]
  expect(
    changes.map(({ at, userId, previous, status, text }) => [at, userId, previous, status, text]),
  ).toEqual([
    [2, 'ann', 'online', 'busy', 'in a call'],
    [3, 'ann', 'busy', 'busy', 'at lunch'],
    [5, 'bob', 'offline', 'online', undefined],
  ])
})

test('since when a status is so is known only of those who took it while this page looked', () => {
  const people = new People()
  const since = () => people.list.map(({ userId, since }) => [userId, since.at, since.isBefore])
  people.take([user('ann', 'online'), user('bob', 'online'), user('eve', 'offline')], 1, 'first')
  people.take([user('bob', 'away')], 2, 'live')
  people.take([user('bob', 'away', { text: 'soon back' }), user('joe', 'online')], 3, 'live')
  expect(since()).toEqual([
    ['ann', 1, true],
    ['bob', 2, false],
    ['joe', 3, false],
    ['eve', 1, true],
  ])
  people.take(
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

test('a line is the same object until something that it shows is another', () => {
  const people = new People()
  people.take([user('ann', 'online')], 1, 'first')
  const [before] = people.list
  people.take([user('ann', 'online', { lastSeen: '2026-01-01T13:00:00.000Z' })], 2, 'live')
  expect(people.list[0]).toBe(before)
  people.take([user('ann', 'online', { username: 'Ann' })], 3, 'live')
  expect(people.list[0]).not.toBe(before)
})

test('finds by name and by id, in any case, and goes on with what changes', () => {
  const people = new People()
  people.take(
    [user('u1', 'online', { username: 'Ann' }), user('u2', 'offline'), user('ANNA', 'online')],
    0,
    'first',
  )
  people.find({ text: ' ann ', onlyHere: false })
  expect(ids(people)).toEqual(['u1', 'ANNA'])
  people.take([user('joanne', 'away'), user('u1', 'online', { username: 'Bob' })], 1, 'live')
  expect(ids(people)).toEqual(['ANNA', 'joanne'])
  people.find({ text: '', onlyHere: true })
  expect(ids(people)).toEqual(['ANNA', 'u1', 'joanne'])
  people.take([user('ANNA', 'offline'), user('u2', 'busy')], 2, 'live')
  expect(ids(people)).toEqual(['u1', 'joanne', 'u2'])
  expect(people.known).toBe(4)
})

test('names that a plain object would stumble over are names', () => {
  const people = new People()
  people.take(
    ['__proto__', 'constructor', 'toString'].map(id => user(id, 'online')),
    0,
    'first',
  )
  expect(ids(people)).toEqual(['__proto__', 'constructor', 'toString'])
})
