import { expect, test } from 'vitest'
import { isAllowedOrigin } from './origin.ts'

const production = { allowed: ['https://app.example.com'], development: false }
const development = { allowed: [], development: true }

test('[O1] a page of the server’s own host always passes, whatever the scheme', () => {
  expect(isAllowedOrigin('http://wio.example.com:3050', 'wio.example.com:3050', production)).toBe(true)
  expect(isAllowedOrigin('https://wio.example.com', 'WIO.example.com', production)).toBe(true)
  expect(isAllowedOrigin('https://wio.example.com:444', 'wio.example.com', production)).toBe(false)
})

test('[O2] others pass by exact list only', () => {
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

test('[O3] development also lets in this machine, private networks and files, and nobody else', () => {
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

test('[O4] what is no browser sends no Origin and passes', () => {
  expect(isAllowedOrigin(undefined, 'y', production)).toBe(true)
})
