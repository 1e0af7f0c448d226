import { expect, test } from 'vitest'
import { parseRedisUrl, type RedisAddress } from './redis-url.ts'

const single: RedisAddress = {
  kind: 'single',
  hosts: [{ host: 'redis', port: 6_379 }],
  tls: false,
  username: undefined,
  password: undefined,
  name: undefined,
  db: 0,
}

test.each<[url: string, address: Partial<RedisAddress>]>([
  ['redis://redis', {}],
  ['redis://redis/', {}],
  ['redis://redis:6380/3', { hosts: [{ host: 'redis', port: 6_380 }], db: 3 }],
  ['rediss://[::1]:6380', { hosts: [{ host: '::1', port: 6_380 }], tls: true }],
  ['redis://:secret@redis', { password: 'secret' }],
  ['redis://wio:a%40b%2Fc:d@redis', { username: 'wio', password: 'a@b/c:d' }],
  [
    'redis-sentinel://s1,s2:7000/main',
    {
      kind: 'sentinel',
      name: 'main',
      hosts: [
        { host: 's1', port: 26_379 },
        { host: 's2', port: 7_000 },
      ],
    },
  ],
  [
    'rediss-cluster://wio:x@c1,c2:7000',
    {
      kind: 'cluster',
      tls: true,
      username: 'wio',
      password: 'x',
      hosts: [
        { host: 'c1', port: 6_379 },
        { host: 'c2', port: 7_000 },
      ],
    },
  ],
])('%s is read', (url, address) => {
  expect(parseRedisUrl(url)).toEqual({ ...single, ...address })
})

test.each([
  '',
  'http://redis',
  'redis:/redis',
  'redis://',
  'redis://a,b',
  'redis://redis/main',
  'redis://redis:0',
  'redis://redis:65536',
  'redis://redis:x',
  'redis://:%@redis',
  'redis://redis?db=1',
  'redis-sentinel://s1,s2',
  'redis-sentinel://s1,,s2/main',
  'redis-cluster://c1/3',
])('%s is refused, and the error has no secret', url => {
  expect(() => parseRedisUrl(url)).toThrow(/^redis:\/\/HOST/)
  expect(() => parseRedisUrl(`${url}?secret`)).not.toThrow('secret')
})
