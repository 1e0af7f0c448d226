import {
  decodeChanges,
  encodeChanges,
  type NewEntry,
  type StoreRequest,
  type StreamEntry,
} from './change-stream.ts'
import type { ClusterFeed } from './cluster-feed.ts'
import type { NumberedChange, Place } from './feed.ts'

/** How a node stands whose feed has what all other nodes have. */
export interface Standing {
  /** Up to where the feed has everything. */
  readonly place: Place
  /** From this number on, the node shows what all others show. */
  readonly settledSince: number
  /** The same, or a smaller number: nothing has changed between them. */
  readonly since: number
  /** Whether this node stores the changes for all. Several nodes may take themselves for that one. */
  readonly isWriter: boolean
  /** Whether the process ends: what the stream lacks is stored now, by any node. */
  readonly isStopping: boolean
}

/** What is asked of the stream; see `ChangeStream`. */
export type StreamCommand =
  | { readonly do: 'end' }
  | { readonly do: 'read'; readonly after: Place; readonly count: number }
  | { readonly do: 'store'; readonly request: StoreRequest }

/**
 * For how long changes are gathered, in ms: storing them costs Redis and the writer a command. What was not stored when
 * all nodes are killed at once is not known, and a node that starts waits so long for what it has not read itself.
 */
const GATHER_MS = 500
/** How often the end is stored without a change, in ms. */
const MARK_MS = 1_000
/** How long to wait until another node has stored more, and after a failure, in ms. */
const RETRY_MS = 250
/** How often a node that is not the writer looks whether the stream grows, in ms. */
const LOOK_MS = 2_000
/**
 * If the stream cannot be continued by the writer, others may know what is missing. They have seen then, twice, that it
 * does not grow. After so long, in ms, none of them does. A time in which Redis does not answer is not counted: nobody
 * can continue the stream then.
 */
const NOBODY_KNOWS_MS = 6_000
/** At most so many changes are stored at once. There may be more, because those with one number come together. */
const STORE_CHANGES = 1_000
const READ_ENTRIES = 200

/** What this node does with the stream while it knows what all others know. */
interface Term {
  readonly epoch: string
  readonly since: number
  /** The end of the stream as it was told last. It is asked again before the next use if it may have moved. */
  end?: { readonly place: Place | undefined }
  /** Since when it is known that the stream ends there, and where. Infinity if Redis has not answered since. */
  seen?: { readonly place: Place | undefined; readonly at: number }
  /** What was read of the history; `undefined` when it is known, or nobody knows it. */
  history: Reading | undefined
  wasWriter: boolean
}

interface Reading {
  readonly changes: NumberedChange[]
  /** The number from which on nothing is missing; `undefined` at first. */
  after: number | undefined
  /** What was read last. */
  cursor: number
  readonly to: number
}

/**
 * Keeps the feed of a node and the stream of changes, which all nodes share, together. One node stores its changes.
 * When it ends, another one continues from what it has in its memory, so that nothing is missing. A node that starts
 * reads what was before.
 *
 * A state machine without I/O: the caller executes each command and gives the answer. One command is under way at most.
 */
export class StreamKeeper {
  readonly #feed: ClusterFeed
  #term: Term | undefined
  #command: StreamCommand | undefined
  /** The term in which the command was given. Answers of an earlier term are ignored. */
  #askedIn: Term | undefined
  #askAt = Number.NEGATIVE_INFINITY
  #storedAt = Number.NEGATIVE_INFINITY
  #mustRewrite = false
  #newHistory: readonly NumberedChange[] | undefined
  /** How many changes were stored last, or are being stored. */
  #storing = 0

  constructor(feed: ClusterFeed) {
    this.#feed = feed
  }

  /** The changes that were read as what was before, once; `undefined` while there is nothing new. */
  takeHistory(): readonly NumberedChange[] | undefined {
    const history = this.#newHistory
    this.#newHistory = undefined
    return history
  }

  /** Whether it is known what was before this node started, or that nobody knows it. */
  get isHistoryKnown(): boolean {
    return this.#term !== undefined && this.#term.history === undefined
  }

  /** Stores all changes again, if this node is the writer: the feed has them without those of a user who was erased. */
  rewrite(): void {
    this.#mustRewrite = true
  }

  /**
   * The next command; `undefined` if there is nothing to do now.
   *
   * @param standing `undefined` while the feed may have something else than those of the other nodes
   * @param now in ms of a clock that is never set
   */
  next(standing: Standing | undefined, now: number): StreamCommand | undefined {
    if (!this.#isSameTerm(standing)) this.#begin(standing)
    const term = this.#term
    if (!standing || !term || this.#command || (now < this.#askAt && !standing.isStopping)) return undefined
    if (standing.isWriter && !term.wasWriter) delete term.end
    term.wasWriter = standing.isWriter
    this.#command = this.#next(standing, term, now)
    this.#askedIn = term
    return this.#command
  }

  /** The command was executed. Returns how many changes it has stored, or 1 if another node has stored some. */
  answered(answer: Place | undefined | readonly StreamEntry[], now: number): number {
    const command = this.#command
    this.#command = undefined
    const term = this.#term
    if (!command || !term || term !== this.#askedIn) return 0
    if (command.do === 'read') {
      this.#read(term, command.count, answer as readonly StreamEntry[])
      return 0
    }
    const place = answer as Place | undefined
    term.end = { place }
    const { seen } = term
    const hasGrown = seen !== undefined && !isSame(seen.place, place)
    term.seen = { place, at: hasGrown ? now : Math.min(seen?.at ?? now, now) }
    if (command.do === 'end') return hasGrown ? 1 : 0
    const { to } = command.request
    if (!isSame(place, to)) {
      // Another node stores too. It need not be at the same moment.
      this.#storing = 0
      this.#askAt = now + RETRY_MS
      return 1
    }
    this.#storedAt = now
    return this.#storing
  }

  /** The command could not be executed, or nobody knows whether it was. */
  failed(now: number): void {
    this.#command = undefined
    this.#storing = 0
    this.#askAt = now + RETRY_MS
    const term = this.#term
    if (!term) return
    delete term.end
    if (term.seen) term.seen = { ...term.seen, at: Number.POSITIVE_INFINITY }
  }

  // Private

  #isSameTerm(standing: Standing | undefined): boolean {
    const term = this.#term
    if (!standing || !term) return !standing && !term
    return term.epoch === standing.place.epoch && term.since === standing.since
  }

  #begin(standing: Standing | undefined): void {
    this.#feed.agreesAfter(standing?.settledSince)
    this.#askAt = Number.NEGATIVE_INFINITY
    this.#term = standing && {
      epoch: standing.place.epoch,
      since: standing.since,
      history: { changes: [], after: undefined, cursor: 0, to: standing.settledSince },
      wasWriter: false,
    }
  }

