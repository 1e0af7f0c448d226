import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { fetchJson } from './fetch-json.ts'
import { discoveredKeys } from './issuer-keys.ts'
import { FRESH_MS, RECENT_MS, RemoteKeys } from './remote-keys.ts'
import { type Behaviour, Issuer } from './testing/issuer.ts'
import { NOW, newIdentity } from './testing/new-identity.ts'
import { type ReadToken, readToken } from './token.ts'

// A real server of keys that rotates, hangs, lies and redirects.

/** How long a test waits for the server of keys, in ms. It is waited for only where the server never answers. */
const SHORT_MS = 100
const LONG_MS = 5_000

let issuer: Issuer
let steady: number
let reasons: string[]
/** How long a fetch may take, in ms. It is short only where the issuer does not answer: a good one may be slow. */
let fetchMs: number
beforeEach(async () => {
  issuer = await Issuer.start()
  steady = 0
  reasons = []
  fetchMs = LONG_MS
})
afterEach(() => issuer.stop())

const read = (text: string) => readToken(text) as ReadToken
const keysFrom = (fetchKeys: () => Promise<unknown>) => {
  // A fetch may end in the next test.
  const own = reasons
  return new RemoteKeys({ fetchKeys, steady: () => steady, failed: reason => own.push(reason) })
}
const keysOf = (from: Issuer) => keysFrom(() => fetchJson(from.jwksUrl, fetchMs))
const token = async (header = {}) => read(await issuer.sign(NOW, {}, header))

test('[D9] many tokens at once share one fetch', async () => {
  const keys = keysOf(issuer)
  const signed = await token()
  const all = await Promise.all(Array.from({ length: 100 }, () => keys.verify(signed)))
  expect(new Set(all)).toEqual(new Set(['yes']))
  expect(issuer.requests).toEqual(['/keys'])
})

test('[D9] a token that arrives while an older fetch is under way waits for a newer one', async () => {
  const answers: ((keys: unknown) => void)[] = []
  const keys = keysFrom(() => new Promise(resolve => answers.push(resolve)))
  const published = () => fetchJson(issuer.jwksUrl, 5_000)
  const before = await published()
  const first = keys.verify(await token())
  await expect.poll(() => answers).toHaveLength(1)
  // The answer to the first fetch is on its way when the issuer publishes a new key.
  await issuer.addKey()
  const second = keys.verify(await token())
  answers[0]?.(before)
  expect(await first).toBe('yes')
  await expect.poll(() => answers).toHaveLength(2)
  answers[1]?.(await published())
  expect(await second).toBe('yes')
})

test('[D9] keys that rotate while 200 users connect each second: no valid token is refused', async () => {
  const keys = keysOf(issuer)
  let wrong = 0
  const verdicts: Promise<void>[] = []
  // Three seconds of 200 arrivals each; the key changes in the middle of each second, and the older ones are revoked
  // one second later.
  for (let second = 0; second < 3; second++) {
    for (let arrival = 0; arrival < 200; arrival++) {
      steady += 5
      if (arrival === 100) await issuer.addKey()
      const signed = await token()
      verdicts.push(keys.verify(signed).then(verdict => void (verdict === 'yes' || wrong++)))
      if (arrival % 20 === 0) await new Promise(resolve => setImmediate(resolve))
    }
    await Promise.all(verdicts)
    issuer.revokeOlderKeys()
  }
  expect(wrong).toBe(0)
  expect(verdicts).toHaveLength(600)
  // One fetch for the first token, and one for each new key; one more if a fetch was under way.
  expect(issuer.requests.length).toBeGreaterThanOrEqual(4)
  expect(issuer.requests.length).toBeLessThanOrEqual(7)
})

test('[D9] unknown key ids can not make the server fetch at will, and nobody is refused without an answer', async () => {
  const keys = keysOf(issuer)
  expect(await keys.verify(await token())).toBe('yes')
  const unknown = await token({ kid: 'unknown' })
  const verdicts: string[] = []
  for (let count = 0; count < 200; count++) verdicts.push(await keys.verify(unknown))
  expect(verdicts.slice(0, 9)).toEqual(Array(9).fill('no'))
  expect(new Set(verdicts.slice(9))).toEqual(new Set(['unavailable']))
  expect(issuer.requests).toHaveLength(10)
  // Known keys are not affected.
  expect(await keys.verify(await token())).toBe('yes')
  steady += 2_000
  expect(await keys.verify(unknown)).toBe('no')
  expect(issuer.requests).toHaveLength(11)
})

