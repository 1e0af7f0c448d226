import { expect, test } from 'vitest'
import type { RedisInfo } from './redis.ts'
import { checkRedis, explainRedisError } from './redis-check.ts'

const usable: RedisInfo = {
  server: 'run replication',
  end: undefined,
  version: '7.0.0',
  maxmemoryPolicy: 'noeviction',
  isReplica: false,
}

function check(changes: Partial<RedisInfo>, probe = async (): Promise<void> => {}) {
  return checkRedis({ info: async () => ({ ...usable, ...changes }), probe })
}

function refusal(message: string): Error {
  return Object.assign(new Error(message), { name: 'ReplyError' })
}

test.each(['7.0.0', '7.2.4', '8.4.1', '10.0.0'])('version %s can be used', async version => {
  expect(await check({ version })).toBeUndefined()
})

test('[N7] a Redis that does not allow the writes can not be used', async () => {
  const text = await check({}, () => Promise.reject(refusal('NOPERM no permissions')))
  expect(text).toMatch(/^NOPERM.*docs\/redis-acl\.md/)
  const lacking = { info: () => Promise.reject(refusal('NOPERM no INFO')), probe: async () => {} }
  expect(await checkRedis(lacking)).toMatch(/^NOPERM no INFO; /)
})

test('a Redis that does not answer is no reason to refuse it', async () => {
  await expect(check({}, () => Promise.reject(new Error('Command timed out')))).rejects.toThrow('timed out')
})

test.each([
  'LOADING Redis is loading the dataset in memory',
  'OOM command not allowed',
  'READONLY a replica',
])('a Redis that refuses for now is tried again: %s', async text => {
  await expect(check({}, () => Promise.reject(refusal(text)))).rejects.toThrow(text)
})

test.each([
  [{ version: '6.2.14' }, /REDIS_URL.* 6\.2\.14.*Redis 7\.0, Valkey 7\.2/],
  [{ version: '' }, /REDIS_URL.*redis_version.*\+info/],
  [{ maxmemoryPolicy: '' }, /REDIS_URL.*maxmemory_policy.*\+info/],
  [{ maxmemoryPolicy: 'allkeys-lru' }, /REDIS_URL.*allkeys-lru.*CONFIG SET maxmemory-policy noeviction/],
  [{ maxmemoryPolicy: 'volatile-ttl' }, /volatile-ttl/],
  [{ isReplica: true }, /REDIS_URL.*replica.*redis-sentinel:/],
] as const)('a Redis with %j can not be used', async (changes, text) => {
  expect(await check(changes)).toMatch(text)
})

test.each([
  ["NOPERM this user has no permissions to run the 'xadd' command", /xadd.*docs\/redis-acl\.md/],
  ["ERR The user executing the script can't run this command or subcommand", /docs\/redis-acl\.md/],
  [
    "ERR ACL failure in script: User who-is-online has no permissions to run the 'time' command",
    /redis-acl\.md/,
  ],
  ['WRONGPASS invalid username-password pair or user is disabled.', /password in "REDIS_URL"/],
  ['NOAUTH Authentication required.', /password in "REDIS_URL"/],
  ['MOVED 7186 127.0.0.1:7001', /redis-cluster:/],
  ["READONLY You can't write against a read only replica.", /name its master/],
  ["OOM command not allowed when used memory > 'maxmemory'.", /maxmemory/],
  ['WRONGTYPE Operation against a key', /REDIS_PREFIX/],
  ['self-signed certificate in certificate chain', /NODE_EXTRA_CA_CERTS/],
])('the error "%s" comes with advice', (message, advice) => {
  const text = explainRedisError(new Error('Redis is not reachable', { cause: new Error(message) }))
  expect(text).toContain(`Redis is not reachable: ${message}; `)
  expect(text).toMatch(advice)
})

test('the error of the node of a Redis Cluster is told', () => {
  const lastNodeError = new Error("NOPERM no permissions to run 'cluster|slots'")
  const error = Object.assign(new Error('Failed to refresh slots cache.'), { lastNodeError })
  expect(explainRedisError(error)).toMatch(/slots cache\.: NOPERM .*docs\/redis-acl\.md/)
})

test('where a script was refused is left out', () => {
  const text = explainRedisError(new Error('ERR no script: 845100974b27aaaa, on @user_script:29.'))
  expect(text).toBe('ERR no')
})

test.each(['Redis does not answer within 1500 ms', 'write EPROTO wrong version number'])(
  'that Redis may have no TLS is told of "%s", if it is the first connection by TLS',
  text => {
    expect(explainRedisError(new Error(text), true)).toMatch(/; .*rediss:\/\//)
    expect(explainRedisError(new Error(text))).toBe(text)
  },
)

test('another error is told as it is', () => {
  expect(explainRedisError(new Error('Command timed out'))).toBe('Command timed out')
  expect(explainRedisError('odd')).toBe('odd')
})