  #next(standing: Standing, term: Term, now: number): StreamCommand | undefined {
    if (!term.end) return { do: 'end' }
    const { place: end } = term.end
    const { place, isWriter, isStopping } = standing
    if (end?.epoch !== term.epoch) {
      if (isStopping) return undefined
      return isWriter ? this.#beginStream(standing, term, end) : this.#askLater(term, now)
    }
    const continues = end.seq >= term.since
    if (term.history && continues && !isStopping) {
      return { do: 'read', after: { epoch: term.epoch, seq: term.history.cursor }, count: READ_ENTRIES }
    }
    const isKnown = continues && end.seq >= this.#feed.knownAfter
    if (isStopping) return isKnown ? this.#continue(standing, end, now) : undefined
    // Another node has read more than this one.
    if (end.seq > place.seq) return this.#askLater(term, now)
    if (isWriter && isKnown && this.#mustRewrite) return this.#beginStream(standing, term, end)
    const seenMs = now - (term.seen?.at ?? now)
    // If the stream does not grow, the writer has ended, or does not know what is missing.
    const isHelping = seenMs > LOOK_MS || this.#storing >= STORE_CHANGES
    if (isKnown && (isWriter || isHelping)) return this.#continue(standing, end, now)
    if (isWriter && seenMs > NOBODY_KNOWS_MS) return this.#beginStream(standing, term, end)
    return this.#askLater(term, now, term.history ? RETRY_MS : LOOK_MS)
  }

  #askLater(term: Term, now: number, ms = RETRY_MS): undefined {
    delete term.end
    this.#askAt = now + ms
  }

  // History

  #read(term: Term, count: number, entries: readonly StreamEntry[]): void {
    const { history } = term
    if (!history) return
    for (const entry of entries) {
      if (entry.seq > history.to) break
      const changes = decodeChanges(entry)
      // What another version has written can't be told, and neither can what was before something that is missing.
      if (!changes || history.after === undefined || entry.after !== history.cursor) {
        history.changes.length = 0
        history.after = changes ? entry.after : entry.seq
      }
      for (const change of changes ?? []) history.changes.push(change)
      history.cursor = entry.seq
    }
    if (entries.length === count && (entries.at(-1)?.seq ?? 0) < history.to) return
    const { changes, after = term.since, to } = history
    term.history = undefined
    this.#feed.setHistory({ epoch: term.epoch, changes, after, to })
    this.#newHistory = changes
  }

  // Storing

  #continue({ place, isStopping }: Standing, end: Place, now: number): StreamCommand | undefined {
    const changes = this.#feed.after(end.seq, STORE_CHANGES) ?? []
    const isMuch = changes.length >= STORE_CHANGES || isStopping
    const waitMs = isMuch ? 0 : changes.length > 0 ? GATHER_MS : MARK_MS
    if (place.seq <= end.seq || now < this.#storedAt + waitMs) return undefined
    return this.#store(place, { expected: end, beginAt: undefined }, changes)
  }

  /** The stream begins with what this node knows: the changes between its end and that are not known. */
  #beginStream({ place }: Standing, term: Term, expected: Place | undefined): StreamCommand {
    const feed = this.#feed
    this.#mustRewrite = false
    // Nobody knows what was before.
    term.history = undefined
    const beginAt = feed.hasHistory ? feed.knownAfter : Math.max(term.since, feed.dropped)
    return this.#store(place, { expected, beginAt }, feed.after(beginAt, STORE_CHANGES) ?? [])
  }

  #store(
    { epoch, seq: placeSeq }: Place,
    where: Pick<StoreRequest, 'expected' | 'beginAt'>,
    changes: readonly NumberedChange[],
  ): StreamCommand {
    const entries: NewEntry[] = []
    for (let first = 0; first < changes.length; ) {
      const { seq } = changes[first] as NumberedChange
      let next = first + 1
      while (changes[next]?.seq === seq) next++
      entries.push({ seq, content: encodeChanges(changes.slice(first, next)) })
      first = next
    }
    const isAll = changes.length < STORE_CHANGES
    const to = { epoch, seq: isAll ? placeSeq : (entries.at(-1)?.seq ?? placeSeq) }
    this.#storing = changes.length
    return { do: 'store', request: { ...where, entries, to, dropped: this.#feed.knownAfter } }
  }
}

function isSame(one: Place | undefined, other: Place | undefined): boolean {
  return one?.epoch === other?.epoch && one?.seq === other?.seq
}
