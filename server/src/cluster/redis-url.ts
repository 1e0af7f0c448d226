/** Where a Redis is, and how to log in to it. */
export interface RedisAddress {
  readonly kind: 'single' | 'sentinel' | 'cluster'
  /** The Redis itself, the sentinels, or some nodes of the Redis Cluster. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly tls: boolean
  readonly username: string | undefined
  readonly password: string | undefined
  /** The name by which the sentinels know the Redis. */
  readonly name: string | undefined
  /** The number of the database; 0 except with `single`. */
  readonly db: number
}

const URL_FORM = /^redis(s?)(?:-(sentinel|cluster))?:\/\/(?:([^@/]*)@)?([^@/?#]+)(?:\/([^/?#]*))?$/
const HOST_FORM = /^(?:\[([\da-fA-F:.]+)\]|([^:[\]\s]+))(?::(\d{1,5}))?$/

/** What a URL must be; completes the error text `REDIS_URL must be …`. */
const URL_RULE =
  'redis://HOST:PORT, redis-sentinel://HOST:PORT,HOST:PORT/NAME or redis-cluster://HOST:PORT,HOST:PORT, ' +
  'with USER:PASSWORD@ before the first host if needed, and rediss instead of redis for TLS'

/**
 * Reads the URL of a Redis. User and password are percent-encoded.
 *
 * @throws Error whose message completes the sentence "REDIS_URL must be …". It does not contain the URL, which may
 * contain a password
 */
export function parseRedisUrl(url: string): RedisAddress {
  const [matched, tls, kind = 'single', login = '', list = '', path = ''] = URL_FORM.exec(url) ?? []
  const hosts = list.split(',').flatMap(text => hostOf(text, kind === 'sentinel' ? 26_379 : 6_379))
  const isComplete = hosts.length === list.split(',').length && (kind !== 'single' || hosts.length === 1)
  const isPathRight = kind === 'single' ? /^\d{0,4}$/.test(path) : (path !== '') === (kind === 'sentinel')
  const [username, password] = decoded(login)
  if (matched === undefined || !isComplete || !isPathRight || password === undefined) {
    throw new Error(URL_RULE)
  }
  return {
    kind: kind as RedisAddress['kind'],
    hosts,
    tls: tls === 's',
    username: username || undefined,
    password: password || undefined,
    name: kind === 'sentinel' ? path : undefined,
    db: kind === 'single' ? Number(path) : 0,
  }
}

function hostOf(text: string, defaultPort: number): { host: string; port: number }[] {
  const [matched, address, name, port] = HOST_FORM.exec(text) ?? []
  const number = port === undefined ? defaultPort : Number(port)
  if (matched === undefined || number === 0 || number > 65_535) return []
  return [{ host: address ?? name ?? '', port: number }]
}

/** The user and the password; `undefined` if they are not percent-encoded as they must be. */
function decoded(login: string): string[] {
  const [username = '', ...password] = login.split(':')
  try {
    return [decodeURIComponent(username), decodeURIComponent(password.join(':'))]
  } catch {
    return []
  }
}
