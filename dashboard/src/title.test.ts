import { expect, test } from 'vitest'
import { titleOf } from './title.ts'

test('the title has the number of users online, and none that is unknown or outdated', () => {
  expect(titleOf({ state: 'connecting' }, { isKnown: false, online: 0 })).toBe('Who Is Online')
  expect(titleOf({ state: 'live' }, { isKnown: true, online: 1_204 })).toMatch(
    /^1\D?204 online · Who Is Online$/,
  )
  expect(titleOf({ state: 'stale', since: 0 }, { isKnown: true, online: 3 })).toBe(
    'Disconnected · Who Is Online',
  )
})
