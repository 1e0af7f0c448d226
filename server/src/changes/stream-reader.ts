import { type ChangeStream, decodeChanges, type StreamEntry } from './change-stream.ts'
import type { ChangeFeed, NumberedChange, Place } from './feed.ts'
import { type ChangePage, NOWHERE } from './page.ts'
import type { ChangeReader, PageRequest } from './reader.ts'
import { recordOf } from './record.ts'

/**
 * Reads pages of the changes that the nodes of a cluster share. Each node gives the same page for the same place, down
 * to the last field: what a node has in its memory can differ in `previousSince` and `lastSeen`.
 *
 * The stream is up to half a second behind the feed. A page of the full state comes from the memory of the node.
 */
export class StreamReader implements Pick<ChangeReader, 'read' | 'isClosed' | 'place'> {
  readonly #stream: ChangeStream
  readonly #feed: Pick<ChangeFeed, 'epoch'>
  readonly #states: Pick<ChangeReader, 'read' | 'isClosed' | 'place'>

  /** @param states gives the pages of a full state */
  constructor(
    stream: ChangeStream,
    feed: Pick<ChangeFeed, 'epoch'>,
    states: Pick<ChangeReader, 'read' | 'isClosed' | 'place'>,
  ) {
    this.#stream = stream
    this.#feed = feed
    this.#states = states
  }

  get place(): Place {
    return this.#states.place
  }

  get isClosed(): boolean {
    return this.#states.isClosed
  }

  /** The next page, at once. @throws Error when the stream can't be read */
  async read({ since = this.place, ...request }: PageRequest): Promise<ChangePage> {
    if ('next' in since) return this.#states.read({ since, ...request })
    const page = since.epoch === this.#feed.epoch ? await this.#changesAfter(since, request.limit) : undefined
    return page ?? this.#states.read({ since: NOWHERE, ...request })
  }

  /** The changes after a place; `undefined` if the stream has not all of them. */
  async #changesAfter(since: Place, limit: number): Promise<ChangePage | undefined> {
    // Before the entries: so all entries up to there are read.
    const end = await this.#stream.end()
    const entries = await this.#stream.read(since, limit)
    const changes: NumberedChange[] = []
    let last = since.seq
    for (const [index, entry] of entries.entries()) {
      const changed = continues(entry, since, entries[index - 1]) ? decodeChanges(entry) : undefined
      if (!changed) return undefined
      if (changes.length >= limit) break
      for (const change of changed) changes.push(change)
      last = entry.seq
    }
    const isAll = changes.length < limit && entries.length < limit
    const seq = isAll && end?.epoch === since.epoch ? Math.max(last, end.seq) : last
    const records = changes.map(change => recordOf(change, since.epoch))
    return { epoch: since.epoch, prevSeq: since.seq, seq, recovered: true, changes: records }
  }
}

function continues({ after }: StreamEntry, since: Place, before: StreamEntry | undefined): boolean {
  return before ? after === before.seq : after <= since.seq
}
