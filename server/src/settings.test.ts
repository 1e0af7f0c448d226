import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readEnvFile } from './env-file.ts'
import { secretFileNames } from './secret-files.ts'
import { readSettings, WrongSettings } from './settings.ts'
import { help } from './settings-help.ts'
import { allSettings } from './settings-table.ts'

const problems = (texts: Record<string, string>) => {
  try {
    readSettings(texts)
  } catch (error) {
    if (error instanceof WrongSettings) return error.problems
    throw error
  }
  return []
}

test('[S1] unset and empty settings have their defaults', () => {
  const settings = readSettings({ ENVIRONMENT: 'development', PORT: '' })
  expect(settings).toMatchObject({ PORT: 3050, OFFLINE_GRACE_MS: 5_000, ALLOWED_ORIGINS: [], LIMITS: 'on' })
  expect(readSettings({ AUTH: 'open' }).HOST).toBeUndefined()
  expect(settings.MAX_CONNECTIONS).toBeUndefined()
})

test('[S12] development has defaults of its own; a setting that is set overrides them', () => {
  const development = { ENVIRONMENT: ' Development ' }
  expect(readSettings(development)).toMatchObject({ HOST: '127.0.0.1', DASHBOARD: 'on', LOG_LEVEL: 'debug' })
  expect(readSettings({ ...development, HOST: '0.0.0.0', DASHBOARD: 'off' })).toMatchObject({
    HOST: '0.0.0.0',
    DASHBOARD: 'off',
  })
  expect(readSettings({ AUTH: 'open' })).toMatchObject({ DASHBOARD: 'off', LOG_LEVEL: 'info' })
})

test('[S2] all problems are listed by name', () => {
  expect(
    problems({
      PORT: '99999',
      ENVIRONMENT: 'prod',
      OFFLINE_GRACE_MS: '5s',
      ALLOWED_ORIGINS: 'app.example.com',
      TRUST_PROXY: '10.0.0.0/33',
    }),
  ).toEqual([
    'PORT must be a whole number from 0 to 65535, not "99999"',
    'ENVIRONMENT must be "development" or "production", not "prod"',
    'ALLOWED_ORIGINS must be a list of origins such as https://app.example.com, separated by commas; "app.example.com" is not an origin, not "app.example.com"',
    'TRUST_PROXY must be a number of proxies, or a list of CIDR ranges such as 10.0.0.0/8; "10.0.0.0/33" is neither, not "10.0.0.0/33"',
    'OFFLINE_GRACE_MS must be a whole number from 0 to 3600000, not "5s"',
  ])
})

test('[S2 D12] a refused URL is shown without its user name and password', () => {
  const [problem] = problems({ AUTH_URL: 'https://user:s3cret@app.example.com/who' })
  expect(problem).toContain('not "https://…@app.example.com/who"')
  expect(problem).not.toContain('s3cret')
})

test('[S2] words are compared without case; HOST may have brackets', () => {
  const settings = readSettings({ ENVIRONMENT: 'Development', LOG_LEVEL: 'INFO', HOST: '[::1]' })
  expect(settings).toMatchObject({ ENVIRONMENT: 'development', LOG_LEVEL: 'info', HOST: '::1' })
  for (const HOST of ['localhost', '0.0.0.0', 'fe80::1%eth0', 'my-host.internal', 'my_host']) {
    expect(readSettings({ AUTH: 'open', HOST }).HOST).toBe(HOST)
  }
  for (const HOST of ['http://localhost', 'localhost:3050', '*', 'a b', '[::1', '/tmp/socket', '::1]:80']) {
    expect(problems({ AUTH: 'open', HOST })).toEqual([
      `HOST must be an IP address or a host name, without scheme, port or path; 0.0.0.0 stands for all interfaces, not ${JSON.stringify(HOST)}`,
    ])
  }
})

test('[S3] production needs a setting of identity, keeps its limits and writes no debug lines', () => {
  expect(problems({})).toEqual([
    expect.stringMatching(
      /^AUTH or another setting of identity must be set in production\. Set one of AUTH_ISSUER .*AUTH_JWKS_URL .*AUTH_SECRET .*AUTH_URL .*AUTH_HEADER .*AUTH=open/,
    ),
  ])
  expect(problems({ AUTH: 'open' })).toEqual([])
  expect(problems({ AUTH_SECRET: SECRET })).toEqual([])
  expect(problems({ AUTH_URL: 'https://app.example.com/who' })).toEqual([])
  expect(problems({ AUTH: 'open', LIMITS: 'off', LOG_LEVEL: 'debug' })).toEqual([
    'LIMITS must be "on" in production',
    'LOG_LEVEL must be "info" or "error" in production',
  ])
})

const SECRET = 's3cret/+'.repeat(4)
const ISSUER = 'https://example.eu.auth0.com/'

