import { PAGE_LIMIT } from '@who-is-online/protocol/api'
import { placeIn, statePlaceIn } from '../../changes/page.ts'
import type { ChangeReader } from '../../changes/reader.ts'
import type { CallHandlers } from './call.ts'
import { ApiFailure } from './failure.ts'

/** How many requests may wait for changes at once, with both calls together. */
const MAX_READERS = 1_000

/** After how many seconds a reader that was refused may try again. */
const RETRY_S = 5

/**
 * The calls that read the log of changes. Nothing is kept for a reader between two pages, and one whose connection ends
 * is forgotten.
 */
export function changeCalls(
  changes: ChangeReader,
  maxReaders = MAX_READERS,
): Pick<CallHandlers, 'getChanges' | 'streamChanges'> {
  function checkRoom(): void {
    if (changes.waiting < maxReaders) return
    throw new ApiFailure('too_fast', 'too many requests wait for changes', { retryAfterS: RETRY_S })
  }

  return {
    async getChanges({ since, cursor, waitMs, limit = PAGE_LIMIT }, { gone }) {
      const from = cursor === undefined ? since && placeIn(since) : statePlaceIn(cursor)
      if (cursor !== undefined && !from) {
        throw new ApiFailure('bad_cursor', 'unknown "cursor": start again with "since"', { field: 'cursor' })
      }
      checkRoom()
      const page = await changes.read({ since: from || undefined, limit, waitMs, signal: gone })
      // Then the page may say what a crash can undo.
      if (changes.isClosed) {
        throw new ApiFailure('unavailable', 'the server stops: continue from the same place', {
          retryAfterS: RETRY_S,
        })
      }
      return { status: 200, json: JSON.stringify(page) }
    },

    streamChanges({ since, limit = PAGE_LIMIT }, { gone, lastEventId }) {
      // A browser that reconnects repeats the URL, so the header is newer.
      const text = lastEventId || since
      const from = text === undefined ? undefined : placeIn(text)
      if (text !== undefined && !from) {
        throw new ApiFailure('bad_request', '"Last-Event-ID" must be the id of an event', {
          field: 'Last-Event-ID',
        })
      }
      checkRoom()
      return { status: 200, pages: changes.pages({ since: from, limit, signal: gone }) }
    },
  }
}
