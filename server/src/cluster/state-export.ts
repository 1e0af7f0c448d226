import type { PresenceRecord } from '../presence/record.ts'
import type { NodeId, Place } from './entry.ts'
import { Fold, SILENCE_MS } from './fold.ts'
import { isBefore } from './place.ts'
import type { RedisConnection } from './redis.ts'
import { userOf } from './registers.ts'
import { recordOf } from './state-registers.ts'

/** The users of a cluster, as a single node stores them. */
export interface Exported {
  readonly records: readonly PresenceRecord[]
  /** How many of them have a session. */
  readonly present: number
  /** The time of Redis, in ms since the epoch. */
  readonly time: number
}

type Connection = Pick<RedisConnection, 'load' | 'read' | 'time'>

const READ_COUNT = 200

/**
 * Reads all users of a cluster. It writes nothing, and nodes may run.
 *
 * @throws Error if Redis fails
 */
export async function exportRecords(connection: Connection): Promise<Exported> {
  const time = await connection.time()
  const loaded = await connection.load()
  const fold = new Fold()
  fold.load(loaded, time)
  const wroteAt = await lastWrites(connection, loaded.end)
  const aliveAt = (node: NodeId) => (wroteAt.get(node) ?? 0) - SILENCE_MS
  const userIds = new Set<string>()
  for (const [key] of fold.registers()) userIds.add(userOf(key))
  for (const node of fold.members()) for (const userId of fold.facts(node).keys()) userIds.add(userId)
  const records: PresenceRecord[] = []
  let present = 0
  for (const userId of userIds) {
    const record = recordOf(userId, { fold, aliveAt, now: time })
    if (!record) continue
    records.push(record)
    if (record.session !== 'none') present++
  }
  return { records, present, time }
}

/** When each node has written its last entry that the log still has, in ms since the epoch. */
async function lastWrites(connection: Connection, end: Place | undefined): Promise<Map<NodeId, number>> {
  const wroteAt = new Map<NodeId, number>()
  let place: Place = { epoch: 0, seq: 0 }
  while (end && isBefore(place, end)) {
    const entries = await connection.read(place, READ_COUNT)
    for (const { node, body } of entries) wroteAt.set(node, body.at)
    const last = entries.at(-1)
    // The entry at the end may be trimmed.
    if (!last) break
    place = last.place
  }
  return wroteAt
}
