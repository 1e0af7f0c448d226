import type { RedisConnection, RedisInfo } from './redis.ts'
import { isRefusal } from './redis-client.ts'

/** The first version whose `XADD` gives ids such as `EPOCH-*`. */
const OLDEST_VERSION = 7

/** Why a cluster can't use a Redis, and what to do about it; `undefined` if it can. */
function whyUnusable({ version, maxmemoryPolicy, isReplica }: RedisInfo): string | undefined {
  if (version === '' || maxmemoryPolicy === '') {
    const missing = version === '' ? 'redis_version' : 'maxmemory_policy'
    return `the Redis of "REDIS_URL" does not tell ${missing}: allow its user the command INFO (+info)`
  }
  if (Number.parseInt(version, 10) < OLDEST_VERSION) {
    return `the Redis of "REDIS_URL" has version ${version}: use Redis 7.0, Valkey 7.2 or newer`
  }
  if (isReplica) {
    return '"REDIS_URL" names a replica, which takes no writes: name its master, or the sentinels with redis-sentinel://'
  }
  if (maxmemoryPolicy !== 'noeviction') {
    return (
      `the Redis of "REDIS_URL" may delete keys, because its maxmemory-policy is ${maxmemoryPolicy}: ` +
      'run CONFIG SET maxmemory-policy noeviction, and set it in redis.conf'
    )
  }
  return undefined
}

/**
 * Asks a Redis whether a cluster can use it. Returns why it never can, and what to do about it; `undefined` if it can.
 *
 * @throws Error if Redis does not answer, or refuses for now, as while it loads its data
 */
export async function checkRedis(
  connection: Pick<RedisConnection, 'info' | 'probe'>,
): Promise<string | undefined> {
  try {
    const problem = whyUnusable(await connection.info())
    if (problem === undefined) await connection.probe()
    return problem
  } catch (error) {
    const reason = whyRefused(error)
    if (reason === undefined) throw error
    return reason
  }
}

/** Why Redis will always refuse, and what to do about it; `undefined` if another try may succeed. */
export function whyRefused(error: unknown): string | undefined {
  const refusal = error instanceof Error && error.cause ? error.cause : error
  return isRefusal(refusal) && LASTING.test(`${refusal}`) ? explainRedisError(error) : undefined
}

/** Refusals that stay until somebody changes the settings. */
const LASTING =
  /NOPERM|can't run this command|no permissions|WRONGPASS|NOAUTH|WRONGTYPE|MOVED|CROSSSLOT|DB index/

/** What to do about an error, by a part of its text or its code. */
const ADVICE: readonly (readonly [part: RegExp, advice: string])[] = [
  [
    // Within a script, Redis and Valkey say it in words of their own.
    /NOPERM|can't run this command|no permissions/,
    'the user of "REDIS_URL" lacks a permission: docs/redis-acl.md lists the permissions',
  ],
  [/WRONGPASS|NOAUTH|AUTH failed/, 'check the user and the password in "REDIS_URL"'],
  [/MOVED|CROSSSLOT/, 'this is a Redis Cluster: use redis-cluster:// in "REDIS_URL"'],
  [/READONLY/, 'a replica takes no writes: name its master in "REDIS_URL"'],
  [/DB index/, 'this Redis has fewer databases: name another one in "REDIS_URL", or none'],
  [/OOM/, 'Redis is full: raise its maxmemory'],
  [/WRONGTYPE/, 'another program uses these keys: set another "REDIS_PREFIX"'],
  [
    /SELF_SIGNED|UNABLE_TO_|self.signed|unable to (get|verify)/,
    'the certificate of Redis is not trusted: name the file of its CA in NODE_EXTRA_CA_CERTS',
  ],
]

/** For an error of TLS, or for silence: a Redis without TLS waits for the rest of a command. */
const NO_TLS: readonly [RegExp, string] = [
  / within \d+ ms$|EPROTO|wrong version number|before secure TLS connection/,
  'if this Redis has no TLS on this port, use redis:// instead of rediss:// in "REDIS_URL"',
]

/**
 * An error of Redis in words, with its cause and with what to do about it.
 *
 * @param isNewTls whether it is the first connection to this Redis, by TLS
 */
export function explainRedisError(error: unknown, isNewTls = false): string {
  const texts: string[] = []
  for (let cause = error; cause instanceof Error; cause = causeOf(cause)) texts.push(cause.message)
  // Where a script was refused helps nobody, and would make each script a reason of its own.
  const text = (texts.length > 0 ? texts.join(': ') : String(error)).replace(/ script: \w+, on @\S+/g, '')
  const advice = [...ADVICE, ...(isNewTls ? [NO_TLS] : [])].find(([part]) => part.test(text))?.[1]
  return advice === undefined ? text : `${text}; ${advice}`
}

/** What has caused an error. A client of a Redis Cluster tells only the error of the last node that it has asked. */
function causeOf(error: Error & { lastNodeError?: unknown }): unknown {
  return error.cause ?? error.lastNodeError
}
