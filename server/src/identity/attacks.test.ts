import { createHmac, createSecretKey } from 'node:crypto'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { sign } from './hs256.ts'
import type { Identified, IdentityRequest, Rule } from './identity.ts'
import { Issuer, type TestClaims } from './testing/issuer.ts'
import { NOW, newIdentity, type TestIdentity } from './testing/new-identity.ts'

// The attacks on identity, one per row. Each table begins with its negative control: a request that is accepted.

const SECRET = 'a secret of your own backend: 32 bytes'
const OTHER_SECRET = 'another secret that nobody may know: 32'
const secretKey = (secret: string) => createSecretKey(Buffer.from(secret))
const SECONDS = NOW / 1_000
const HOUR = 3_600

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')

/** A token that the secret signs. `undefined` leaves a claim out. */
const hs256 = (claims: TestClaims = {}, secret = SECRET) =>
  sign({ sub: 'ann', exp: SECONDS + HOUR, ...claims }, secretKey(secret))

const known = (identified: Identified) =>
  identified.state === 'known' ? identified.grant.userId : identified

const refusedBy = (rule: string) => expect.objectContaining({ state: 'refused', rule })

describe('[D6 D7] a token with a secret', () => {
  const ann = newIdentity({ AUTH_SECRET: `${OTHER_SECRET},${SECRET}`, AUTH_AUDIENCE: 'presence,web' })
  const token = (claims: TestClaims = {}, secret = SECRET) => hs256({ aud: 'presence', ...claims }, secret)
  const [head = '', payload = '', signature = ''] = token().split('.')
  const withHeader = (header: object) => {
    const signed = `${base64url(header)}.${payload}`
    return `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`
  }

  test.each<[string, string, Rule | 'known']>([
    ['negative control: a correct token', token(), 'known'],
    ['signed by the other secret', token({}, OTHER_SECRET), 'known'],
    ['expired 11 s ago, beyond the leeway', token({ exp: SECONDS - 11 }), 'time'],
    ['expired 9 s ago, within the leeway', token({ exp: SECONDS - 9 }), 'known'],
    ['no exp', token({ exp: undefined }), 'time'],
    ['exp is null', token({ exp: null }), 'time'],
    ['exp is a text', token({ exp: String(SECONDS + HOUR) }), 'time'],
    ['not yet valid', token({ nbf: SECONDS + 11 }), 'time'],
    ['nbf within the leeway', token({ nbf: SECONDS + 9 }), 'known'],
    ['nbf is a text', token({ nbf: 'now' }), 'time'],
    ['issued in the future', token({ iat: SECONDS + 11 }), 'time'],
    ['alg: none without a signature', `${base64url({ alg: 'none' })}.${payload}.`, 'format'],
    ['alg: none with a signature', `${base64url({ alg: 'none' })}.${payload}.${signature}`, 'algorithm'],
    ['alg: NONE', withHeader({ alg: 'NONE' }), 'algorithm'],
    ['alg: hs256 in lower case', withHeader({ alg: 'hs256' }), 'algorithm'],
    ['alg: HS512', withHeader({ alg: 'HS512' }), 'algorithm'],
    ['no alg', withHeader({ typ: 'JWT' }), 'algorithm'],
    ['RS256, for which there is no key', withHeader({ alg: 'RS256' }), 'algorithm'],
    ['a critical extension', withHeader({ alg: 'HS256', crit: ['b64'], b64: false }), 'format'],
    ['a kid that is not a text', withHeader({ alg: 'HS256', kid: 7 }), 'format'],
    ['wrong key', token({}, 'a secret that the server does not know!'), 'key'],
    [
      'empty secret',
      `${head}.${payload}.${createHmac('sha256', '').update(`${head}.${payload}`).digest('base64url')}`,
      'key',
    ],
    ['changed claims', `${head}.${base64url({ sub: 'bob', exp: SECONDS + HOUR })}.${signature}`, 'key'],
    ['a signature that is too short', `${head}.${payload}.${signature.slice(0, -1)}`, 'key'],
    ['wrong audience', token({ aud: 'shop' }), 'audience'],
    ['audience with other case', token({ aud: 'Presence' }), 'audience'],
    ['no audience', token({ aud: undefined }), 'audience'],
    ['one of several audiences', token({ aud: ['shop', 'web'] }), 'known'],
    ['audience only in azp', token({ aud: undefined, azp: 'web' }), 'known'],
    ['audience only in client_id', token({ aud: undefined, client_id: 'web' }), 'known'],
    ['audience is an object', token({ aud: { presence: 'presence' } }), 'audience'],
    ['user claim missing', token({ sub: undefined }), 'claim'],
    ['user claim empty', token({ sub: '' }), 'claim'],
    ['user claim not a text', token({ sub: 7 }), 'claim'],
    ['user claim of 129 bytes', token({ sub: 'x'.repeat(129) }), 'claim'],
    ['user claim of 128 bytes', token({ sub: 'x'.repeat(128) }), 'known'],
    ['user claim with a control character', token({ sub: 'ann\n' }), 'claim'],
    ['rights that are not an object', token({ presence: 'all' }), 'claim'],
    ['rights with a wrong field', token({ presence: { watch: 'everybody' } }), 'claim'],
    ['8 KiB', token({ x: 'x'.repeat(6_100) }), 'size'],
    ['8 KiB that is no token', 'x'.repeat(8 * 1024), 'size'],
    ['not a token', 'abc', 'format'],
    ['two parts', `${head}.${payload}`, 'format'],
    ['five parts, as an encrypted token', `${head}.${payload}.a.b.c`, 'format'],
    [
      'header that is not JSON',
      `${Buffer.from('{').toString('base64url')}.${payload}.${signature}`,
      'format',
    ],
    ['header that is a list', `${base64url(['HS256'])}.${payload}.${signature}`, 'format'],
    ['characters outside base64url', `${head}.${payload}.${signature.slice(0, -2)}+/`, 'format'],
  ])('%s', async (_what, text, rule) => {
    const identified = await ann.bearer(text)
    if (rule === 'known') expect(identified.state).toBe('known')
    else expect(identified).toEqual(refusedBy(rule))
    // No text to the client or the log contains a part of the token.
    const said = JSON.stringify(identified) + ann.logged.join()
    for (const part of text.split('.').filter(part => part.length > 8)) {
      if (rule !== 'known') expect(said).not.toContain(part)
    }
  })

  test('the error names the claim that is missing', async () => {
    const byEmail = newIdentity({ AUTH_SECRET: SECRET, AUTH_USER_CLAIM: 'user.email' })
    expect(await byEmail.bearer(hs256())).toMatchObject({
      text: 'the token has no claim "user.email" (AUTH_USER_CLAIM)',
    })
    expect(known(await byEmail.bearer(hs256({ user: { email: 'a@b.test' } })))).toBe('a@b.test')
    // The exact name comes first.
    expect(known(await byEmail.bearer(hs256({ 'user.email': 'x', user: { email: 'y' } })))).toBe('x')
    for (const user of [null, 'email', { constructor: 1 }]) {
      expect(await byEmail.bearer(hs256({ user }))).toEqual(refusedBy('claim'))
    }
  })
})

