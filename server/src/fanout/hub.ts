import type { UserId } from '@who-is-online/protocol/words'
import type { NumberedChange } from '../changes/feed.ts'
import type { BatchReceiver } from './batch.ts'
import type { Encoder } from './encoder.ts'
import { type Served, serve } from './served.ts'
import { SLICE_MS } from './slices.ts'
import type { Subscriptions } from './subscriptions.ts'
import { Traffic } from './traffic.ts'
import { ClosedWindow } from './window.ts'

/** A connection of v1: it is sent every change of every user, or only the changes of its own user. */
export interface FirehoseReceiver extends Served {
  /** The number that the feed had reached when it joined: it is sent what comes after. */
  readonly since: number
  readonly encoder: Encoder
  write(bytes: Buffer): void
}

/** Shortest time between two flushes, in ms: long enough to gather changes under load, too short to be seen. */
const WINDOW_MS = 10

/** Flushes are spaced so that flushing takes at most a third of the time: the rest is for requests and arrivals. */
const FLUSH_SHARE = 3

/** Longest time between two flushes, in ms, unless the flush itself takes longer. */
const LONGEST_WINDOW_MS = 50

/** The first change after a quiet time waits for others a tenth of the time that a flush takes. */
const FIRST_WAIT_SHARE = 0.1

/** A connection storm: more arrivals than that since the last flush, and within so many ms. */
const STORM_ARRIVALS = 16
const STORM_MS = 200

/** During a connection storm each arrival is a change for all, so flushes take a smaller share of the time. */
const STORM_FLUSH_SHARE = 6
const STORM_LONGEST_WINDOW_MS = 100

/** How many connections are written to between two looks at the clock. */
const LOOK_EVERY = 32

/**
 * Sends changes to all who are to be told: to v1 connections every change, to subscribers those they
 * subscribed to. Changes gather for a window; what a window says is encoded once; each connection gets a
 * window in one write. The first change after a quiet time goes at once.
 */
export class Hub {
  readonly #firehose = new Set<FirehoseReceiver>()
  /** The connections that are sent only the changes of one user. */
  readonly #restricted = new Map<UserId, Set<FirehoseReceiver>>()
  readonly #subscriptions: Subscriptions
  readonly #traffic: Traffic
  #gathering: NumberedChange[] = []
  /** `performance.now()` of the first change of the window. */
  #gatheringSince = 0
  #flushing = false
  #scheduled = false
  /** How many connections have arrived since the last flush, and since when they are counted. */
  #arrivals = 0
  #countedSince = 0
  /** `performance.now()` before which no window is flushed. */
  #notBefore = 0
  /** How long the last flush took, in ms. */
  #cost = 0

  constructor(subscriptions: Subscriptions, traffic = new Traffic()) {
    this.#subscriptions = subscriptions
    this.#traffic = traffic
  }

  /** A connection has arrived, of any protocol version. */
  arrived(): void {
    const now = performance.now()
    if (now - this.#countedSince > STORM_MS) {
      this.#countedSince = now
      this.#arrivals = 0
    }
    this.#arrivals++
  }

  /** @param only the one user whose changes it is sent; `undefined` for the changes of all users */
  join(receiver: FirehoseReceiver, only?: UserId): void {
    if (only === undefined) this.#firehose.add(receiver)
    else this.#restricted.set(only, (this.#restricted.get(only) ?? new Set<FirehoseReceiver>()).add(receiver))
  }

  /** @param only the same as for `join` */
  part(receiver: FirehoseReceiver, only?: UserId): void {
    if (only === undefined) {
      this.#firehose.delete(receiver)
      return
    }
    const receivers = this.#restricted.get(only)
    if (receivers?.delete(receiver) && receivers.size === 0) this.#restricted.delete(only)
  }

