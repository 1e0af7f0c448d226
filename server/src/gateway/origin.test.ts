import { expect, test } from 'vitest'
import { readSettings } from '../settings.ts'
import { webOrigin } from '../web-origin.ts'
import { disallowedOrigin, type OriginRules } from './origin.ts'

/** The rules of these settings, as the server reads them. */
function rulesOf(texts: Record<string, string>, development = false): OriginRules {
  const { ALLOWED_ORIGINS: allowed, ALLOWED_HOSTS: hosts } = readSettings({ AUTH: 'open', ...texts })
  return { allowed, hosts, development }
}

const isAllowed = (origin: string | undefined, host: string, rules: OriginRules) =>
  disallowedOrigin(origin, host, rules) === undefined

const named = { ALLOWED_HOSTS: 'wio.example.com, Other.Example.com' }

test.each([
  ['http://wio.example.com:3050', 'wio.example.com:3050', true],
  ['https://wio.example.com', 'WIO.example.com', true],
  ['https://wio.example.com', 'wio.example.com:443', true],
  ['http://wio.example.com', 'wio.example.com:80', true],
  ['HTTPS://WIO.EXAMPLE.COM', 'wio.example.com', true],
  ['https://wio.example.com:443', 'wio.example.com', true],
  ['https://other.example.com', 'other.example.com', true],
  ['http://localhost:3050', 'localhost:3050', true],
  ['http://app.localhost:3050', 'app.localhost:3050', true],
  ['http://127.0.0.1:3050', '127.0.0.1:3050', true],
  ['http://[::1]:3050', '[::1]:3050', true],
  ['http://8.8.8.8', '8.8.8.8', true],
  ['https://wio.example.com:444', 'wio.example.com', false],
  ['https://wio.example.com', 'wio.example.com:80', false],
  ['https://wio.example.com', 'other.example.com', false],
  ['http://localhost:5173', 'localhost:3050', false],
  // DNS rebinding: the page and the server have the same name, which the operator does not know.
  ['http://evil.test:3050', 'evil.test:3050', false],
  ['http://127.0.0.1.evil.test', '127.0.0.1.evil.test', false],
  ['http://localhost.evil.test', 'localhost.evil.test', false],
])('[O1] a page of %s that connects to %s: allowed %s', (origin, host, allowed) => {
  expect(isAllowed(origin, host, rulesOf(named))).toBe(allowed)
})

test('[O1] a name of the server can be used for DNS rebinding in development too', () => {
  expect(isAllowed('http://evil.test:3050', 'evil.test:3050', rulesOf({}, true))).toBe(false)
})

test("[O1] where a client must prove who it is, each name may be the server's own", () => {
  const rules = { allowed: [], hosts: undefined, development: false }
  expect(isAllowed('https://wio.example.com', 'wio.example.com', rules)).toBe(true)
  expect(isAllowed('https://evil.test', 'wio.example.com', rules)).toBe(false)
})

test.each([
  'https://app.example.com',
  'capacitor://localhost',
  'tauri://localhost',
  'ionic://localhost',
  'chrome-extension://abcdefghijklmnop',
  'moz-extension://0b8a2c4e-6d1f-4c3a-9e5b-7f2d8a1c6e04',
  'file://',
  'null',
])('[O2] %s may connect if it is listed, and only then', origin => {
  expect(isAllowed(origin, 'x', rulesOf({ ALLOWED_ORIGINS: origin }))).toBe(true)
  expect(isAllowed(origin, 'x', rulesOf({ ALLOWED_ORIGINS: 'https://listed.example.com' }))).toBe(false)
})

test.each([
  ['https://App.Example.com:443', 'https://app.example.com', true],
  ['https://app.example.com', 'https://APP.example.com:443', true],
  ['http://app.example.com:80', 'http://app.example.com', true],
  ['Capacitor://LocalHost', 'capacitor://localhost', true],
  ['https://app.example.com', 'http://app.example.com', false],
  ['https://app.example.com', 'https://app.example.com:8443', false],
  ['https://app.example.com', 'https://app.example.com.evil.org', false],
  ['https://app.example.com', 'https://evil.org/https://app.example.com', false],
  ['https://app.example.com', 'https://app.example.com@evil.org', false],
  ['https://app.example.com', 'garbage', false],
  ['https://app.example.com', '', false],
])('[O2] with ALLOWED_ORIGINS=%s, %s: allowed %s', (listed, origin, allowed) => {
  expect(isAllowed(origin, 'y', rulesOf({ ALLOWED_ORIGINS: listed }))).toBe(allowed)
})

test.each([
  '*',
  'https://*',
  'https://*.example.com',
  'https://app.example.com/',
  'app.example.com',
  'https://',
  'tauri://',
])('[O2 S2] ALLOWED_ORIGINS=%s is refused at the start', text => {
  expect(() => readSettings({ AUTH: 'open', ALLOWED_ORIGINS: text })).toThrow('ALLOWED_ORIGINS must be')
})

test.each(['https://wio.example.com', 'wio.example.com:443', '*.example.com', 'wio..com'])(
  '[O1 S2] ALLOWED_HOSTS=%s is refused at the start',
  text => {
    expect(() => readSettings({ AUTH: 'open', ALLOWED_HOSTS: text })).toThrow('ALLOWED_HOSTS must be')
  },
)

test('[O3] in development, pages of this machine and of private networks may also connect, and no others', () => {
  for (const origin of [
    'http://localhost:5173',
    'http://127.0.0.1',
    'http://[::1]:80',
    'http://192.168.1.7:3000',
  ]) {
    expect(isAllowed(origin, 'y', rulesOf({}, true))).toBe(true)
    expect(isAllowed(origin, 'y', rulesOf({}))).toBe(false)
  }
  for (const origin of [
    'https://evil.org',
    'http://8.8.8.8',
    'http://localhost.evil.org',
    'null',
    'file://',
  ]) {
    expect(isAllowed(origin, 'y', rulesOf({}, true))).toBe(false)
  }
})

test('[O4] a client without an Origin header may connect', () => {
  expect(isAllowed(undefined, 'y', rulesOf({}))).toBe(true)
})

test.each([
  ['https://evil.example', 'wio.example.com'],
  ['HTTPS://Evil.Example:443', 'wio.example.com'],
  ['capacitor://localhost', 'wio.example.com'],
  ['chrome-extension://abc', 'wio.example.com'],
  ['file://', 'wio.example.com'],
  ['null', 'wio.example.com'],
  ['http://wio2.example.com:3050', 'wio2.example.com:3050'],
])('[O5] the setting that the log advises for %s is accepted, and allows that page', (origin, host) => {
  const before = { ALLOWED_ORIGINS: 'https://app.example.com', ALLOWED_HOSTS: 'wio.example.com' }
  const refused = disallowedOrigin(origin, host, rulesOf(before))
  expect(refused?.value).toBeDefined()
  const after = rulesOf({ ...before, [refused?.setting ?? '']: refused?.value ?? '' })
  expect(isAllowed(origin, host, after)).toBe(true)
  expect(isAllowed('https://app.example.com', 'x', after)).toBe(true)
})

test.each(['garbage', 'https://a,https://b', 'https://*', 'https://a b'])(
  '[O5] for %j, which no setting can allow, the log advises none',
  origin => {
    expect(disallowedOrigin(origin, 'y', rulesOf({}))).toEqual({
      setting: 'ALLOWED_ORIGINS',
      value: undefined,
    })
    expect(webOrigin(origin)).toBeUndefined()
  },
)
