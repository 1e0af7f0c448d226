import { expect, test } from 'vitest'
import { Sessions } from './sessions.ts'

const newConnection = (userId: string, sessionId: string, isObserver = false) => ({
  userId,
  sessionId,
  isObserver,
})

test('[V8] a connection is found by its user and session, as long as it is there', () => {
  const sessions = new Sessions()
  const [tab, phone] = [newConnection('ann', 'tab'), newConnection('ann', 'phone')]
  const other = newConnection('bob', 'tab')
  for (const connection of [tab, phone, other]) sessions.add(connection)
  expect(sessions.find('ann', 'tab')).toBe(tab)
  expect(sessions.find('ann', 'phone')).toBe(phone)
  expect(sessions.find('bob', 'tab')).toBe(other)
  expect([sessions.find('bob', 'phone'), sessions.find('eve', 'tab')]).toEqual([undefined, undefined])
  sessions.delete(tab)
  expect([sessions.find('ann', 'tab'), sessions.find('ann', 'phone')]).toEqual([undefined, phone])
})

test('[V14] an observer with the id of a session is not the connection of that session', () => {
  const sessions = new Sessions()
  const [observer, tab] = [newConnection('ann', 'tab', true), newConnection('ann', 'tab')]
  sessions.add(observer)
  expect(sessions.find('ann', 'tab')).toBeUndefined()
  sessions.add(tab)
  expect(sessions.find('ann', 'tab')).toBe(tab)
  expect(sessions.of('ann')).toEqual([observer, tab])
})

test('[I9] a user without connections has none, also after the last one has ended', () => {
  const sessions = new Sessions()
  const tab = newConnection('ann', 'tab')
  expect(sessions.of('ann')).toEqual([])
  sessions.add(tab)
  expect(sessions.of('ann')).toEqual([tab])
  sessions.delete(tab)
  expect(sessions.of('ann')).toEqual([])
  // The same list as for a user who never had one: no entry remains.
  expect(sessions.of('ann')).toBe(sessions.of('bob'))
})

test('[V8] a connection that was not added, or was replaced, deletes no other one', () => {
  const sessions = new Sessions()
  const [first, second] = [newConnection('ann', 'tab'), newConnection('ann', 'tab')]
  sessions.delete(first)
  sessions.add(first)
  sessions.delete(first)
  sessions.add(second)
  sessions.delete(first)
  expect(sessions.find('ann', 'tab')).toBe(second)
})

test('[V9] connections that come or end while those of a user are told do not change who is told', () => {
  const sessions = new Sessions<ReturnType<typeof newConnection>>()
  for (const sessionId of ['a', 'b', 'c']) sessions.add(newConnection('ann', sessionId))
  const told: string[] = []
  for (const connection of sessions.of('ann')) {
    told.push(connection.sessionId)
    sessions.delete(connection)
    if (connection.sessionId === 'a') sessions.add(newConnection('ann', 'd'))
  }
  expect(told).toEqual(['a', 'b', 'c'])
  expect(sessions.of('ann').map(({ sessionId }) => sessionId)).toEqual(['d'])
})
