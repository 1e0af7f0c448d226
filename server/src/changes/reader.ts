import type { Presence } from '../presence/presence.ts'
import { asUser } from '../user-json.ts'
import type { ChangeFeed, FeedListener, Place } from './feed.ts'
import { type ChangePage, type StatePlace, stateCursor, statePlaceIn } from './page.ts'
import { recordOf } from './record.ts'

/** What a page is to continue. */
export interface PageRequest {
  /**
   * What the reader was told already: a place in the log, or in a full state. Without it, it is told the present
   * place.
   */
  readonly since?: Place | StatePlace | undefined
  /** How many changes or users a page has. There may be more changes, because those with one number come together. */
  readonly limit: number
  /** How many users a page of a full state has. Default: `limit`. */
  readonly usersLimit?: number | undefined
  /** How long to wait for a change, in ms; without it, the page comes at once. */
  readonly waitMs?: number | undefined
  /** Ends the wait. */
  readonly signal?: AbortSignal | undefined
  /** How long a page of a full state may wait for the disk, in ms; without it, as long as the disk takes. */
  readonly durableWithinMs?: number | undefined
}

/** A page of a full state can't be told yet: the disk does not store what it says. */
export class NotDurable extends Error {
  override readonly name = 'NotDurable'
}

/** The part of the feed that is read. */
type ReadFeed = Pick<ChangeFeed, 'epoch' | 'syncedSeq' | 'seq' | 'recalls' | 'isAhead' | 'after' | 'listen'>

/** For how long changes are gathered before those who wait are told, in ms. */
const GATHER_MS = 10

/**
 * How long a page waits until this node has read up to a place that another node has told, in ms. A node is usually
 * less than 100 ms behind, and a place that no node has told must not hold a reader for long.
 */
const CATCH_UP_MS = 2_000
/** How often the node looks meanwhile, in ms: nobody is told of numbers without a change. */
const LOOK_MS = 25

/**
 * Reads the log of changes for backends, which get pages of it: any number of readers, and nothing is kept for one
 * between two pages. Changes that a crash can undo are not in a page.
 */
export class ChangeReader implements FeedListener {
  readonly #presence: Pick<Presence, 'page'>
  readonly #feed: ReadFeed
  /** Called when there may be more to read. */
  readonly #waiting = new Set<() => void>()
  #gathering: NodeJS.Timeout | undefined
  #isClosed = false

  constructor(presence: Pick<Presence, 'page'>, feed: ReadFeed) {
    this.#presence = presence
    this.#feed = feed
    feed.listen(this)
  }

  /** The place up to which a reader could have read. */
  get place(): Place {
    const { epoch, syncedSeq } = this.#feed
    return { epoch, seq: syncedSeq }
  }

  /** How many readers wait. */
  get waiting(): number {
    return this.#waiting.size
  }

  /** Whether nobody can wait any more. */
  get isClosed(): boolean {
    return this.#isClosed
  }

