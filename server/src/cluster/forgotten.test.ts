import { expect, test } from 'vitest'
import type { RegisterItem } from './entry.ts'
import { forgottenHere, unnamedOf } from './forgotten.ts'

const names: Readonly<Record<string, string | undefined>> = { ann: 'Ann', bob: undefined }

const users = (registers: readonly RegisterItem[]) =>
  forgottenHere({ body: { format: 1, at: 5, facts: [], registers } }, userId => ({
    isHere: userId in names,
    username: names[userId],
  }))

test('[I9] users who are here are forgotten with a register that is removed, whatever kind it has', () => {
  expect([
    ...users([
      ['n:ann', '1|b|null'],
      ['s:bob', '1|b|null'],
      ['s:eve', '1|b|null'],
    ]),
  ]).toEqual([
    ['ann', 'Ann'],
    ['bob', undefined],
  ])
  expect([...users([['n:ann', '1|b|"null"']])]).toEqual([])
})

test('[I9] only a name that is gone is given back', () => {
  const forgotten = users([
    ['n:ann', '1|b|null'],
    ['n:bob', '1|b|null'],
  ])
  expect(unnamedOf(forgotten, () => undefined)).toEqual([{ userId: 'ann', username: 'Ann' }])
  // The name was newer than what removes it.
  expect(unnamedOf(forgotten, () => 'Anna')).toEqual([])
})
