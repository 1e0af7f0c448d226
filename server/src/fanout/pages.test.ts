import { expect, test } from 'vitest'
import { Pages } from './pages.ts'

test('a page has at most as many users as are taken, and all users come once and in order', () => {
  const pages = new Pages(['a', 'b', 'c', 'd', 'e'])
  expect([pages.take(2), pages.take(2), pages.take(2), pages.take(2)]).toEqual([
    ['a', 'b'],
    ['c', 'd'],
    ['e'],
    [],
  ])
})

test('[V2] the end is known with the last page, so that no empty page follows it', () => {
  expect(new Pages([]).isEmpty).toBe(true)
  const pages = new Pages(['a', 'b', 'c', 'd'])
  const ends = [pages.isEmpty]
  for (let page = 0; page < 2; page++) {
    pages.take(2)
    ends.push(pages.isEmpty)
  }
  expect(ends).toEqual([false, false, true])
})

test('[I4] users are taken when their page is, except the first of the next page', () => {
  const taken: string[] = []
  function* users() {
    for (const userId of ['a', 'b', 'c', 'd', 'e']) {
      taken.push(userId)
      yield userId
    }
  }
  const pages = new Pages(users())
  expect(taken).toEqual(['a'])
  pages.take(2)
  expect(taken).toEqual(['a', 'b', 'c'])
  pages.take(0)
  expect(taken).toEqual(['a', 'b', 'c'])
  expect(pages.take(9)).toEqual(['c', 'd', 'e'])
})
