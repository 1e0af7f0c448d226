import { createHash } from 'node:crypto'
import { Cluster, Redis, type RedisOptions, type SentinelConnectionOptions, SentinelConnector } from 'ioredis'
import {
  appendCommand,
  placeText,
  readAbout,
  readEntry,
  readFact,
  readPlace,
  readReply,
  redisKeys,
} from './append.ts'
import { APPEND_SCRIPT } from './append-script.ts'
import type {
  AppendReply,
  AppendRequest,
  Entry,
  Loaded,
  NodeAbout,
  NodeFact,
  NodeId,
  Place,
} from './entry.ts'
import { parseRedisUrl, type RedisAddress } from './redis-url.ts'

/** How long a connection may take to be ready, in ms. */
const CONNECT_MS = 1_500

/** How long Redis may take to answer a command, in ms. */
const ANSWER_MS = 1_500

/** How long a read waits for an entry, in ms. */
const BLOCK_MS = 1_000

/** How long a connection may take to close in the orderly way, in ms. Then it is cut. */
const CLOSE_MS = 250

/** How many rows of a hash are read at once. */
const SCAN_ROWS = 1_000

const SCRIPT_ID = createHash('sha1').update(APPEND_SCRIPT).digest('hex')

/** What a node needs to know about a Redis before it uses it. */
export interface RedisInfo {
  /** The version of Redis; with Valkey, the version of Redis that it is compatible with. */
  readonly version: string
  /** Another one after each start of the process. */
  readonly runId: string
  /** Another one after a failover. */
  readonly replicationId: string
  /** With another policy than `noeviction` Redis may delete what the cluster needs. */
  readonly maxmemoryPolicy: string
}

/** Entries of the log, and the place after which to read on. */
export interface ReadEntries {
  readonly entries: readonly Entry[]
  readonly next: Place
}

/**
 * A connection to the Redis of a cluster. It carries commands and decides nothing. Each method rejects in bounded time.
 * Nothing is queued, repeated or reconnected. Once the connection has failed, all methods reject: close it and connect
 * again. A command that rejects may have been executed, unless the error is a `ReplyError`: then Redis has refused it.
 */
export interface RedisConnection {
  append(request: AppendRequest): Promise<AppendReply>
  /** At most `count` entries after a place. Waits up to a second for the first one. One read at a time. */
  read(after: Place, count: number): Promise<ReadEntries>
  /** Whether the log still has the entry at a place. */
  has(place: Place): Promise<boolean>
  /** Everything that Redis holds. Takes a second for about 250,000 rows. */
  load(): Promise<Loaded>
  /** The time of Redis, in ms since the epoch. */
  time(): Promise<number>
  info(): Promise<RedisInfo>
  /** How many entries and rows were ignored, because no node of this version has written them. */
  readonly ignored: number
  /** Closes both connections. Never rejects. */
  close(): Promise<void>
}

/**
 * Connects to Redis, with one connection for commands and one for reads, which wait.
 *
 * @param prefix the prefix of all keys; not empty and without braces
 * @throws Error if the URL is wrong, or if Redis does not answer within 1.5 s
 */
export async function connectRedis(url: string, prefix: string): Promise<RedisConnection> {
  const address = parseRedisUrl(url)
  const commands = createClient(address, ANSWER_MS)
  const reads = createClient(address, BLOCK_MS + ANSWER_MS)
  const clients = [commands, reads]
  // ioredis gives the reason only to this event, and prints it if there is no listener.
  let reason: unknown
  for (const client of clients) client.on('error', error => (reason = error))
  let closing: Promise<unknown> | undefined
  const close = async (): Promise<void> => {
    closing ??= Promise.all(clients.map(closeClient))
    await closing
  }
  try {
    await within(CONNECT_MS, Promise.all(clients.map(client => client.connect())))
  } catch (error) {
    await close()
    throw new Error('Redis is not reachable', { cause: reason ?? error })
  }
  return carry(commands, reads, prefix, close)
}

