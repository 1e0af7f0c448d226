import type { Place } from '../changes/feed.ts'
import { type ChangePage, placeIn, type StatePlace, textOf } from '../changes/page.ts'
import { placeAfter } from '../changes/reader.ts'
import { BATCH_LIMIT } from './delivery.ts'

/** What is stored of an endpoint: what it was told, and the batch that it may have been sent. */
export interface StoredPlace {
  readonly since: Place
  readonly batch?: { readonly id: string; readonly seq: number } | undefined
}

/** What is sent in one request, with the same id and content in each attempt. */
export interface Batch {
  readonly id: string
  readonly body: Buffer
  /** What the endpoint was told when it has taken the batch. */
  readonly end: Place | StatePlace
  /** Whether more could be read when the batch was made. */
  readonly isMore: boolean
  /** What must be stored before the batch is sent; `undefined` if nothing. */
  readonly stored: StoredPlace | undefined
}

/**
 * Makes a batch of a page; `undefined` if there is nothing to tell.
 *
 * @param stored what was stored before a restart, if nothing was sent since then. If the page has the changes of its
 * batch, that batch is repeated: with its id, and without the changes after it
 */
export function batchOf(
  page: ChangePage,
  newId: () => string,
  stored?: StoredPlace | undefined,
): Batch | undefined {
  const again = stored?.batch && cutAt(page, stored.batch.seq)
  if (again && stored.batch) return batchWith(stored.batch.id, again, true)
  if (page.recovered && page.changes.length === 0) return undefined
  // After the full state follow the changes that came meanwhile.
  return batchWith(newId(), page, !page.recovered || page.changes.length >= BATCH_LIMIT)
}

function batchWith(id: string, page: ChangePage, isMore: boolean): Batch {
  const { epoch, prevSeq, seq } = page
  return {
    id,
    body: Buffer.from(JSON.stringify(page)),
    end: placeAfter(page),
    isMore,
    // A full state begins again after a restart: its pages can't be repeated as they were.
    stored: prevSeq === null ? undefined : { since: { epoch, seq: prevSeq }, batch: { id, seq } },
  }
}

/** A page up to a number; `undefined` if it does not go so far. */
function cutAt(page: ChangePage, seq: number): ChangePage | undefined {
  if (!page.recovered || page.seq < seq) return undefined
  const changes = page.changes.filter(change => change.seq <= seq)
  return changes.length === 0 ? undefined : { ...page, seq, changes }
}

/** A stored place as the text of its file. */
export function encodePlace({ since, batch }: StoredPlace): string {
  return `${JSON.stringify({ since: textOf(since), batch })}\n`
}

/** The stored place in the text of a file; `undefined` if it is damaged. */
export function decodePlace(text: string): StoredPlace | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null) return undefined
  const { since, batch }: { since?: unknown; batch?: unknown } = value
  const place = typeof since === 'string' ? placeIn(since) : undefined
  if (!place) return undefined
  if (typeof batch !== 'object' || batch === null) return { since: place }
  const { id, seq }: { id?: unknown; seq?: unknown } = batch
  const isBatch = typeof id === 'string' && /^[\w-]{1,64}$/.test(id) && Number.isSafeInteger(seq)
  return { since: place, ...(isBatch && { batch: { id, seq: seq as number } }) }
}
