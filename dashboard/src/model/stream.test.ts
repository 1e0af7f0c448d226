import { expect, test } from 'vitest'
import type { Change } from './people.ts'
import { Stream } from './stream.ts'

const change = (userId: string): Change => {
  return { at: 0, userId, username: undefined, status: 'online', previous: 'offline', text: undefined }
}
const shown = (stream: Stream) => stream.shown.map(({ userId }) => userId)

test('the newest comes first, and each has a number of its own', () => {
  const stream = new Stream()
  stream.add([change('a'), change('b')])
  stream.add([change('c')])
  expect(shown(stream)).toEqual(['c', 'b', 'a'])
  expect(stream.shown.map(entry => entry.number)).toEqual([2, 1, 0])
})

test('keeps the newest of more than anybody reads', () => {
  const stream = new Stream()
  stream.add(Array.from({ length: 10_000 }, (_, index) => change(`u${index}`)))
  stream.add([change('last')])
  expect(stream.shown).toHaveLength(60)
  expect(shown(stream).slice(0, 2)).toEqual(['last', 'u9999'])
  expect(new Set(stream.shown.map(entry => entry.number)).size).toBe(60)
})

test('while it is paused it stands still, counts, and shows all when it goes on', () => {
  const stream = new Stream()
  stream.add([change('a')])
  stream.pause()
  stream.add([change('b'), change('c')])
  expect([shown(stream), stream.missed, stream.isPaused]).toEqual([['a'], 2, true])
  stream.resume()
  expect([shown(stream), stream.missed, stream.isPaused]).toEqual([['c', 'b', 'a'], 0, false])
})
