import { expect, test } from 'vitest'
import { openIdentity } from './identity.ts'

const identify = (query: string) => openIdentity.identify(`/ws${query}`)
const refused = (query: string) => {
  const identified = identify(query)
  return identified.state === 'unusable' ? identified.text : identified
}

test('[D1] a user is whoever the query says, percent-encoded or not', () => {
  expect(identify('?userId=123')).toEqual({ state: 'known', userId: '123', username: undefined })
  expect(identify('?x=1&userId=a%20b+c&username=J%C3%B6rg')).toEqual({
    state: 'known',
    userId: 'a b c',
    username: 'Jörg',
  })
  expect(identify(`?userId=${encodeURIComponent('__proto__')}`)).toMatchObject({ userId: '__proto__' })
  expect(identify('?userId=a=b')).toMatchObject({ userId: 'a=b' })
})

test('[D2] a user id that is missing, doubled, malformed or no name is refused in words', () => {
  expect(refused('')).toBe('"userId" is missing: connect to /ws?userId=ID')
  expect(refused('?userid=1')).toMatch(/"userId" is missing/)
  expect(refused('?userId=')).toMatch(/^"userId" must be a string of 1 to 128/)
  expect(refused('?userId=1&userId=2')).toBe('"userId" is there more than once')
  expect(refused('?userId=%FF')).toMatch(/percent-encoded UTF-8/)
  expect(refused('?userId=%ED%A0%80')).toMatch(/percent-encoded UTF-8/)
  expect(refused('?userId=%00')).toMatch(/control characters/)
  expect(refused(`?userId=${'x'.repeat(129)}`)).toMatch(/128/)
  expect(identify('?userId=a&username=')).toEqual({ state: 'known', userId: 'a', username: undefined })
  expect(refused('?userId=a&username=b&username=c')).toBe('"username" is there more than once')
  expect(refused('?userId=a&username=%0A')).toMatch(/^"username" must be/)
})
