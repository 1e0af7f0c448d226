import { expect, test } from 'vitest'
import { Round } from './round.ts'

function roundOf(items: Set<string>): { next: (count: number) => (string | undefined)[] } {
  const round = new Round(() => items.values())
  return { next: count => Array.from({ length: count }, () => round.next()) }
}

test('a round through an empty collection has no items', () => {
  const items = new Set<string>()
  const round = roundOf(items)
  expect(round.next(2)).toEqual([undefined, undefined])
  items.add('a')
  expect(round.next(2)).toEqual(['a', 'a'])
  items.clear()
  expect(round.next(1)).toEqual([undefined])
})

test('after the last item the next round begins', () => {
  expect(roundOf(new Set(['a', 'b'])).next(5)).toEqual(['a', 'b', 'a', 'b', 'a'])
})

test('a round includes every item that stays, also if others are added and removed', () => {
  const items = new Set(['a', 'b', 'c', 'd'])
  const round = roundOf(items)
  expect(round.next(2)).toEqual(['a', 'b'])
  items.delete('b')
  items.delete('c')
  items.add('e')
  expect(round.next(4)).toEqual(['d', 'e', 'a', 'd'])
})