test.each([
  [{ AUTH: 'open', AUTH_SECRET: SECRET }, /^AUTH must be unset if AUTH_SECRET is set/],
  [
    { AUTH: 'open', AUTH_COOKIE: 'a', AUTH_URL: ISSUER },
    /^AUTH must be unset if AUTH_COOKIE and AUTH_URL is set/,
  ],
  [{ AUTH_ISSUER: ISSUER }, /^AUTH_AUDIENCE must be set with AUTH_ISSUER or AUTH_JWKS_URL/],
  [{ AUTH_JWKS_URL: ISSUER }, /^AUTH_AUDIENCE must be set/],
  [{ AUTH_AUDIENCE: 'app' }, /^AUTH_AUDIENCE must be set together with/],
  [{ AUTH_COOKIE: '__session' }, /^AUTH_COOKIE must be set together with/],
  [{ AUTH_HEADER: 'X-User' }, /^TRUST_PROXY must be a list of CIDR ranges if AUTH_HEADER is set/],
  [{ AUTH_HEADER: 'X-User', TRUST_PROXY: '1' }, /^TRUST_PROXY must be a list of CIDR ranges/],
  [{ AUTH_ISSUER: 'http://a.test', AUTH_AUDIENCE: 'x' }, /^AUTH_ISSUER must be a list of issuers/],
  [{ AUTH_ISSUER: 'https://a.test?x', AUTH_AUDIENCE: 'x' }, /^AUTH_ISSUER must be a list of issuers/],
  [{ AUTH_JWKS_URL: 'http://10.0.0.1/keys', AUTH_AUDIENCE: 'x' }, /^AUTH_JWKS_URL must be an https URL/],
  [{ AUTH_URL: 'https://user:pass@a.test/' }, /^AUTH_URL must be an https URL/],
  [{ AUTH_URL: 'http://localhost.evil.test/' }, /^AUTH_URL must be an https URL/],
  [{ AUTH_SECRET: SECRET, AUTH_AUDIENCE: 'any,app' }, /^AUTH_AUDIENCE must be a list/],
  [{ AUTH_SECRET: SECRET, AUTH_COOKIE: 'a b' }, /^AUTH_COOKIE must be the name of a cookie/],
])(
  '[S9] settings of identity that contradict each other are refused, in development too: %j',
  (texts, problem) => {
    expect(problems({ ENVIRONMENT: 'development', ...texts })).toEqual([expect.stringMatching(problem)])
  },
)

test('[S9] settings of identity that fit together are accepted', () => {
  expect(problems({ AUTH_ISSUER: ISSUER, AUTH_AUDIENCE: 'any' })).toEqual([])
  expect(
    problems({ AUTH_JWKS_URL: 'http://127.0.0.1:1/keys', AUTH_AUDIENCE: 'a,b', AUTH_SECRET: SECRET }),
  ).toEqual([])
  expect(problems({ AUTH_HEADER: 'X-User', TRUST_PROXY: '10.0.0.0/8' })).toEqual([])
  expect(readSettings({ AUTH_SECRET: `${SECRET}, ${KEY}`, AUTH_AUDIENCE: 'a, b' })).toMatchObject({
    AUTH_SECRET: [SECRET, KEY],
    AUTH_AUDIENCE: ['a', 'b'],
    AUTH_WATCH: 'named',
    AUTH_USER_CLAIM: 'sub',
    AUTH_LEEWAY_MS: 10_000,
    AUTH_EXPIRED_GRACE_MS: 300_000,
  })
})

test.each(['x'.repeat(31), `${SECRET},short`, `-----BEGIN PUBLIC KEY-----${SECRET}`])(
  '[S6 S9] a secret that is too short or a public key is refused, and the error does not contain it: %j',
  AUTH_SECRET => {
    const [problem, ...others] = problems({ ENVIRONMENT: 'development', AUTH_SECRET })
    expect(others).toEqual([])
    expect(problem).toMatch(/^AUTH_SECRET must be a (list of secrets|secret, not a key)/)
    expect(problem).not.toContain(AUTH_SECRET)
  },
)

const KEY = 'k3y/+'.repeat(8)

test('[S3] the live page needs a key in production', () => {
  const production = { AUTH: 'open', DASHBOARD: 'on' }
  expect(problems(production)).toEqual([
    expect.stringMatching(
      /^API_KEY must be set in production if DASHBOARD is "on": .*openssl rand -base64 32/,
    ),
  ])
  expect(problems({ ...production, API_KEY: KEY })).toEqual([])
  expect(problems({ ...production, DASHBOARD: 'off' })).toEqual([])
  expect(problems({ ...production, ENVIRONMENT: 'development' })).toEqual([])
})

test.each(['short', 'k'.repeat(31), `${KEY} ${KEY}`, `${KEY}é`, `${KEY}\n${KEY}`, `${KEY}\u007f`])(
  '[S6] a malformed key is refused, and the error does not contain it: %j',
  API_KEY => {
    expect(problems({ ENVIRONMENT: 'development', API_KEY })).toEqual([
      'API_KEY must be at least 32 printable ASCII characters without spaces, such as openssl rand -base64 32 prints',
    ])
  },
)

