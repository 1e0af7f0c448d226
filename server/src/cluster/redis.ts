import { createHash } from 'node:crypto'
import {
  appendCommand,
  isRegister,
  placeText,
  readAbout,
  readEntry,
  readFact,
  readNumber,
  readPlace,
  readReply,
  redisKeys,
} from './append.ts'
import { APPEND_SCRIPT } from './append-script.ts'
import type { Audit, ServerInfo } from './command.ts'
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
import { usableEnd } from './place.ts'
import {
  ANSWER_MS,
  BLOCK_MS,
  type Client,
  CONNECT_MS,
  closeClient,
  createClient,
  isRefusal,
  openClient,
  within,
} from './redis-client.ts'
import { parseRedisUrl } from './redis-url.ts'

/** How many rows of a hash are read at once. */
const SCAN_ROWS = 1_000

const PROBE_SCRIPT =
  "redis.call('HSET', KEYS[1], 'a', 1) redis.call('HDEL', KEYS[1], 'a') redis.call('UNLINK', KEYS[1]) " +
  "redis.call('XADD', KEYS[1], '1-1', 'a', 1) redis.call('XSETID', KEYS[1], '1-2') redis.call('UNLINK', KEYS[1])"

/** What Redis calls each script. */
const scriptIds = new Map<string, string>()

/** What a node needs to know about a Redis before it uses it. */
export interface RedisInfo extends ServerInfo {
  /** The version of Redis; with Valkey, the version of Redis that it is compatible with. */
  readonly version: string
  /** With another policy than `noeviction` Redis may delete what the cluster needs. */
  readonly maxmemoryPolicy: string
  /** A replica takes no writes, and may lack what its master has. */
  readonly isReplica: boolean
}

/**
 * A connection to the Redis of a cluster. It carries commands and decides nothing. Each method rejects in bounded time.
 * Nothing is queued, repeated or reconnected. Once the connection has failed, all methods reject: close it and connect
 * again. A command that rejects may have been executed, unless the error is a `ReplyError`: then Redis has refused it.
 */
export interface RedisConnection {
  append(request: AppendRequest): Promise<AppendReply>
  /** At most `count` entries after a place. Waits up to a second for the first one. One read at a time. */
  read(after: Place, count: number): Promise<readonly Entry[]>
  /** Everything that Redis holds. Takes a second for about 250,000 rows. */
  load(): Promise<Loaded>
  /** The time of Redis, in ms since the epoch. */
  time(): Promise<number>
  /** The members, and how many facts of a node Redis holds now: appends that are sent later do not count. */
  audit(node: NodeId): Promise<Audit>
  info(): Promise<RedisInfo>
  /**
   * Tries the writes of `append.lua` on a key of its own. A permission that is missing there would let the script fail
   * after its first write.
   */
  probe(): Promise<void>
  /** Runs a script with one key, whose name follows the prefix. */
  run(script: string, key: string, args: readonly string[]): Promise<unknown>
  /** Resolves when one of the two connections has closed. */
  readonly closed: Promise<void>
  /** How many entries, registers and rows were ignored, because no node of this version has written them. */
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
  const closed = Promise.race(
    clients.map(client => new Promise<void>(resolve => client.once('end', resolve))),
  )
  let closing: Promise<unknown> | undefined
  const close = async (): Promise<void> => {
    closing ??= Promise.all(clients.map(closeClient))
    await closing
  }
  try {
    await within(CONNECT_MS, Promise.all(clients.map(client => openClient(client, address.db))))
  } catch (error) {
    await close()
    const cause = reason ?? error
    throw new Error(isRefusal(cause) ? 'Redis refuses to connect' : 'Redis is not reachable', { cause })
  }
  return carry(commands, reads, prefix, { closed, close })
}

