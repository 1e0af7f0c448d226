import { randomBytes } from 'node:crypto'
import type { PresenceRecord } from '../presence/record.ts'
import type { AppendReply, EntryBody, EntryKind, FactItem, Loaded, RegisterItem } from './entry.ts'
import { factOfStored } from './leases.ts'
import type { RedisConnection } from './redis.ts'
import { registersOf } from './state-registers.ts'

/** What an import has done. */
export interface Imported {
  /** The users of the state file. */
  readonly users: number
  /** The names, times and choices that were written. */
  readonly written: number
  /** Those that Redis had already, or newer ones. */
  readonly known: number
}

type Connection = Pick<RedisConnection, 'append' | 'load' | 'info' | 'time'>

/** One entry has at most this many values, and about this many bytes. */
const MAX_VALUES = 500
const MAX_BYTES = 65_536

/** How often an import begins again because the nodes have begun an epoch meanwhile. */
const TRIES = 3

/**
 * Writes stored users into the Redis of a cluster, as a member that joins, says what it knows, and leaves at once. So
 * running nodes read it in the log. Newer values of a running cluster stay, and an import may be repeated.
 *
 * @throws Error if Redis fails, or if nodes begin epochs all the time. Then a part may be written
 */
export async function importRecords(
  connection: Connection,
  records: Iterable<PresenceRecord>,
  version: string,
): Promise<Imported> {
  const users = [...records]
  for (let tries = 0; tries < TRIES; tries++) {
    const { registers, facts } = await connection.load()
    let known = 0
    const newer: RegisterItem[] = []
    for (const record of users) {
      for (const item of registersOf(record)) {
        const [key, value] = item
        if (value > (registers.get(key) ?? '')) newer.push(item)
        else known++
      }
    }
    const leased = leasedFacts(users, facts, await connection.time())
    const hasNews = newer.length + leased.length > 0
    const isWritten = !hasNews || (await new Importer(connection, version).write(newer, leased))
    if (isWritten) return { users: users.length, written: newer.length, known }
  }
  throw new Error('the nodes begin new epochs all the time: repeat the import when they run undisturbed')
}

/** A member that only writes registers. */
class Importer {
  readonly #connection: Connection
  readonly #version: string
  readonly #node = randomBytes(9).toString('base64url')
  #batch = 0
  #epoch: number | undefined

  constructor(connection: Connection, version: string) {
    this.#connection = connection
    this.#version = version
  }

  /** Returns whether all is written. If not, the nodes have begun an epoch meanwhile. */
  async write(items: readonly RegisterItem[], leased: readonly FactItem[]): Promise<boolean> {
    const at = await this.#connection.time()
    if (!(await this.#begin(at))) return false
    // A member whose age is not known counts as the oldest, and would have tasks.
    // It has no clients, so the other nodes need not tell their operators that it is lost.
    const about = { name: 'import', version: this.#version, left: at }
    if (!(await this.#append('join', { at, about, since: at }))) return false
    for (const registers of slicesOf(items)) if (!(await this.#append('say', { at, registers }))) return false
    for (let from = 0; from < leased.length; from += MAX_VALUES) {
      const facts = leased.slice(from, from + MAX_VALUES)
      // Nodes that run take the leased sessions over.
      if (!(await this.#append('say', { at, facts, hands: from + MAX_VALUES >= leased.length }))) return false
    }
    // Without `left`, the nodes would log and count a node that has died.
    if (!(await this.#append('left', { at, about: { ...about, left: at } }))) return false
    // The facts stay until a node has taken them over.
    return leased.length > 0 || this.#append('lost', { at, subject: this.#node })
  }

  /** Learns the epoch. An empty Redis has none, so one begins. */
  async #begin(at: number): Promise<boolean> {
    const { epoch, end } = await this.#connection.load()
    this.#epoch = epoch
    if (epoch !== undefined) return true
    const newEpoch = Math.max(at, (end?.epoch ?? 0) + 1, (end?.seq ?? 0) + 1)
    const { server } = await this.#connection.info()
    const isBegun = await this.#append('epoch', { at, again: true, since: at }, { newEpoch, server })
    this.#epoch = newEpoch
    return isBegun
  }

  async #append(
    kind: EntryKind,
    body: Partial<EntryBody> & Pick<EntryBody, 'at'>,
    more: { readonly newEpoch?: number; readonly server?: string } = {},
  ): Promise<boolean> {
    const batch = ++this.#batch
    const reply: AppendReply = await this.#connection.append({
      epoch: this.#epoch,
      node: this.#node,
      batch,
      kind,
      body: { format: 1, facts: [], registers: [], ...body },
      // With `lost`: this member has not been judged by others, and has itself read all that it wrote.
      ...(kind === 'lost' && { knownBatch: batch }),
      ...more,
    })
    return reply.reply === 'appended'
  }
}

/** The leased sessions that no node has. Their users show what they have chosen when a node takes them over. */
function leasedFacts(users: readonly PresenceRecord[], known: Loaded['facts'], now: number): FactItem[] {
  return users.flatMap((record): FactItem[] => {
    const { userId, status, text, expiresAt } = record
    const own = [...known.values()].flatMap(facts => facts.get(userId) ?? [])
    const fact = factOfStored(record, now, id => own.some(({ s }) => Object.hasOwn(s, id)))
    if (!fact) return []
    const isPlain = status === 'online' && text === undefined && expiresAt === undefined
    return [[userId, isPlain ? fact : { ...fact, p: 0 }, 'opened']]
  })
}

function* slicesOf(items: readonly RegisterItem[]): Generator<readonly RegisterItem[]> {
  let slice: RegisterItem[] = []
  let bytes = 0
  for (const item of items) {
    slice.push(item)
    bytes += item[0].length + item[1].length + 8
    if (slice.length < MAX_VALUES && bytes < MAX_BYTES) continue
    yield slice
    slice = []
    bytes = 0
  }
  if (slice.length > 0) yield slice
}
