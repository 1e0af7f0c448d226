import { expect, test } from 'vitest'
import { rightsOf } from './grant.ts'

const named = { watch: 'named' } as const

test('[D8] a token without rights has the defaults, and may enter no room', () => {
  for (const claims of [undefined, null, {}, { watch: null, rooms: null, observer: null }]) {
    expect(rightsOf(claims, named)).toEqual({ watch: 'named', rooms: [], observer: false })
    expect(rightsOf(claims, { watch: 'all' })).toEqual({ watch: 'all', rooms: [], observer: false })
  }
})

test('[D8] a token can extend and limit the rights', () => {
  expect(rightsOf({ watch: 'all', rooms: ['doc-*', 'lobby'], observer: true }, named)).toEqual({
    watch: 'all',
    rooms: ['doc-*', 'lobby'],
    observer: true,
  })
  expect(rightsOf({ watch: ['ann', 'bob', 'ann'] }, { watch: 'all' })).toMatchObject({
    watch: new Set(['ann', 'bob']),
  })
  expect(rightsOf({ watch: [] }, { watch: 'all' })).toMatchObject({ watch: new Set() })
  expect(rightsOf({ watch: 'named' }, { watch: 'all' })).toMatchObject({ watch: 'named' })
})

test.each([
  ['text', /^must be an object/],
  [['ann'], /^must be an object/],
  [{ watch: 'ALL' }, /^"watch" must be/],
  [{ watch: true }, /^"watch" must be/],
  [{ watch: ['ann', 7] }, /^"watch" must be/],
  [{ watch: [''] }, /^"watch" must be/],
  [{ watch: Array.from({ length: 1_001 }, (_, index) => `u${index}`) }, /^"watch" must be/],
  [{ rooms: 'doc-*' }, /^"rooms" must be/],
  [{ rooms: ['*-doc'] }, /^"rooms" must be/],
  [{ rooms: ['a**'] }, /^"rooms" must be/],
  [{ observer: 'true' }, /^"observer" must be/],
  [{ observer: 1 }, /^"observer" must be/],
])('[D8] wrong rights are refused, not read as the defaults: %j', (claims, text) => {
  expect(rightsOf(claims, named)).toMatch(text)
})