function carry(
  commands: Client,
  reads: Client,
  prefix: string,
  { closed, close }: Pick<RedisConnection, 'closed' | 'close'>,
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

  function execute(script: string, names: readonly string[], args: readonly string[]): Promise<unknown> {
    const all = [...names, ...args]
    return commands.evalsha(scriptId(script), names.length, ...all).catch((error: Error) => {
      // Redis forgets scripts when it starts, and has then executed nothing.
      if (!error.message.startsWith('NOSCRIPT')) throw error
      return commands.eval(script, names.length, ...all)
    })
  }

  /** The last batch of each member. */
  async function members(): Promise<Map<NodeId, number>> {
    const nodes = new Map<NodeId, number>()
    for await (const [field, value] of rows(keys.nodes)) {
      const batch = isMember(field) ? readNumber(value) : undefined
      if (batch !== undefined) nodes.set(field, batch)
    }
    return nodes
  }

  async function endOfLog(): Promise<Place | undefined> {
    // The log may be trimmed until it is empty, and still knows its last id.
    const fields = new Map(pairs((await commands.xinfo('STREAM', keys.log).catch(orNoKey)) as string[]))
    const end = readPlace(fields.get('last-generated-id') ?? '0-0')
    return end.epoch === 0 ? undefined : usableEnd(end)
  }

  return {
    async append(request) {
      const { keys: names, args } = appendCommand(keys, request)
      return readReply(await execute(APPEND_SCRIPT, names, args))
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
      const entries = (answer?.[0]?.[1] ?? []).map(([id, fields]) => readEntry(id, fields))
      for (const { kind, body } of entries) {
        if (kind === 'unknown') ignored++
        for (const [key, value] of body.registers) if (!isRegister(key, value)) ignored++
      }
      return entries
    },
    async load() {
      // First of all: whatever is read later is at least as new.
      const end = await endOfLog()
      let epoch: number | undefined
      let server: string | undefined
      const nodes = new Map<NodeId, number>()
      const abouts = new Map<NodeId, NodeAbout>()
      for await (const [field, value] of rows(keys.nodes)) {
        const number = readNumber(value)
        const about = field.endsWith('.about') ? readAbout(value) : undefined
        if (field === 'server') server = value
        else if (field === 'epoch') epoch = known(number) ? number : undefined
        else if (!isMember(field)) {
          if (known(about)) abouts.set(field.slice(0, -'.about'.length), about)
        } else if (known(number)) nodes.set(field, number)
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
      for await (const [key, value] of rows(keys.users)) {
        if (isRegister(key, value)) registers.set(key, value)
        else ignored++
      }
      return { end, epoch, server, nodes, abouts, facts, registers }
    },
    async time() {
      const [seconds, microseconds] = (await ask('TIME')) as [string, string]
      return Number(seconds) * 1_000 + Math.floor(Number(microseconds) / 1_000)
    },
    async audit(node) {
      // Sent at once, so before any append that is asked later.
      const ownFacts = commands.hlen(keys.here(node))
      const [, nodes] = await Promise.all([ownFacts, members()])
      return { nodes, ownFacts: await ownFacts }
    },
    async info() {
      // One after the other: until the first answer, the client of a Redis Cluster refuses a second command.
      const text = await ask('INFO')
      const end = await endOfLog()
      const lines = `${text}`.split('\r\n').map(line => line.split(':', 2) as [string, string])
      const fields = new Map(lines)
      return {
        // The run id is another one after each start, and the replication id is another one after a failover.
        server: `${fields.get('run_id')} ${fields.get('master_replid')}`,
        end,
        version: fields.get('redis_version') ?? '',
        maxmemoryPolicy: fields.get('maxmemory_policy') ?? '',
        isReplica: fields.get('role') === 'slave',
      }
    },
    async probe() {
      await commands.eval(PROBE_SCRIPT, 1, keys.probe)
    },
    run: (script, key, args) => execute(script, [keys.other(key)], args),
    closed,
    get ignored() {
      return ignored
    },
    close,
  }
}

function scriptId(script: string): string {
  const id = scriptIds.get(script) ?? createHash('sha1').update(script).digest('hex')
  scriptIds.set(script, id)
  return id
}

/** Whether a row of the nodes is the last batch of a member. */
function isMember(field: string): boolean {
  return field !== 'epoch' && field !== 'server' && !field.includes('.')
}

function orNoKey(error: Error): string[] {
  if (error.message.includes('no such key')) return []
  throw error
}

/** A flat list of names and values as pairs. */
function* pairs(flat: readonly string[]): Generator<readonly [string, string]> {
  for (let i = 0; i + 1 < flat.length; i += 2) yield [flat[i] ?? '', flat[i + 1] ?? '']
}
