import { expect, test } from 'vitest'
import { normalTarget } from './request-target.ts'

test.each([
  ['/ws', '/ws'],
  ['/WS/', '/ws'],
  ['/ws//', '/ws//'],
  ['/Ws/?Token=A/', '/ws?Token=A/'],
  ['/', '/'],
  ['/?X', '/?X'],
  ['/assets/A.js', '/assets/A.js'],
  ['/api/v1/users/Ann/', '/api/v1/users/Ann/'],
  ['http://x/API/v1/users/Ann', '/API/v1/users/Ann'],
  ['/http://x/ws', '/http://x/ws'],
  ['*', '*'],
  ['http://x', '/'],
  ['http://x?Y', '/?Y'],
  ['HTTPS://x:1/WS/', '/ws'],
  ['http://[::1]/ws', '/ws'],
])('[T7] the target %s is compared as %s', (target, expected) => {
  expect(normalTarget(target)).toBe(expected)
})

test.each([
  'http://',
  'http:///ws',
  'http://?/ws',
  'http://[',
  'http://[/ws',
  'http://x:99999/ws',
  'http://<b>/ws',
  'http:/ws',
  'x://',
  'ftp://x/ws',
  'ws://x/ws',
  'a:b',
  'ws',
  '*/ws',
  '',
])('[T7] the target "%s" has no path that is known', target => {
  expect(normalTarget(target)).toBe('//')
})