function carry(
  commands: Client,
  reads: Client,
  prefix: string,
  close: RedisConnection['close'],
): RedisConnection {
  const keys = redisKeys(prefix)
  let ignored = 0
  const known = <T>(value: T | undefined): value is T => {
    if (value === undefined) ignored++
    return value !== undefined
  }

  /** Rows of a hash. A row may come twice, and one that is written meanwhile may be missing. */
  async function* rows(key: string): AsyncGenerator<readonly [string, string]> {
    let cursor = '0'
    do {
      const [next, flat] = await commands.hscan(key, cursor, 'COUNT', SCAN_ROWS)
      yield* pairs(flat)
      cursor = next
    } while (cursor !== '0')
  }

  /** A script that only asks. Its key leads a Redis Cluster to the node that has the keys. */
  const ask = (question: string): Promise<unknown> =>
    commands.eval(`return redis.call('${question}')`, 1, keys.log)

  async function endOfLog(): Promise<Place | undefined> {
    // The log may be trimmed until it is empty, and still knows its last id.
    const fields = new Map(pairs((await commands.xinfo('STREAM', keys.log).catch(orNoKey)) as string[]))
    const end = readPlace(fields.get('last-generated-id') ?? '0-0')
    return end.epoch === 0 ? undefined : end
  }

  return {
    async append(request) {
      const { keys: names, args } = appendCommand(keys, request)
      const all = [...names, ...args]
      const answer = commands.evalsha(SCRIPT_ID, names.length, ...all).catch((error: Error) => {
        // Redis forgets scripts when it starts, and has then executed nothing.
        if (!error.message.startsWith('NOSCRIPT')) throw error
        return commands.eval(APPEND_SCRIPT, names.length, ...all)
      })
      return readReply(await answer)
    },
    async read(after, count) {
      const answer = await reads.xread(
        'COUNT',
        count,
        'BLOCK',
        BLOCK_MS,
        'STREAMS',
        keys.log,
        placeText(after),
      )
      const found = answer?.[0]?.[1] ?? []
      const last = found.at(-1)?.[0]
      return {
        entries: found.map(([id, fields]) => readEntry(id, fields)).filter(known),
        next: last === undefined ? after : readPlace(last),
      }
    },
    async has(place) {
      const id = placeText(place)
      return (await commands.xrange(keys.log, id, id)).length > 0
    },
    async load() {
      // First of all: whatever is read later is at least as new.
      const end = await endOfLog()
      let epoch: number | undefined
      let server: string | undefined
      const nodes = new Map<NodeId, number>()
      const abouts = new Map<NodeId, NodeAbout>()
      for await (const [field, value] of rows(keys.nodes)) {
        const about = field.endsWith('.about') ? readAbout(value) : undefined
        if (field === 'epoch') epoch = Number(value)
        else if (field === 'server') server = value
        else if (!field.includes('.')) nodes.set(field, Number(value))
        else if (known(about)) abouts.set(field.slice(0, -'.about'.length), about)
      }
      const facts = new Map<NodeId, Map<string, NodeFact>>()
      for (const node of nodes.keys()) {
        const own = new Map<string, NodeFact>()
        for await (const [userId, text] of rows(keys.here(node))) {
          const fact = readFact(text)
          if (known(fact)) own.set(userId, fact)
        }
        if (own.size > 0) facts.set(node, own)
      }
      const registers = new Map<string, string>()
      for await (const [key, value] of rows(keys.users)) registers.set(key, value)
      return { end, epoch, server, nodes, abouts, facts, registers }
    },
    async time() {
      const [seconds, microseconds] = (await ask('TIME')) as [string, string]
      return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000)
    },
    async info() {
      const lines = `${await ask('INFO')}`.split('\r\n').map(line => line.split(':', 2) as [string, string])
      const fields = new Map(lines)
      return {
        version: fields.get('redis_version') ?? '',
        runId: fields.get('run_id') ?? '',
        replicationId: fields.get('master_replid') ?? '',
        maxmemoryPolicy: fields.get('maxmemory_policy') ?? '',
      }
    },
    get ignored() {
      return ignored
    },
    close,
  }
}

type Client = Redis | Cluster

/**
 * A client that never queues, repeats or reconnects by itself: the caller knows what is still true and what to compose
 * again, and asks after each connect whether it is still the same Redis.
 */
function createClient({ kind, hosts, tls, name, db, ...login }: RedisAddress, timeout: number): Client {
  const secure = tls ? { tls: {}, sentinelTLS: {}, enableTLSForSentinelMode: true } : {}
  const common = {
    ...login,
    ...secure,
    // The replies of the third version have other shapes.
    protocol: 2,
    connectionName: 'who-is-online',
    disableClientInfo: true,
    lazyConnect: true,
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
    return new Cluster([...hosts], {
      ...noRetries,
      enableOfflineQueue: false,
      lazyConnect: true,
      redisOptions: common,
    })
  }
  const options = { ...common, retryStrategy: () => null, enableOfflineQueue: false }
  if (kind === 'single') return new Redis({ ...options, ...hosts[0], db })
  return new Redis({
    ...options,
    sentinels: [...hosts],
    name,
    // A sentinel that hangs must leave time for the next one.
    connectTimeout: CONNECT_MS / 3,
    sentinelCommandTimeout: CONNECT_MS / 3,
    sentinelRetryStrategy: () => null,
    failoverDetector: true,
    Connector: QuietSentinelConnector,
  })
}

/**
 * Watches the sentinels for a failover. If a sentinel is down, ioredis would print that to the console, because only it
 * has the connection and nothing listens to its errors.
 */
class QuietSentinelConnector extends SentinelConnector {
  constructor(options: unknown) {
    super(options as SentinelConnectionOptions)
    const connect: (...args: unknown[]) => Redis = this['connectToSentinel'].bind(this)
    this['connectToSentinel'] = (...args: unknown[]) => connect(...args).on('error', () => {})
  }
}

function closeClient(client: Client): Promise<void> {
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

function orNoKey(error: Error): string[] {
  if (error.message.includes('no such key')) return []
  throw error
}

/** A flat list of names and values as pairs. */
function* pairs(flat: readonly string[]): Generator<readonly [string, string]> {
  for (let i = 0; i + 1 < flat.length; i += 2) yield [flat[i] ?? '', flat[i + 1] ?? '']
}

async function within<T>(ms: number, promise: Promise<T>): Promise<T> {
  let timeout: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timeout = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timeout))
}