  /** Takes that more can be read, as a listener of the feed. */
  synced(): void {
    if (this.#waiting.size > 0) this.#gathering ??= setTimeout(() => this.#wakeAll(), GATHER_MS)
  }

  changed(): void {}

  /**
   * The next page. It comes at once, unless there is no change and `waitMs` is given. Without a change in that time,
   * it is empty. If another node has told the place and this one is behind, the page waits for that, within `waitMs`
   * or for 2 s if that is longer; then it is empty and keeps the place. A page of a full state comes when a crash
   * can't undo what it says. A page that came because the signal was aborted or the reader was closed must not be
   * used.
   *
   * @throws NotDurable after `durableWithinMs`
   */
  async read({ since = this.place, ...request }: PageRequest): Promise<ChangePage> {
    const { limit, waitMs = 0, signal } = request
    let leftMs = waitMs
    if (this.#feed.isAhead(since)) {
      leftMs -= await this.#catchUp(since, Math.max(waitMs, CATCH_UP_MS), signal)
      if (this.#feed.isAhead(since) && !('next' in since)) return emptyPage(since)
    }
    const page = this.#changesAfter(since, limit)
    if (!page) return this.#state(since, request)
    if (page.changes.length > 0 || leftMs <= 0) return page
    const isNews = () => this.#feed.epoch !== since.epoch || this.#feed.after(since.seq, 1)?.length !== 0
    await this.#wait(isNews, leftMs, signal)
    return this.#changesAfter(since, limit) ?? this.#state(since, request)
  }

  /**
   * All pages from a place on, as they come. Without `since`, the first one tells the present place. Ends when the
   * signal is aborted or the reader is closed.
   */
  async *pages({ since, limit, signal }: Omit<PageRequest, 'waitMs'>): AsyncGenerator<ChangePage, void> {
    let told = since
    while (!signal?.aborted && !this.#isClosed) {
      const waitMs = told && MAX_WAIT_MS
      const page = await this.read({ since: told, limit, waitMs, signal })
      // The wait may have ended for that reason. The page may say what a crash can undo.
      if (signal?.aborted || this.#isClosed) return
      const isNews = told === undefined || !page.recovered || page.changes.length > 0
      told = placeAfter(page)
      if (isNews) yield page
    }
  }

  /** Ends all waits: the server stops. */
  close(): void {
    this.#isClosed = true
    this.#wakeAll()
  }

  // Private

  /**
   * Waits until this node has read up to a place that another node has told, for `mostMs` at most. Returns for how
   * long, in ms.
   */
  async #catchUp(since: Place, mostMs: number, signal: AbortSignal | undefined): Promise<number> {
    const isRead = () => !this.#feed.isAhead(since)
    let waitedMs = 0
    while (!isRead() && waitedMs < mostMs && !signal?.aborted && !this.#isClosed) {
      await this.#wait(isRead, LOOK_MS, signal)
      waitedMs += LOOK_MS
    }
    return waitedMs
  }

  /** The changes after a place; `undefined` if the full state is needed. */
  #changesAfter(since: Place | StatePlace, limit: number): ChangePage | undefined {
    if ('next' in since || !this.#feed.recalls(since)) return undefined
    const changes = this.#feed.after(since.seq, limit)
    if (!changes) return undefined
    const { epoch, syncedSeq } = this.#feed
    const isAll = changes.length < limit
    const seq = Math.max(since.seq, isAll ? syncedSeq : (changes.at(-1)?.seq ?? 0))
    const records = changes.map(change => recordOf(change, epoch))
    return { epoch, prevSeq: since.seq, seq, recovered: true, changes: records }
  }

  /** A page of the full state. It begins at the present place, unless an earlier page has begun it. */
  async #state(
    since: Place | StatePlace,
    {
      limit,
      usersLimit = limit,
      signal,
      durableWithinMs = Number.POSITIVE_INFINITY,
    }: Omit<PageRequest, 'since'>,
  ): Promise<ChangePage> {
    const isBegun = 'next' in since && this.#feed.recalls(since)
    const { epoch, seq } = isBegun ? since : this.place
    const { users, next } = this.#presence.page(isBegun ? since.next : undefined, usersLimit, 'visible')
    const shown = users.map(asUser)
    const { seq: shownAt } = this.#feed
    const isDurable = () => this.#feed.syncedSeq >= shownAt
    await this.#wait(isDurable, durableWithinMs, signal)
    if (!isDurable() && !signal?.aborted && !this.#isClosed) throw new NotDurable()
    const common = { epoch, prevSeq: null, seq, recovered: false, changes: [], users: shown, last: !next }
    return next ? { ...common, cursor: stateCursor({ epoch, seq }, next) } : common
  }

  /** Waits until something is true that may become true when there is more to read. */
  #wait(isTrue: () => boolean, waitMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (isTrue() || signal?.aborted || this.#isClosed) return Promise.resolve()
    return new Promise(resolve => {
      const timer = waitMs < Number.POSITIVE_INFINITY ? setTimeout(end, waitMs) : undefined
      const wake = () => {
        if (isTrue() || this.#isClosed) end()
      }
      const waiting = this.#waiting
      waiting.add(wake)
      signal?.addEventListener('abort', end)
      function end(): void {
        clearTimeout(timer)
        waiting.delete(wake)
        signal?.removeEventListener('abort', end)
        resolve()
      }
    })
  }

  #wakeAll(): void {
    clearTimeout(this.#gathering)
    this.#gathering = undefined
    for (const wake of [...this.#waiting]) wake()
  }
}

/** How long `pages` waits for a change before it looks again, in ms. */
const MAX_WAIT_MS = 30_000

/** A page without a change, from which a reader goes on at the same place. */
function emptyPage({ epoch, seq }: Place): ChangePage {
  return { epoch, prevSeq: seq, seq, recovered: true, changes: [] }
}

/** What the page after this one continues. */
export function placeAfter(page: ChangePage): Place | StatePlace {
  const { epoch, seq, cursor } = page
  return (cursor === undefined ? undefined : statePlaceIn(cursor)) ?? { epoch, seq }
}
