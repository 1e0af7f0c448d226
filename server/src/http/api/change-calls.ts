import { PAGE_LIMIT } from '@who-is-online/protocol/api'
import { placeIn, statePlaceIn } from '../../changes/page.ts'
import { type ChangeReader, NotDurable } from '../../changes/reader.ts'
import { Pool } from '../../pool.ts'
import type { Refusals } from '../../refusals.ts'
import type { CallContext, CallHandlers } from './call.ts'
import { ApiFailure } from './failure.ts'

/**
 * How many streams may be open, and requests for changes wait, at once. One key gets at most three quarters of them;
 * see `Pool`.
 */
const MAX_READERS = 1_000

/** After how many seconds a reader that was refused may try again. */
const RETRY_S = 5

/**
 * How long the page of a full state may wait for the disk, in ms. A disk that works takes less than a second. After
 * that the storage is late, and may be for hours.
 */
const DURABLE_MS = 5_000

/**
 * The calls that read the log of changes. Nothing is kept for a reader between two pages, and one whose connection ends
 * is forgotten.
 */
export function changeCalls(
  changes: ChangeReader,
  refusals: Pick<Refusals, 'count'>,
  maxReaders = MAX_READERS,
): Pick<CallHandlers, 'getChanges' | 'streamChanges'> {
  const readers = new Pool('API_READERS', maxReaders)

  /** Counts a reader until its connection ends or it has its answer. */
  function enter({ caller, gone }: Pick<CallContext, 'caller' | 'gone'>): void {
    const holder = { userId: caller.name, address: undefined }
    const refusal = readers.refusalOf(1, holder)
    if (refusal) {
      refusals.count(refusal.limit)
      const of = refusal.of === 'all clients' ? 'of all keys' : `of the key ${JSON.stringify(caller.name)}`
      throw new ApiFailure('too_fast', `too many streams and waiting requests ${of}`, {
        retryAfterS: RETRY_S,
      })
    }
    if (gone.aborted) return
    readers.take(1, holder)
    gone.addEventListener('abort', () => readers.giveBack(1, holder), { once: true })
  }

  return {
    async getChanges({ since, cursor, waitMs, limit = PAGE_LIMIT }, { caller, gone }) {
      const from = cursor === undefined ? since && placeIn(since) : statePlaceIn(cursor)
      if (cursor !== undefined && !from) {
        throw new ApiFailure('bad_cursor', 'unknown "cursor": start again with "since"', { field: 'cursor' })
      }
      enter({ caller, gone })
      const page = await changes
        .read({ since: from || undefined, limit, waitMs, signal: gone, durableWithinMs: DURABLE_MS })
        .catch((error: unknown) => {
          if (!(error instanceof NotDurable)) throw error
          const text =
            'the server can not store its state now, and a crash could undo the full state: try again'
          throw new ApiFailure('unavailable', text, { retryAfterS: RETRY_S })
        })
      // Then the page may say what a crash can undo.
      if (changes.isClosed) {
        throw new ApiFailure('unavailable', 'the server stops: continue from the same place', {
          retryAfterS: RETRY_S,
        })
      }
      return { status: 200, json: JSON.stringify(page) }
    },

    streamChanges({ since, limit = PAGE_LIMIT }, { caller, gone, lastEventId }) {
      // A browser that reconnects repeats the URL, so the header is newer.
      const text = lastEventId || since
      const from = text === undefined ? undefined : placeIn(text)
      if (text !== undefined && !from) {
        throw new ApiFailure('bad_request', '"Last-Event-ID" must be the id of an event', {
          field: 'Last-Event-ID',
        })
      }
      enter({ caller, gone })
      return { status: 200, pages: changes.pages({ since: from, limit, signal: gone }) }
    },
  }
}
