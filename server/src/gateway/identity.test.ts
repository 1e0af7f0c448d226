import { expect, test } from 'vitest'
import { openIdentity } from './identity.ts'

const identify = (query: string) => openIdentity.identify(`/ws${query}`, 'v1')
const refused = (query: string) => {
  const identified = identify(query)
  return identified.state === 'unusable' ? identified.text : identified
}

test('[D1] the user id comes from the query, percent-encoded or not', () => {
  expect(identify('?userId=123')).toEqual({
    state: 'known',
    userId: '123',
    username: undefined,
    sessionId: undefined,
    choice: undefined,
  })
  expect(identify('?x=1&userId=a%20b+c&username=J%C3%B6rg')).toEqual({
    state: 'known',
    userId: 'a b c',
    username: 'Jörg',
    sessionId: undefined,
    choice: undefined,
  })
  expect(identify(`?userId=${encodeURIComponent('__proto__')}`)).toMatchObject({ userId: '__proto__' })
  expect(identify('?userId=a=b')).toMatchObject({ userId: 'a=b' })
})

test('[D2] a user id that is missing, repeated, malformed or invalid is refused, with the reason', () => {
  expect(refused('')).toBe('"userId" is missing: connect to /ws?userId=ID')
  for (const near of ['userid', 'user_id', 'UserID', 'user-id']) {
    expect(refused(`?${near}=1`)).toBe(
      `"userId" is missing: connect to /ws?userId=ID (the name is "userId", not "${near}")`,
    )
  }
  expect(refused('?id=1')).toBe('"userId" is missing: connect to /ws?userId=ID')
  expect(refused('?userId=')).toMatch(/^"userId" must be a string of 1 to 128/)
  expect(refused('?userId=1&userId=2')).toBe('"userId" must be given only once')
  expect(refused('?userId=%FF')).toMatch(/percent-encoded UTF-8/)
  expect(refused('?userId=%ED%A0%80')).toMatch(/percent-encoded UTF-8/)
  expect(refused('?userId=%00')).toMatch(/control characters/)
  expect(refused(`?userId=${'x'.repeat(129)}`)).toMatch(/128/)
  expect(refused('?userId=a&username=b&username=c')).toBe('"username" must be given only once')
  expect(refused('?userId=a&username=%0A')).toMatch(/^"username" must be/)
})

test('[P12] an empty optional parameter counts as absent', () => {
  const known = { state: 'known', userId: 'a', username: undefined, sessionId: undefined }
  for (const query of ['?userId=a&username=', '?userId=a&username', '?userId=a&sessionId=&username=']) {
    expect(openIdentity.identify(`/ws${query}`, 'v1')).toEqual(known)
    expect(openIdentity.identify(`/ws${query}`, 'v2')).toEqual(known)
  }
  expect(identify('?userId=a&username=&username=b')).toMatchObject({ username: 'b' })
})

test('[V1] v2 clients can set a session id; v1 ignores the parameter', () => {
  const url = '/ws?userId=a&sessionId=tab%201'
  expect(openIdentity.identify(url, 'v2')).toMatchObject({ sessionId: 'tab 1' })
  expect(openIdentity.identify(url, 'v1')).toMatchObject({ sessionId: undefined })
  const wrong = openIdentity.identify('/ws?userId=a&sessionId=%00', 'v2')
  expect(wrong).toMatchObject({ state: 'unusable', text: expect.stringMatching(/^"sessionId" must be/) })
  expect(openIdentity.identify('/ws?userId=a&sessionId=%00', 'v1')).toMatchObject({ state: 'known' })
})

test('[D3] a connection can start with a choice: a status, and in v2 also when it expires and when it was made', () => {
  const choice = (query: string, version: 'v1' | 'v2') => {
    const identified = openIdentity.identify(`/ws?userId=a${query}`, version)
    return identified.state === 'known' ? identified.choice : identified.text
  }
  const [at, end] = ['2026-01-01T12:00:00.000Z', '2026-01-01T13:30:00+01:00']
  expect(choice('', 'v2')).toBeUndefined()
  expect(choice('&status=', 'v2')).toBeUndefined()
  expect(choice('&status=offline', 'v1')).toEqual({ status: 'offline' })
  expect(choice('&status=busy', 'v1')).toBe('"status" must be "online" or "offline"')
  expect(choice('&status=busy', 'v2')).toEqual({ status: 'busy' })
  expect(choice(`&status=busy&chosenAt=${at}&expiresAt=${encodeURIComponent(end)}`, 'v2')).toEqual({
    status: 'busy',
    madeAt: Date.parse(at),
    expiresAt: Date.parse(end),
  })
  expect(choice(`&status=offline&chosenAt=nonsense&expiresAt=nonsense`, 'v1')).toEqual({ status: 'offline' })
  expect(choice('&status=invisible', 'v2')).toBe('"status" must be "online" or "away" or "busy" or "offline"')
  expect(choice('&status=busy&status=busy', 'v2')).toBe('"status" must be given only once')
  for (const wrong of [
    'now',
    '0',
    '2026-02-30T00:00:00Z',
    '2026-01-01T00:00:00',
    '2026-01-01',
    '10000-01-01T00:00:00Z',
  ])
    expect(choice(`&status=busy&chosenAt=${wrong}`, 'v2')).toMatch(/^"chosenAt" must be a time in ISO 8601/)
  expect(choice(`&expiresAt=${at}`, 'v2')).toBe('"expiresAt" requires "status"')
  expect(choice(`&chosenAt=${at}`, 'v2')).toBe('"chosenAt" requires "status"')
})
