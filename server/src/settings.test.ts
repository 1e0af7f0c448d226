import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { readEnvFile } from './env-file.ts'
import { readSettings, WrongSettings } from './settings.ts'
import { describe, help } from './settings-help.ts'
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
  expect(settings.HOST).toBeUndefined()
  expect(settings.MAX_CONNECTIONS).toBeUndefined()
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

test('[S2] words are compared without case; HOST may have brackets', () => {
  const settings = readSettings({ ENVIRONMENT: 'Development', LOG_LEVEL: 'INFO', HOST: '[::1]' })
  expect(settings).toMatchObject({ ENVIRONMENT: 'development', LOG_LEVEL: 'info', HOST: '::1' })
  for (const HOST of ['localhost', '0.0.0.0', 'fe80::1%eth0', 'my-host.internal', 'my_host']) {
    expect(readSettings({ AUTH: 'open', HOST }).HOST).toBe(HOST)
  }
  for (const HOST of ['http://localhost', 'localhost:3050', '*', 'a b', '[::1', '/tmp/socket', '::1]:80']) {
    expect(problems({ AUTH: 'open', HOST })).toEqual([
      `HOST must be an IP address or a host name, without scheme, port or path; unset it to listen on all interfaces, not ${JSON.stringify(HOST)}`,
    ])
  }
})

test('[S3] production needs AUTH=open, keeps its limits and writes no debug lines', () => {
  expect(problems({})).toEqual([
    expect.stringMatching(
      /^AUTH must be "open" in production: this version cannot check who a user is; identity by token is not implemented yet/,
    ),
  ])
  expect(problems({ AUTH: 'open' })).toEqual([])
  expect(problems({ AUTH: 'open', LIMITS: 'off', LOG_LEVEL: 'debug' })).toEqual([
    'LIMITS must be "on" in production',
    'LOG_LEVEL must be "info" or "error" in production',
  ])
})

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

test('[S6] --print-config prints for a secret only whether it is set', () => {
  expect(describe({ PORT: '1', API_KEY: KEY }).split('\n')).toEqual(
    expect.arrayContaining(['PORT=1', 'LIMITS=on', 'HOST=', 'API_KEY=(set, hidden)']),
  )
  expect(describe({}).split('\n')).toContain('API_KEY=')
  expect(readSettings({ ENVIRONMENT: 'development', API_KEY: ` ${KEY}\n` }).API_KEY).toBe(KEY)
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
  expect(Object.keys(texts)).toContain('AUTH')
  expect(problems({ ...texts })).toEqual([])
  const unknown = Object.keys(texts).filter(name => !allSettings.some(([known]) => known === name))
  expect(unknown).toEqual([])
})
