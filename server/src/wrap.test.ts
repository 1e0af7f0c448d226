import { expect, test } from 'vitest'
import { wrap } from './wrap.ts'

test('a text is split at spaces into lines that are as long as the width allows', () => {
  expect(wrap('one two three four', 9)).toEqual(['one two', 'three', 'four'])
  expect(wrap('one two', 7)).toEqual(['one two'])
})

test('a word that is longer than the width has a line of its own', () => {
  expect(wrap('see https://example.com now', 6)).toEqual(['see', 'https://example.com', 'now'])
})
