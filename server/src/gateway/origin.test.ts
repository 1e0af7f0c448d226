import { expect, test } from 'vitest'
import { isAllowedOrigin } from './origin.ts'

const production = { allowed: ['https://app.example.com'], development: false }
const development = { allowed: [], development: true }

test('[O1] a page of the server’s own host may always connect, over HTTP and HTTPS', () => {
  expect(isAllowedOrigin('http://wio.example.com:3050', 'wio.example.com:3050', production)).toBe(true)
  expect(isAllowedOrigin('https://wio.example.com', 'WIO.example.com', production)).toBe(true)
  expect(isAllowedOrigin('https://wio.example.com:444', 'wio.example.com', production)).toBe(false)
})

test('[O2] other pages may connect only if their exact origin is listed', () => {
  expect(isAllowedOrigin('https://app.example.com', 'x', production)).toBe(true)
  for (const origin of [
    'http://app.example.com',
    'https://app.example.com:8443',
    'https://app.example.com.evil.org',
    'https://evil.org/https://app.example.com',
    'https://x',
    'null',
    'garbage',
    '',
    'file://x',
  ]) {
    expect(isAllowedOrigin(origin, 'y', production)).toBe(false)
  }
})

test('[O3] in development, pages of this machine, of private networks and of files may also connect, and no others', () => {
  for (const origin of [
    'http://localhost:5173',
    'http://127.0.0.1',
    'http://[::1]:80',
    'http://192.168.1.7:3000',
    'null',
  ]) {
    expect(isAllowedOrigin(origin, 'y', development)).toBe(true)
    expect(isAllowedOrigin(origin, 'y', production)).toBe(false)
  }
  for (const origin of ['https://evil.org', 'http://8.8.8.8', 'http://localhost.evil.org']) {
    expect(isAllowedOrigin(origin, 'y', development)).toBe(false)
  }
})

test('[O4] a client without an Origin header may connect', () => {
  expect(isAllowedOrigin(undefined, 'y', production)).toBe(true)
})
