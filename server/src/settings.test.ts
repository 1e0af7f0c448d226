import { expect, test } from 'vitest'
import { help, readSettings, settingsTable, WrongSettings } from './settings.ts'

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

test('[S2] everything that is wrong is said, by name', () => {
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
    'ALLOWED_ORIGINS must be a list of origins such as https://app.example.com, separated by commas; "app.example.com" is none, not "app.example.com"',
    'TRUST_PROXY must be a number of proxies, or a list of CIDR ranges such as 10.0.0.0/8; "10.0.0.0/33" is neither, not "10.0.0.0/33"',
    'OFFLINE_GRACE_MS must be a whole number from 0 to 3600000, not "5s"',
  ])
})

test('[S3] production needs somebody who knows who a user is, keeps its limits and writes no debug lines', () => {
  expect(problems({})).toEqual([
    expect.stringMatching(/^AUTH must be "open" in production: .* not there yet/),
  ])
  expect(problems({ AUTH: 'open' })).toEqual([])
  expect(problems({ AUTH: 'open', LIMITS: 'off', LOG_LEVEL: 'debug' })).toEqual([
    'LIMITS must be "on" in production',
    'LOG_LEVEL must be "info" or "error" in production',
  ])
})

test('[S4] every setting can be read about in --help', () => {
  for (const [name, { meaning }] of Object.entries(settingsTable)) {
    expect(help()).toContain(`  ${name}`)
    expect(help()).toContain(meaning)
  }
})