test('[S6] outer white space of a key does not count', () => {
  expect(readSettings({ ENVIRONMENT: 'development', API_KEY: ` ${KEY}\n` }).API_KEY).toBe(KEY)
})

test('[S6] the keys of the API have names and rights, and an error says which entry is wrong without printing it', () => {
  const read = (API_KEYS: string, more = {}) => problems({ ENVIRONMENT: 'development', API_KEYS, ...more })
  const other = KEY.toUpperCase().replaceAll('/', ':')
  expect(
    readSettings({ ENVIRONMENT: 'development', API_KEYS: `a:read:${KEY},\n b-2:write:${other}\n` }).API_KEYS,
  ).toEqual([
    { name: 'a', right: 'read', key: KEY },
    { name: 'b-2', right: 'write', key: other },
  ])
  for (const wrong of [
    KEY,
    `a:${KEY}`,
    `a:admin:${KEY}`,
    `:read:${KEY}`,
    'a:read:short',
    `a b:read:${KEY}`,
  ]) {
    expect(read(`x:read:${other},${wrong}`), wrong).toEqual([
      expect.stringMatching(/^API_KEYS must be a list of NAME:read:KEY or NAME:write:KEY, .*Entry 2 is not$/),
    ])
  }
  for (const repeated of [`x:read:${KEY}`, `y:write:${other}`])
    expect(read(`x:read:${other},${repeated}`)).toEqual([
      expect.stringMatching(/Entry 2 repeats an earlier one$/),
    ])
  expect(read(`x:read:${KEY}`, { API_KEY: KEY })).toEqual([
    expect.stringMatching(/^API_KEY must not be one of API_KEYS/),
  ])
})

test('[M7] webhooks need http or https URLs without credentials, and a secret', () => {
  const secret = `whsec_${Buffer.alloc(24).toString('base64')}`
  const read = (WEBHOOK_URLS: string, more: object = { WEBHOOK_SECRET: secret }) =>
    problems({ ENVIRONMENT: 'development', WEBHOOK_URLS, ...more })
  expect(read('http://app:3000/presence, https://10.0.0.1/?a=b')).toEqual([])
  for (const wrong of [
    'ftp://app/x',
    'app:3000',
    'https://user:s3cret@app/x',
    'https://app/,file:///x',
    ',',
  ]) {
    const [problem] = read(wrong)
    expect(problem, wrong).toMatch(/^WEBHOOK_URLS must be a list of http or https URLs /)
    expect(problem).not.toContain('s3cret')
  }
  expect(read('https://app/x,https://app/x')).toEqual([expect.stringMatching(/^WEBHOOK_URLS .* stands once/)])
  expect(read('https://app/x', {})).toEqual([expect.stringMatching(/^WEBHOOK_SECRET must be set /)])
  // The nodes of a cluster can send them too.
  const REDIS_URL = 'redis://localhost'
  expect(read('https://app/x', { WEBHOOK_SECRET: secret, REDIS_URL })).toEqual([])
  for (const wrong of ['s3cret', `${secret},s3cret`, [secret, secret, secret].join()])
    expect(read('https://app/x', { WEBHOOK_SECRET: wrong })).toEqual([
      expect.stringMatching(/^WEBHOOK_SECRET must be one or two secrets, [^;]*$/),
    ])
})

test('[S4] --help describes every setting', () => {
  const text = help().replaceAll(/\s+/g, ' ')
  for (const [name, { meaning, whenToChange }] of allSettings) {
    expect(text).toContain(` ${name}=`)
    expect(text).toContain(meaning)
    expect(text).toContain(whenToChange)
  }
})

test('the recommended production block of the documentation is accepted as it stands', () => {
  const [, block] = /```sh\n([^`]*)```/.exec(readFileSync('docs/settings.md', 'utf8')) ?? []
  const { texts, badLines } = readEnvFile(Buffer.from(block ?? ''))
  expect(badLines).toEqual([])
  expect(Object.keys(texts)).toContain('AUTH_SECRET_FILE')
  expect(problems({ ...texts, AUTH_SECRET: SECRET })).toEqual([])
  const known = [...allSettings.map(([name]) => name), ...secretFileNames]
  const unknown = Object.keys(texts).filter(name => !known.includes(name))
  expect(unknown).toEqual([])
})

test('[T11] the figures and the clients have different ports', () => {
  const development = { ENVIRONMENT: 'development', PORT: '3050' }
  expect(readSettings({ ...development, METRICS_PORT: '9464' })).toMatchObject({ METRICS_PORT: 9_464 })
  expect(() => readSettings({ ...development, METRICS_PORT: '3050' })).toThrow(
    /METRICS_PORT must not be PORT/,
  )
})
