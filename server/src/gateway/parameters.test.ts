import { expect, test } from 'vitest'
import { readParameters } from './parameters.ts'

const ABSENT = { username: undefined, sessionId: undefined, device: undefined, choice: undefined, tokens: [] }

test('[D1] parameters come from the query, percent-encoded or not', () => {
  expect(readParameters('/ws?userId=123', 'v1')).toEqual({ ...ABSENT, userId: '123', names: ['userId'] })
  expect(readParameters('/ws?x=1&userId=a%20b+c&username=J%C3%B6rg', 'v1')).toMatchObject({
    userId: 'a b c',
    username: 'Jörg',
    names: ['x', 'userId', 'username'],
  })
  const proto = `/ws?userId=${encodeURIComponent('__proto__')}`
  expect(readParameters(proto, 'v1')).toMatchObject({ userId: '__proto__' })
  expect(readParameters('/ws?userId=a=b', 'v1')).toMatchObject({ userId: 'a=b' })
  expect(readParameters('/ws', 'v1')).toEqual({ ...ABSENT, userId: undefined, names: [] })
})

test('[D4] all tokens are reported, also two that differ', () => {
  expect(readParameters('/ws?token=a.b.c', 'v1')).toMatchObject({ userId: undefined, tokens: ['a.b.c'] })
  expect(readParameters('/ws?token=a&token=&token=b', 'v2')).toMatchObject({ tokens: ['a', 'b'] })
})

test('[D2] a parameter that is repeated, malformed or invalid is refused, with the reason', () => {
  const refused = (query: string) => readParameters(`/ws${query}`, 'v1')
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
  const known = { userId: 'a', username: undefined, sessionId: undefined }
  for (const query of ['?userId=a&username=', '?userId=a&username', '?userId=a&sessionId=&username=']) {
    expect(readParameters(`/ws${query}`, 'v1')).toMatchObject(known)
    expect(readParameters(`/ws${query}`, 'v2')).toMatchObject(known)
  }
  expect(readParameters('/ws?userId=a&username=&username=b', 'v1')).toMatchObject({ username: 'b' })
})

test('[V1] v2 clients can set a session id; v1 ignores the parameter', () => {
  const url = '/ws?userId=a&sessionId=tab%201'
  expect(readParameters(url, 'v2')).toMatchObject({ sessionId: 'tab 1' })
  expect(readParameters(url, 'v1')).toMatchObject({ sessionId: undefined })
  const wrong = readParameters('/ws?userId=a&sessionId=%00', 'v2')
  expect(wrong).toMatch(/^"sessionId" must be/)
  expect(readParameters('/ws?userId=a&sessionId=%00', 'v1')).toMatchObject({ userId: 'a' })
})

test('[V15] v2 clients can name their kind of device, in at most 32 bytes; v1 ignores it', () => {
  expect(readParameters('/ws?userId=a&device=smart%20tv', 'v2')).toMatchObject({ device: 'smart tv' })
  expect(readParameters('/ws?userId=a&device=web', 'v1')).toMatchObject({ device: undefined })
  expect(readParameters(`/ws?userId=a&device=${'x'.repeat(32)}`, 'v2')).toMatchObject({ userId: 'a' })
  for (const device of ['x'.repeat(33), '%C3%A9'.repeat(17), '%0A']) {
    expect(readParameters(`/ws?userId=a&device=${device}`, 'v2')).toMatch(
      /^"device" must be a string of 1 to 32 UTF-8 bytes/,
    )
  }
})

test('[D3] a connection can start with a choice: a status, and in v2 also when it expires and when it was made', () => {
  const choice = (query: string, version: 'v1' | 'v2') => {
    const parameters = readParameters(`/ws?userId=a${query}`, version)
    return typeof parameters === 'string' ? parameters : parameters.choice
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
