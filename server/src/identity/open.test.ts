import { expect, test } from 'vitest'
import { openIdentity } from './open.ts'
import { newRequest } from './testing/new-request.ts'

test('[D1] the user id in the URL is believed, and may do everything', () => {
  expect(openIdentity(undefined).identify(newRequest({ userId: 'ann', username: 'Ann' }))).toEqual({
    state: 'known',
    grant: {
      userId: 'ann',
      username: 'Ann',
      isNameFixed: false,
      expiresAt: undefined,
      rights: { watch: 'all', rooms: ['*'], observer: false },
    },
  })
})

test('[V14] the user id of live pages makes an observer', () => {
  const identify = (userId: string) => openIdentity('page').identify(newRequest({ userId }))
  expect(identify('page')).toMatchObject({ grant: { rights: { observer: true } } })
  expect(identify('ann')).toMatchObject({ grant: { rights: { observer: false } } })
})

test('[D2] a missing user id is refused, and a similar name is pointed out', () => {
  const text = (names: string[]) => {
    const identified = openIdentity(undefined).identify(newRequest({ names }))
    return 'text' in identified ? identified.text : identified
  }
  expect(text([])).toBe('"userId" is missing: connect to /ws?userId=ID')
  for (const near of ['userid', 'user_id', 'UserID', 'user-id']) {
    expect(text(['x', near])).toBe(
      `"userId" is missing: connect to /ws?userId=ID (the name is "userId", not "${near}")`,
    )
  }
  expect(text(['id'])).toBe('"userId" is missing: connect to /ws?userId=ID')
})