describe('[D6 D7] a token with a public key', () => {
  let issuer: Issuer
  let identity: TestIdentity
  beforeAll(async () => {
    issuer = await Issuer.start('RS256')
    identity = newIdentity({
      AUTH_ISSUER: `${issuer.url}/`,
      AUTH_AUDIENCE: 'presence',
      AUTH_SECRET: SECRET,
    })
  })
  afterAll(() => issuer.stop())

  test.each<[string, (issuer: Issuer) => string | Promise<string>, Rule | 'known']>([
    ['negative control: a correct token', issuer => issuer.sign(NOW), 'known'],
    ['the issuer with a slash', issuer => issuer.sign(NOW, { iss: `${issuer.url}/` }), 'known'],
    ['wrong issuer', issuer => issuer.sign(NOW, { iss: 'https://evil.test' }), 'issuer'],
    [
      'issuer with other case',
      issuer => issuer.sign(NOW, { iss: issuer.url.replace('http', 'HTTP') }),
      'issuer',
    ],
    ['issuer with a suffix', issuer => issuer.sign(NOW, { iss: `${issuer.url}.evil.test` }), 'issuer'],
    ['issuer with two slashes', issuer => issuer.sign(NOW, { iss: `${issuer.url}//` }), 'issuer'],
    ['no issuer', issuer => issuer.sign(NOW, { iss: undefined }), 'issuer'],
    ['issuer is a list', issuer => issuer.sign(NOW, { iss: [issuer.url] }), 'issuer'],
    ['wrong audience', issuer => issuer.sign(NOW, { aud: 'shop' }), 'audience'],
    ['expired', issuer => issuer.sign(NOW, { exp: SECONDS - 60 }), 'time'],
    [
      'HS256 signed with the public key as the secret',
      async issuer =>
        sign(
          { iss: issuer.url, aud: 'presence', sub: 'ann', exp: SECONDS + 60 },
          secretKey(await issuer.publicKey()),
        ),
      'key',
    ],
    [
      'a secret signs, and the header says RS256',
      issuer => {
        const claims = { iss: issuer.url, aud: 'presence', sub: 'ann', exp: SECONDS + 60 }
        return sign(claims, secretKey(SECRET), { alg: 'RS256', kid: 'key 1' })
      },
      'key',
    ],
    [
      'a key of the token itself (jwk, jku, x5u in the header)',
      async () => {
        const thief = await Issuer.start('RS256')
        const [, ...rest] = (await thief.sign(NOW, { iss: issuer.url })).split('.')
        const header = base64url({ alg: 'RS256', kid: 'key 1', jku: thief.jwksUrl })
        thief.stop()
        return [header, ...rest].join('.')
      },
      'key',
    ],
    ['unknown kid', issuer => issuer.sign(NOW, {}, { kid: 'unknown' }), 'key'],
    ['no kid', issuer => issuer.sign(NOW, {}, { kid: undefined }), 'known'],
    [
      'signed by AUTH_SECRET for the same issuer',
      issuer => hs256({ iss: issuer.url, aud: 'presence' }),
      'known',
    ],
    ['signed by AUTH_SECRET without the issuer', () => hs256({ aud: 'presence' }), 'issuer'],
  ])('%s', async (_what, make, rule) => {
    const identified = await identity.bearer(await make(issuer))
    if (rule === 'known') expect(known(identified)).toBe('ann')
    else expect(identified).toEqual(refusedBy(rule))
  })

  test('no request went to an address that a token names', () => {
    expect(new Set(issuer.requests)).toEqual(new Set(['/.well-known/openid-configuration', '/keys']))
  })

  test.each(['ES256', 'EdDSA'])('%s is accepted', async alg => {
    const other = await Issuer.start(alg)
    const identity = newIdentity({ AUTH_JWKS_URL: other.jwksUrl, AUTH_AUDIENCE: 'any' })
    expect(known(await identity.bearer(await other.sign(NOW)))).toBe('ann')
    expect(await identity.bearer(hs256())).toEqual(refusedBy('algorithm'))
    other.stop()
  })

  test.each(['RS512', 'PS256', 'ES384'])('%s is refused', async alg => {
    const other = await Issuer.start(alg)
    const identity = newIdentity({ AUTH_JWKS_URL: other.jwksUrl, AUTH_AUDIENCE: 'any' })
    expect(await identity.bearer(await other.sign(NOW))).toEqual(refusedBy('algorithm'))
    other.stop()
  })
})

