import { describe, expect, test } from 'vitest'
import { type Authenticate, createAuthenticatedIdentity } from './authenticate.ts'
import type { IdentityRequest } from './identity.ts'
import { newRequest } from './testing/new-request.ts'

const NOW = Date.parse('2026-01-01T00:00:00Z')

function setUp(authenticate: Authenticate) {
  const failures: string[] = []
  const identity = createAuthenticatedIdentity({
    authenticate,
    defaultRights: { watch: 'named' },
    now: () => NOW,
    failed: reason => failures.push(reason),
    timeoutMs: 50,
  })
  const identify = async (request: Partial<IdentityRequest> = {}) => identity.identify(newRequest(request))
  return { identity, identify, failures }
}

test('the function gets the request, and its user is known', async () => {
  const request = newRequest({}).request
  request.headers = { cookie: 'session=1' }
  const { identify } = setUp(({ headers }) => ({ userId: headers.cookie ?? '', name: 'Ann' }))
  expect(await identify({ request })).toEqual({
    state: 'known',
    grant: {
      userId: 'session=1',
      username: 'Ann',
      isNameFixed: true,
      expiresAt: undefined,
      rights: { watch: 'named', rooms: [], observer: false },
    },
  })
})

test('all fields, also in a promise; a number is the id that it spells', async () => {
  const expiresAt = new Date(NOW + 60_000)
  const { identify } = setUp(async () => ({
    userId: 7,
    expiresAt,
    watch: ['bob'],
    rooms: ['a*'],
    observer: true,
  }))
  expect(await identify()).toMatchObject({
    grant: {
      userId: '7',
      username: undefined,
      isNameFixed: false,
      expiresAt: NOW + 60_000,
      rights: { watch: new Set(['bob']), rooms: ['a*'], observer: true },
    },
  })
})

test.each([null, undefined])('%s refuses the connection', async answer => {
  const { identify, failures } = setUp(() => answer)
  expect(await identify()).toMatchObject({ state: 'refused', rule: 'application' })
  expect(failures).toEqual([])
})

describe('without a usable answer, the client tries again later, and the reason is reported', () => {
  test.each<[string, Authenticate, RegExp]>([
    ['it throws', () => Promise.reject(new Error('the database is down')), /^the database is down$/],
    [
      'it throws at once',
      () => {
        throw new Error('a bug')
      },
      /^a bug$/,
    ],
    ['it takes too long', () => new Promise(() => {}), /^no answer within 50 ms$/],
    ['a wrong id', () => ({ userId: '' }), /^"userId" must be/],
    ['a number that is no id', () => ({ userId: 0.5 }), /^"userId" must be/],
    ['a wrong end', () => ({ userId: 'ann', expiresAt: 'soon' }), /^"expiresAt" must be/],
    ['a wrong right', () => ({ userId: 'ann', watch: 'everybody' as 'all' }), /^"watch" must be/],
  ])('%s', async (_what, authenticate, reason) => {
    const { identify, failures } = setUp(authenticate)
    expect(await identify()).toMatchObject({ state: 'unavailable' })
    expect(failures).toEqual([expect.stringMatching(reason)])
  })
})

test('an end in the past refuses the connection, and an end in the future does not', async () => {
  let end = NOW
  const { identify, failures } = setUp(() => ({ userId: 'ann', expiresAt: new Date(end) }))
  expect(await identify()).toMatchObject({
    state: 'refused',
    rule: 'application',
    text: expect.stringMatching(/expired/),
  })
  end = NOW + 1
  expect(await identify()).toMatchObject({ state: 'known', grant: { expiresAt: end } })
  expect(failures).toEqual([])
})

test('the URL may not name another user, and may give a name that the application does not give', async () => {
  const { identify } = setUp(() => ({ userId: 'ann' }))
  expect(await identify({ userId: 'bob' })).toMatchObject({ state: 'refused', rule: 'claim' })
  expect(await identify({ userId: 'ann', username: 'Ann' })).toMatchObject({
    grant: { userId: 'ann', username: 'Ann' },
  })
  const named = setUp(() => ({ userId: 'ann', name: 'Ann' }))
  expect(await named.identify({ username: 'Boss' })).toMatchObject({ state: 'unusable' })
})

test('an open connection is not renewed by a token', () => {
  expect(setUp(() => null).identity.renew('token')).toMatchObject({ state: 'refused', rule: 'application' })
})
