import { readdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { connectRedis, type RedisConnection } from './cluster/redis.ts'
import { checkRedis, explainRedisError } from './cluster/redis-check.ts'
import { parseRedisUrl } from './cluster/redis-url.ts'
import { exportRecords } from './cluster/state-export.ts'
import { importRecords } from './cluster/state-import.ts'
import type { Settings } from './settings.ts'
import { isState } from './storage/files.ts'
import { type Store, StoreDamaged, StoreLocked, StoreUnusable } from './storage/store.ts'

// The commands `cluster-import` and `cluster-export`: a state file becomes the users of a cluster, and back.

/** What the command prints. */
export interface StateCommandResult {
  readonly text: string
  /** `locked`: another process uses the data directory. `config`: wrong settings or state. */
  readonly end: 'ok' | 'failed' | 'usage' | 'locked' | 'config'
}

export interface StateCommandPorts {
  /** The store in DATA_DIR, which was not loaded. */
  readonly store: Store
  readonly version: string
}

export const STATE_USAGE = `who-is-online cluster-import [--data-dir DIR]
  writes the users of the state in DATA_DIR into the Redis of REDIS_URL; newer values there stay
who-is-online cluster-export [--data-dir DIR]
  writes the users in the Redis of REDIS_URL as a new state into DATA_DIR`

export type StateCommand = 'cluster-import' | 'cluster-export'

export function isStateCommand(text: string | undefined): text is StateCommand {
  return text === 'cluster-import' || text === 'cluster-export'
}

/**
 * Reads the arguments after the name of the command.
 *
 * @throws Error that names what is wrong
 */
export function readStateFlags(args: readonly string[]): { readonly 'data-dir'?: string } {
  const { values } = parseArgs({ args: [...args], options: { 'data-dir': { type: 'string' } } })
  if (values['data-dir']?.trim() === '') throw new Error('--data-dir needs a value')
  return values
}

/** Runs one of the commands. */
export async function runStateCommand(
  command: StateCommand,
  { REDIS_URL: url, REDIS_PREFIX: prefix, DATA_DIR }: Settings,
  ports: StateCommandPorts,
): Promise<StateCommandResult> {
  if (url === undefined)
    return { end: 'config', text: '"REDIS_URL" must be set: it names the Redis of the cluster' }
  const dataDir = resolve(DATA_DIR)
  const hasState = await hasStateIn(dataDir)
  if (command === 'cluster-import' && !hasState) {
    return {
      end: 'config',
      text: `there is no state in ${dataDir}: "DATA_DIR" must name the directory of user_state.json`,
    }
  }
  if (command === 'cluster-export' && hasState) {
    return {
      end: 'config',
      text: `there is a state in ${dataDir}: an export does not replace it. Name an empty directory, or move the files away`,
    }
  }
  let connection: RedisConnection
  try {
    connection = await connectRedis(url, prefix)
  } catch (error) {
    return { end: 'failed', text: explainRedisError(error, parseRedisUrl(url).tls) }
  }
  try {
    const problem = await checkRedis(connection)
    if (problem !== undefined) return { end: 'config', text: problem }
    const run = command === 'cluster-import' ? runImport : runExport
    return { end: 'ok', text: await run(connection, dataDir, ports) }
  } catch (error) {
    if (error instanceof StoreLocked) return { end: 'locked', text: error.message }
    if (error instanceof StoreDamaged || error instanceof StoreUnusable || error instanceof NoUsers)
      return { end: 'config', text: error.message }
    return { end: 'failed', text: explainRedisError(error) }
  } finally {
    await connection.close()
  }
}

/** There is nothing to export. */
class NoUsers extends Error {
  override readonly name = 'NoUsers'
}

async function runImport(
  connection: RedisConnection,
  dataDir: string,
  { store, version }: StateCommandPorts,
): Promise<string> {
  // The lock is held until all is written, so that no server changes the state meanwhile.
  const records = await store.load()
  try {
    const { users, written, known } = await importRecords(connection, records, version)
    return (
      `imported ${counted(users, 'user')} from ${dataDir}: ${counted(written, 'value')} written, ` +
      `${known} already known or older than those in Redis`
    )
  } finally {
    await store.close()
  }
}

async function runExport(
  connection: RedisConnection,
  dataDir: string,
  { store }: StateCommandPorts,
): Promise<string> {
  const { records, present, time } = await exportRecords(connection)
  if (records.length === 0)
    throw new NoUsers('there are no users in Redis: check "REDIS_URL" and "REDIS_PREFIX"')
  await store.load()
  try {
    await store.start(
      () => records,
      () => time,
    )
    await store.save()
  } finally {
    await store.close()
  }
  return `exported ${counted(records.length, 'user')} to ${dataDir}; ${present} of them had a session`
}

/** Whether a directory has files of a state. One that can't be read is reported by the store. */
async function hasStateIn(directory: string): Promise<boolean> {
  try {
    return (await readdir(directory)).some(isState)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ENOENT'
  }
}

function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? '' : 's'}`
}