test('[D9] keys are fetched again after ten minutes, and old ones are used until then', async () => {
  const keys = keysOf(issuer)
  const older = await token()
  expect(await keys.verify(older)).toBe('yes')
  await issuer.addKey()
  issuer.revokeOlderKeys()
  steady = FRESH_MS - 1
  expect(await keys.verify(older)).toBe('yes')
  expect(issuer.requests).toHaveLength(1)
  steady = FRESH_MS
  await keys.verify(older)
  await expect.poll(() => issuer.requests.length).toBe(2)
  await expect.poll(() => keys.verify(older)).not.toBe('yes')
})

/** Publishes another key under the id of the first one, which signs from now on. */
async function replaceFirstKey(): Promise<void> {
  await issuer.addKey('ES256', 'key 1')
  issuer.revokeOlderKeys()
}

test('[D9] a key that is replaced under the same id is noticed as soon as its keys are not recent', async () => {
  const keys = keysOf(issuer)
  const older = await token()
  expect(await keys.verify(older)).toBe('yes')
  await replaceFirstKey()
  const newer = await token()
  expect(newer.kid).toBe(older.kid)
  steady = RECENT_MS - 1
  expect(await keys.verify(newer)).toBe('no')
  expect(issuer.requests).toHaveLength(1)
  steady = RECENT_MS
  const all = await Promise.all(Array.from({ length: 100 }, () => keys.verify(newer)))
  expect(new Set(all)).toEqual(new Set(['yes']))
  expect(issuer.requests).toHaveLength(2)
  expect(await keys.verify(older)).toBe('no')
  expect(issuer.requests).toHaveLength(2)
})

test('[D9] a token that is checked with older keys while newer ones come is checked again', async () => {
  const published = () => fetchJson(issuer.jwksUrl, 5_000)
  let answer = await published()
  let fetches = 0
  const keys = keysFrom(async () => {
    fetches++
    return answer
  })
  expect(await keys.verify(await token())).toBe('yes')
  await replaceFirstKey()
  answer = await published()
  steady = RECENT_MS
  const newer = await token()
  // The first of them that is checked gets newer keys at once. The others are then still being checked.
  const all = await Promise.all(Array.from({ length: 100 }, () => keys.verify(newer)))
  expect(new Set(all)).toEqual(new Set(['yes']))
  expect(fetches).toBe(2)
})

test('[D9] wrong signatures cause one fetch per five seconds, and get "no" when the keys can not be fetched', async () => {
  const keys = keysOf(issuer)
  const known = await token()
  expect(await keys.verify(known)).toBe('yes')
  const thief = await Issuer.start()
  const forged = read(await thief.sign(NOW))
  thief.stop()
  expect(forged.kid).toBe(known.kid)
  for (const fetches of [2, 3]) {
    steady += RECENT_MS
    for (let count = 0; count < 20; count++) expect(await keys.verify(forged)).toBe('no')
    expect(issuer.requests).toHaveLength(fetches)
  }
  issuer.behaviour = 'error'
  // Long enough for ten fetches at once, which is the rate limit.
  steady += 10 * RECENT_MS
  for (let count = 0; count < 20; count++) expect(await keys.verify(forged)).toBe('no')
  expect(issuer.requests).toHaveLength(13)
  expect(await keys.verify(known)).toBe('yes')
})

test('[D9] tokens without a key id are tried with all keys', async () => {
  await issuer.addKey('ES256')
  const keys = keysOf(issuer)
  expect(await keys.verify(await token({ kid: undefined }))).toBe('yes')
  const thief = await Issuer.start()
  expect(await keys.verify(read(await thief.sign(NOW, {}, { kid: undefined })))).toBe('no')
  thief.stop()
})

const broken: readonly (readonly [Behaviour, RegExp])[] = [
  ['hang', /no answer within 100 ms/],
  ['stall', /no answer within 100 ms/],
  ['html', /not JSON/],
  ['not keys', /JSON Web Key Set/],
  ['no keys', /^no key can verify RS256, ES256/],
  ['unusable keys', /^no key can verify RS256, ES256/],
  ['redirect', /status 302/],
  ['error', /status 500/],
  ['endless', /longer than 256 KiB/],
  ['reset', /ECONNRESET|closed/],
]
describe.each(broken)('[D9] a server of keys that answers: %s', (behaviour, reason) => {
  test('tokens wait a bounded time and get "unavailable"; the reason is reported', async () => {
    issuer.behaviour = behaviour
    fetchMs = SHORT_MS
    const keys = keysOf(issuer)
    expect(await keys.verify(await token())).toBe('unavailable')
    expect(reasons).toEqual([expect.stringMatching(reason)])
    expect(issuer.requests).toEqual(['/keys'])
    // The negative control, which also shows that it recovers.
    issuer.behaviour = 'serve'
    fetchMs = LONG_MS
    expect(await keys.verify(await token())).toBe('yes')
  })

  test('tokens with known keys are accepted meanwhile, also when the keys are old', async () => {
    const keys = keysOf(issuer)
    const signed = await token()
    expect(await keys.verify(signed)).toBe('yes')
    issuer.behaviour = behaviour
    fetchMs = SHORT_MS
    steady = 100 * FRESH_MS
    for (let count = 0; count < 5; count++) expect(await keys.verify(signed)).toBe('yes')
  })
})