  /** Takes changes, as a listener of the feed. Those of one call are sent in one window. */
  changed(changes: readonly NumberedChange[]): void {
    this.#subscriptions.note(changes)
    if (this.#gathering.length === 0) this.#gatheringSince = performance.now()
    for (const change of changes) this.#gathering.push(change)
    this.#schedule()
  }

  #schedule(): void {
    if (this.#scheduled || this.#flushing) return
    this.#scheduled = true
    const first = Math.min(WINDOW_MS, this.#cost * FIRST_WAIT_SHARE)
    const wait = Math.max(this.#notBefore - performance.now(), first)
    if (wait < 1) setImmediate(this.#flush)
    else setTimeout(this.#flush, Math.ceil(wait))
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    this.#flushing = true
    const begun = performance.now()
    const changes = this.#gathering
    this.#gathering = []
    this.#traffic.windows.add(begun - this.#gatheringSince)
    this.#slice(this.#sendAll(changes), begun, begun, 0)
  }

  /**
   * Sends to a slice of the connections, then gives others a turn. A connection that joins meanwhile came
   * after the window.
   */
  #slice(steps: Iterator<void>, begun: number, sliceBegun: number, spentBefore: number): void {
    for (let done = 1; ; done++) {
      if (steps.next().done) break
      if (done % LOOK_EVERY !== 0) continue
      const spent = performance.now() - sliceBegun
      if (spent < SLICE_MS) continue
      setImmediate(() => this.#slice(steps, begun, performance.now(), spentBefore + spent))
      return
    }
    const cost = spentBefore + performance.now() - sliceBegun
    this.#cost = cost
    this.#traffic.flushes.add(cost)
    const isStorm = this.#arrivals > STORM_ARRIVALS
    this.#arrivals = 0
    const share = isStorm ? STORM_FLUSH_SHARE : FLUSH_SHARE
    const longest = isStorm ? STORM_LONGEST_WINDOW_MS : LONGEST_WINDOW_MS
    this.#notBefore = begun + Math.min(longest, Math.max(WINDOW_MS, cost * share))
    this.#flushing = false
    if (this.#gathering.length > 0) this.#schedule()
  }

  /**
   * Sends a window, one connection per step. Its content is fixed before the first step: later changes are in
   * the next.
   */
  *#sendAll(changes: readonly NumberedChange[]): Generator<void> {
    const batch = this.#subscriptions.batchOf(changes)
    const sendWindow = this.#windowSender(new ClosedWindow(changes))
    for (const receiver of this.#firehose) {
      serve(receiver, sendWindow)
      yield
    }
    if (this.#restricted.size > 0) yield* this.#sendRestricted(changes)
    const sendBatch = (subscriber: BatchReceiver): void => subscriber.sendBatch(batch)
    for (const subscriber of this.#subscriptions.all) {
      serve(subscriber, sendBatch)
      yield
    }
    const gathering: BatchReceiver[] = []
    for (const item of batch.items) {
      const gather = (subscriber: BatchReceiver): void => {
        if (subscriber.gather(item)) gathering.push(subscriber)
      }
      for (const subscriber of item.topic?.subscribers ?? []) serve(subscriber, gather)
      yield
    }
    const sendGathered = (subscriber: BatchReceiver): void => subscriber.sendGathered(batch.seq)
    for (const subscriber of gathering) {
      serve(subscriber, sendGathered)
      yield
    }
  }

  /** Sends the changes of single users to their own connections, one by one. A user seldom has two in a window. */
  *#sendRestricted(changes: readonly NumberedChange[]): Generator<void> {
    for (const change of changes) {
      const receivers = this.#restricted.get(change.userId)
      if (receivers === undefined) continue
      const sendWindow = this.#windowSender(new ClosedWindow([change]))
      for (const receiver of receivers) {
        serve(receiver, sendWindow)
        yield
      }
    }
  }

  /** Returns a function that sends a window to one connection of v1. */
  #windowSender(window: ClosedWindow): (receiver: FirehoseReceiver) => void {
    return receiver => {
      const bytes = window.after(receiver.since, receiver.encoder)
      if (bytes.length === 0) return
      this.#traffic.deliveries.v1++
      receiver.write(bytes)
    }
  }
}
