import { Cluster, Redis, type RedisOptions } from 'ioredis'
import { DirectConnector, needNoPassword, QuietSentinelConnector } from './redis-connectors.ts'
import type { RedisAddress } from './redis-url.ts'

/** How long a connection may take to be ready, in ms. */
export const CONNECT_MS = 1_500

/** How long Redis may take to answer a command, in ms. */
export const ANSWER_MS = 1_500

/** How long a read waits for an entry, in ms. */
export const BLOCK_MS = 1_000

/** How long a connection may take to close in the orderly way, in ms. Then it is cut. */
const CLOSE_MS = 250

export type Client = Redis | Cluster

/**
 * A client that never queues, repeats or reconnects by itself: the caller knows what is still true and what to compose
 * again, and asks after each connect whether it is still the same Redis.
 */
export function createClient(
  { kind, hosts, tls, name, db: _, ...login }: RedisAddress,
  timeout: number,
): Client {
  const secure = tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}
  const common = {
    ...login,
    ...secure,
    Connector: DirectConnector,
    // The replies of the third version have other shapes.
    protocol: 2,
    connectionName: 'who-is-online',
    disableClientInfo: true,
    lazyConnect: true,
    // It would hide why: Redis tells with the first command that it is loading.
    enableReadyCheck: false,
    connectTimeout: CONNECT_MS,
    commandTimeout: timeout,
    socketTimeout: timeout,
    disconnectTimeout: CLOSE_MS,
    maxRetriesPerRequest: 0,
    autoResendUnfulfilledCommands: false,
  } satisfies RedisOptions
  if (kind === 'cluster') {
    const noRetries = {
      retryDelayOnFailover: 0,
      retryDelayOnClusterDown: 0,
      clusterRetryStrategy: () => null,
    }
    const cluster = new Cluster([...hosts], {
      ...noRetries,
      enableOfflineQueue: false,
      lazyConnect: true,
      redisOptions: common,
    })
    return cluster.on('+node', needNoPassword)
  }
  const options = { ...common, retryStrategy: () => null, enableOfflineQueue: false }
  if (kind === 'single') return needNoPassword(new Redis({ ...options, ...hosts[0] }))
  const { username, password } = login
  const sentinelLogin =
    password === undefined ? {} : { sentinelUsername: username, sentinelPassword: password }
  const client = new Redis({
    ...options,
    ...sentinelLogin,
    sentinels: [...hosts],
    name,
    // A sentinel that hangs must leave time for the next one.
    connectTimeout: CONNECT_MS / 3,
    sentinelCommandTimeout: CONNECT_MS / 3,
    sentinelRetryStrategy: () => null,
    failoverDetector: true,
    Connector: QuietSentinelConnector,
  })
  return needNoPassword(client)
}

/**
 * Connects a client and selects its database. ioredis would select it by itself, and use database 0 if Redis refuses
 * that: two clusters would share their users.
 */
export async function openClient(client: Client, db: number): Promise<void> {
  await client.connect()
  if (db > 0) await client.select(db)
}

/** Whether Redis has refused a command, so that it was not executed and the connection goes on. */
export function isRefusal(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError'
}

/** Closes a client, and cuts its connection if it does not close in time. Never rejects. */
export function closeClient(client: Client): Promise<void> {
  return new Promise(resolve => {
    const timeout = setTimeout(resolve, 2 * CLOSE_MS)
    client.once('end', () => {
      clearTimeout(timeout)
      resolve()
    })
    if (client.status === 'end') client.emit('end')
    else client.disconnect()
  })
}

/**
 * Waits for at most `ms`.
 *
 * @throws Error if that is not enough
 */
export async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timeout: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timeout = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timeout))
}