test.each<Behaviour>(['no keys', 'unusable keys'])(
  '[D9] one answer with %s does not replace the known keys',
  async behaviour => {
    const keys = keysOf(issuer)
    const signed = await token()
    expect(await keys.verify(signed)).toBe('yes')
    issuer.behaviour = behaviour
    expect(await keys.verify(await token({ kid: 'unknown' }))).toBe('unavailable')
    expect([issuer.requests.length, reasons.length]).toEqual([2, 1])
    expect(await keys.verify(signed)).toBe('yes')
    // The negative control: an answer with another key does replace them.
    issuer.behaviour = 'serve'
    await issuer.addKey()
    issuer.revokeOlderKeys()
    expect(await keys.verify(await token())).toBe('yes')
    expect(await keys.verify(signed)).toBe('no')
  },
)

test('[D9] a key set with one usable key among others is used', async () => {
  const usable = (await fetchJson(issuer.jwksUrl, 5_000)) as { keys: unknown[] }
  const keys = keysFrom(async () => ({ keys: [{}, { kty: 'oct', k: 'c2VjcmV0' }, ...usable.keys] }))
  expect(await keys.verify(await token())).toBe('yes')
})

test('[D12] the log line about keys has no query, which can contain a key of the operator', async () => {
  const url = `${issuer.jwksUrl}?key=SECRET#SECRET`
  for (const behaviour of ['error', 'not keys', 'reset', 'html'] as const) {
    const { bearer, logged } = newIdentity({ AUTH_JWKS_URL: url, AUTH_AUDIENCE: 'presence' })
    issuer.behaviour = behaviour
    expect(await bearer(await issuer.sign(NOW))).toMatchObject({ state: 'unavailable' })
    expect(logged.join()).toContain(`"from":"${issuer.jwksUrl}"`)
    expect(logged.join()).not.toContain('SECRET')
  }
  expect(issuer.requests).toEqual(Array(4).fill('/keys?key=SECRET'))
})

test('[D9] a server that is down is asked at most ten times at once', async () => {
  issuer.behaviour = 'error'
  const keys = keysOf(issuer)
  const signed = await token()
  for (let count = 0; count < 50; count++) expect(await keys.verify(signed)).toBe('unavailable')
  expect(issuer.requests.length).toBe(10)
})

test('[D9] discovery: the document must name the issuer, and is read again when the keys can not be fetched', async () => {
  const keys = keysFrom(discoveredKeys(`${issuer.url}/`, 5_000))
  const discovery = '/.well-known/openid-configuration'
  expect(await keys.verify(await token())).toBe('yes')
  expect(issuer.requests).toEqual([discovery, '/keys'])
  await issuer.addKey()
  expect(await keys.verify(await token())).toBe('yes')
  expect(issuer.requests).toEqual([discovery, '/keys', '/keys'])
  await issuer.addKey()
  issuer.behaviour = 'error'
  expect(await keys.verify(await token())).toBe('unavailable')
  issuer.behaviour = 'serve'
  expect(await keys.verify(await token())).toBe('yes')
  expect(issuer.requests.slice(3)).toEqual(['/keys', discovery, '/keys'])
  const liar = await Issuer.start()
  liar.claimsToBe = 'https://example.com'
  const lied = keysFrom(discoveredKeys(liar.url, 5_000))
  expect(await lied.verify(read(await liar.sign(NOW)))).toBe('unavailable')
  expect(reasons.at(-1)).toMatch(/has another "issuer"/)
  liar.stop()
})

test('[D5 D9] unreachable keys are no refusal, and the log names the issuer but no token', async () => {
  const { bearer, logged } = newIdentity({ AUTH_ISSUER: issuer.url, AUTH_AUDIENCE: 'presence' })
  issuer.behaviour = 'error'
  const signed = await issuer.sign(NOW)
  expect(await bearer(signed)).toMatchObject({ state: 'unavailable' })
  expect(logged.join()).toContain(issuer.url)
  expect(logged.join()).not.toContain(signed.split('.')[1])
})
