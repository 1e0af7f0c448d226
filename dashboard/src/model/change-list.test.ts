import { expect, test } from 'vitest'
import { ChangeList } from './change-list.ts'
import type { Change } from './user-list.ts'

const change = (userId: string): Change => {
  return { at: 0, userId, username: undefined, status: 'online', previous: 'offline', text: undefined }
}
const shown = (list: ChangeList) => list.shown.map(({ userId }) => userId)

test('the newest change comes first, and each has a unique number', () => {
  const list = new ChangeList()
  list.add([change('a'), change('b')])
  list.add([change('c')])
  expect(shown(list)).toEqual(['c', 'b', 'a'])
  expect(list.shown.map(entry => entry.number)).toEqual([2, 1, 0])
})

test('keeps only the newest changes', () => {
  const list = new ChangeList()
  list.add(Array.from({ length: 10_000 }, (_, index) => change(`u${index}`)))
  list.add([change('last')])
  expect(list.shown).toHaveLength(60)
  expect(shown(list).slice(0, 2)).toEqual(['last', 'u9999'])
  expect(new Set(list.shown.map(entry => entry.number)).size).toBe(60)
})

test('keeps more changes than it shows, so that a user has some of an hour ago', () => {
  const list = new ChangeList()
  list.add([change('ann'), ...Array.from({ length: 500 }, (_, index) => change(`u${index}`)), change('ann')])
  expect(list.of('ann').map(entry => entry.number)).toEqual([501, 0])
  expect(list.of('bob')).toEqual([])
})

test('while paused it shows the same changes and counts the new ones; after that it shows all', () => {
  const list = new ChangeList()
  list.add([change('a')])
  list.pause()
  list.add([change('b'), change('c')])
  expect([shown(list), list.unseen, list.isPaused]).toEqual([['a'], 2, true])
  list.resume()
  expect([shown(list), list.unseen, list.isPaused]).toEqual([['c', 'b', 'a'], 0, false])
})