describe('[D4 D5] where the token is', () => {
  const identity = newIdentity({ AUTH_SECRET: SECRET, AUTH_COOKIE: '__session' })
  const [ann, bob] = [hs256(), hs256({ sub: 'bob' })]
  const bearer = { authorization: `Bearer ${ann}` }
  const origin = 'https://app.test'

  test.each<[string, Partial<IdentityRequest>, unknown]>([
    ['Authorization', { headers: bearer }, 'ann'],
    ['Authorization, lower case', { headers: { authorization: `bearer ${ann}` } }, 'ann'],
    ['a subprotocol', { headers: { 'sec-websocket-protocol': `who-is-online.v2, bearer.${ann}` } }, 'ann'],
    ['the URL', { tokens: [ann] }, 'ann'],
    ['a cookie', { headers: { origin, cookie: `a=b; __session=${ann}; c=d` } }, 'ann'],
    ['a cookie with quotes', { headers: { origin, cookie: `__session="${ann}"` } }, 'ann'],
    ['the same token twice', { headers: bearer, tokens: [ann] }, 'ann'],
    ['no token', {}, refusedBy('missing')],
    ['a Basic password', { headers: { authorization: `Basic ${ann}` } }, refusedBy('missing')],
    ['only a user id', { userId: 'ann' }, refusedBy('missing')],
    ['a cookie with another name', { headers: { origin, cookie: `session=${ann}` } }, refusedBy('missing')],
    ['two that differ', { headers: bearer, tokens: [bob] }, expect.objectContaining({ status: 400 })],
    [
      'two subprotocols that differ',
      { headers: { 'sec-websocket-protocol': `bearer.${ann}, bearer.${bob}` } },
      expect.objectContaining({ status: 400 }),
    ],
    ['two in the URL that differ', { tokens: [ann, bob] }, expect.objectContaining({ status: 400 })],
    [
      'two cookies that differ',
      { headers: { origin, cookie: `__session=${ann}; __session=${bob}` } },
      expect.objectContaining({ status: 400 }),
    ],
    [
      'a token beside a cookie: the browser adds cookies by itself',
      { headers: { ...bearer, origin, cookie: `__session=${bob}` } },
      'ann',
    ],
    [
      'a wrong token beside a valid cookie',
      { headers: { authorization: 'Bearer x', origin, cookie: `__session=${ann}` } },
      refusedBy('format'),
    ],
    [
      'a cookie without an origin',
      { headers: { cookie: `__session=${ann}` } },
      expect.objectContaining({ status: 403 }),
    ],
    ['the user id of the token', { headers: bearer, userId: 'ann' }, 'ann'],
    ['the user id of somebody else', { headers: bearer, userId: 'bob' }, refusedBy('claim')],
  ])('%s', async (_what, request, expected) => {
    expect(known(await identity.identify(request))).toEqual(expected)
  })

  test('[D7] a name in the token is fixed; without one, the client can choose', async () => {
    const grant = async (claims: TestClaims, username?: string) => {
      const identified = await identity.identify({ tokens: [hs256(claims)], username })
      return identified.state === 'known' ? identified.grant : identified
    }
    expect(await grant({ name: 'Ann' })).toMatchObject({ username: 'Ann', isNameFixed: true })
    expect(await grant({ name: 'Ann' }, 'Ann')).toMatchObject({ username: 'Ann', isNameFixed: true })
    expect(await grant({ name: 'Ann' }, 'Bob')).toMatchObject({ state: 'unusable' })
    expect(await grant({}, 'Bob')).toMatchObject({ username: 'Bob', isNameFixed: false })
    // A name that can't be shown is left out. It does not let the user choose another one.
    expect(await grant({ name: 'A\nnn' })).toMatchObject({ username: undefined, isNameFixed: true })
  })

  test('[D7] the grant ends with the token', async () => {
    const end = async (exp: number) => {
      const identified = await identity.bearer(hs256({ exp }))
      return identified.state === 'known' ? identified.grant.expiresAt : identified
    }
    expect(await end(SECONDS + HOUR)).toBe(NOW + HOUR * 1_000)
    expect(await end(1e300)).toBeLessThan(Date.parse('9999-12-31T23:59:59.999Z') + 1)
  })

  test('a token that renews a connection is verified in the same way', async () => {
    expect(known(await identity.identity.renew(ann))).toBe('ann')
    expect(await identity.identity.renew(hs256({ exp: SECONDS - 60 }))).toEqual(refusedBy('time'))
    expect(await identity.identity.renew('')).toEqual(refusedBy('format'))
  })
})
