import type { User } from './api.ts'
import { ApiError, isTemporary } from './api-error.ts'
import type { ChangePage, ChangeRecord, Place } from './change-page.ts'
import type { CheckedOptions } from './options.ts'
import { queryOf } from './query.ts'
import { send } from './transport.ts'
import { type Backoff, sleep, waitAfter } from './wait.ts'

/** Options of `changes`. */
export interface ChangesOptions {
  /**
   * Where to continue: the last event that you have applied and stored, or its `epoch` and `seq`. With `'now'` it
   * begins with an event without changes that says the present place. Without `since` it begins with the full state.
   */
  readonly since?: Place | 'now' | undefined
  /** Ends the iterator. */
  readonly signal?: AbortSignal | undefined
  /** How many changes or users one request asks for, from 1 to 1,000. Default: 1,000. */
  readonly limit?: number | undefined
  /** Called when a request has failed and is sent again, such as for a log. */
  readonly onRetry?: ((error: ApiError, waitMs: number) => void) | undefined
}

/**
 * What happened, as one piece: apply all of it, then store its `epoch` and `seq`, if possible in the same transaction.
 * After a restart, give them as `since`. An event may come twice if you have not stored its place.
 */
export type ChangesEvent = SomeChanges | FullState

/** Changes, in order. A record is unique by `epoch`, `seq` and `userId`. */
export interface SomeChanges extends Place {
  readonly type: 'changes'
  readonly changes: readonly ChangeRecord[]
}

/**
 * All users who are not offline: replace your copy. A user who is not in it is offline. It comes at first, and when the
 * changes after `since` are not known any more: they were too long ago (`RECENT_CHANGES`), or belong to another epoch.
 *
 * The first changes after it may be older than what it says of a user. What the last of them says is right.
 */
export interface FullState extends Place {
  readonly type: 'state'
  readonly users: readonly User[]
}

/** No epoch has this name, so the server answers with the full state. */
const BEFORE_ALL: Place = { epoch: '-', seq: 0 }

/** How long one request waits for a change, in ms. Many proxies end a request after 30 s or 60 s. */
const WAIT_MS = 25_000

const LIMIT = 1_000

const BACKOFF: Backoff = { firstMs: 500, maxMs: 30_000 }

/** The longest time for which the server can ask to wait, in ms. */
const MAX_RETRY_AFTER_MS = 60_000

/** Reads the log of changes. */
export async function* readChanges(
  to: CheckedOptions,
  { since = BEFORE_ALL, signal, limit = LIMIT, onRetry }: ChangesOptions = {},
): AsyncGenerator<ChangesEvent, void, undefined> {
  let place = since === 'now' ? undefined : since
  /** The full state, while its pages come. */
  let state:
    | { readonly place: Place; readonly users: User[]; readonly cursor: string | undefined }
    | undefined
  let failures = 0
  while (!signal?.aborted) {
    let page: ChangePage
    try {
      const cursor = state?.cursor
      page = await readPage(to, { ...from(place, cursor), limit }, signal)
      failures = 0
    } catch (error) {
      if (signal?.aborted) return
      // A cursor is only valid for a while. The full state then begins again.
      const isCursor = state !== undefined && error instanceof ApiError && error.status === 400
      if (!isCursor && !isTemporary(error)) throw error
      if (isCursor) state = undefined
      failures++
      const waitMs = waitAfter(failures, BACKOFF, Math.min(error.retryAfterMs ?? 0, MAX_RETRY_AFTER_MS))
      onRetry?.(error, waitMs)
      await sleep(waitMs, signal).catch(() => {})
      continue
    }
    const { epoch, seq } = page
    if (page.recovered) {
      const isNews = place === undefined || page.changes.length > 0
      state = undefined
      place = { epoch, seq }
      if (isNews) yield { type: 'changes', changes: page.changes, epoch, seq }
      continue
    }
    // Another place: the server has begun the full state again.
    const isSame = state?.place.epoch === epoch && state.place.seq === seq
    const users = isSame && state ? state.users : []
    for (const user of page.users) users.push(user)
    state = { place: { epoch, seq }, users, cursor: page.cursor }
    if (!page.last) continue
    state = undefined
    place = { epoch, seq }
    yield { type: 'state', users, epoch, seq }
  }
}

/** What a request continues. Without a place it asks for the present one, and must not wait for a change. */
function from(place: Place | undefined, cursor: string | undefined) {
  if (cursor !== undefined) return { cursor }
  return place ? { since: `${place.epoch}:${place.seq}`, waitMs: WAIT_MS } : {}
}

async function readPage(
  to: CheckedOptions,
  query: { readonly waitMs?: number; readonly limit: number },
  signal: AbortSignal | undefined,
): Promise<ChangePage> {
  const request = { method: 'GET', path: `/api/v1/changes${queryOf(query)}`, isRead: true }
  const timeoutMs = to.timeoutMs + (query.waitMs ?? 0)
  const { body, status } = await send({ ...to, retries: 0 }, request, { signal, timeoutMs })
  if (isPage(body)) return body
  throw new ApiError('bad_answer', 'the answer is not a page of changes: look at "url"', { status })
}

/** Whether a page has what the iterator relies on. */
function isPage(body: unknown): body is ChangePage {
  if (typeof body !== 'object' || body === null) return false
  const { epoch, seq, recovered, changes, users, last, cursor } = body as Record<string, unknown>
  const isState = recovered === false && Array.isArray(users) && (last === true || typeof cursor === 'string')
  return (
    typeof epoch === 'string' &&
    Number.isSafeInteger(seq) &&
    Array.isArray(changes) &&
    (recovered === true || isState)
  )
}
