import { setTimeout as sleep } from 'node:timers/promises'
import { evenly } from './changes.ts'
import type { Client } from './client.ts'
import type { ClientPool } from './client-pool.ts'
import { letterOf } from './diff.ts'
import { GIVE_UP_MS } from './frame-count.ts'
import { graph } from './graph.ts'
import { Latencies } from './latency.ts'
import type { BareCount, SubscribeOrder, SubscriberChangesOrder } from './orders.ts'
import { StatusChangers } from './status-changers.ts'
import { View } from './view.ts'

/** After this time without a frame, in ms, the views are checked. */
const QUIET_MS = 100

/** Latency is measured at every n-th client. */
const TIMED = 10

/** Any seed, as long as it is the same in every run. */
const SEED = 1

/** The listeners of a pool as v2 clients with their views. All messages are read and checked completely. */
export class Subscribers {
  readonly #pool: ClientPool
  readonly #giveUpMs: number
  readonly #views: View[] = []
  /** The letter of the real status of each user; all start online. */
  #truth = new Uint8Array()

  constructor(pool: ClientPool, giveUpMs = GIVE_UP_MS) {
    this.#pool = pool
    this.#giveUpMs = giveUpMs
  }

  /** Subscribes every listener to some or all users. Counts the listeners that received their state. */
  async subscribe({ selection, atOnce }: SubscribeOrder): Promise<BareCount> {
    const { listeners, link } = this.#pool
    const [began, bytes] = [performance.now(), link.received.bytes]
    if (this.#truth.length === 0) this.#truth = new Uint8Array(listeners.length).fill(letterOf('online'))
    const chosen = selection === 'all' ? undefined : graph(selection.of, SEED)
    const allUsers = listeners.map((_, user) => user)
    let counted = 0
    for (let at = 0; at < listeners.length; at += atOnce) {
      const subscribed = listeners.slice(at, at + atOnce).map(async (client, index) => {
        const users = selection === 'all' ? allUsers : chosen?.(at + index, selection.from, selection.to)
        await this.#subscribe(client, at + index, users ?? [], selection === 'all')
        counted++
      })
      const stop = new AbortController()
      const tooLong = sleep(this.#giveUpMs, undefined, { signal: stop.signal }).catch(() => {})
      await Promise.race([Promise.all(subscribed), tooLong])
      stop.abort()
    }
    return {
      counted,
      expected: listeners.length,
      bytes: link.received.bytes - bytes,
      seconds: (performance.now() - began) / 1000,
      invalid: link.received.takeProblems(),
    }
  }

  /** Lets some listeners change their status at a steady rate. Counts the diffs and the users in them. */
  async change({ perSecond, seconds, movers: count, statuses }: SubscriberChangesOrder): Promise<BareCount> {
    const { listeners, link } = this.#pool
    const { received } = link
    const latencies = new Latencies()
    const [began, before] = [performance.now(), { ...this.#sums(), bytes: received.bytes }]
    const changers = new StatusChangers(listeners.slice(0, count), statuses, this.#truth)
    for (let index = 0; index < this.#views.length; index += TIMED) {
      const view = this.#views[index]
      if (view) view.onItem = (user, letter) => latencies.since(changers.changedAt(user, letter))
    }
    const { due, made } = await evenly({ perSecond, seconds }, () => changers.change())
    const wrong = await this.#settled(changers)
    for (const view of this.#views) view.onItem = undefined
    const after = this.#sums()
    const invalid = received.takeProblems()
    if (changers.unanswered > 0) invalid.push(`${changers.unanswered} changes got no reply`)
    const gaps = after.gaps - before.gaps
    if (gaps > 0) invalid.push(`${gaps} diffs did not continue the previous one`)
    const unknownUsers = after.unknownUsers - before.unknownUsers
    if (unknownUsers > 0)
      invalid.push(`clients received users they are not subscribed to, ${unknownUsers} times`)
    if (wrong > 0) invalid.push(`of ${after.subscribed} users in the views of clients, ${wrong} are wrong`)
    const frames = after.frames - before.frames
    const latencyMs = latencies.summary()
    return {
      counted: frames,
      expected: frames,
      items: after.items - before.items,
      bytes: received.bytes - before.bytes,
      seconds: (received.lastAt - began) / 1000,
      carried: made / due,
      ...(latencyMs && { latencyMs }),
      invalid,
    }
  }

  #subscribe(client: Client, number: number, users: readonly number[], all: boolean): Promise<void> {
    const view = this.#views[number] ?? new View()
    if (!this.#views[number]) {
      this.#views[number] = view
      client.readPayloads()
      client.onChange = (chunk, start, end) => {
        try {
          view.take(chunk, start, end)
        } catch (error) {
          this.#pool.link.received.addProblem((error as Error).message)
        }
      }
    }
    const whole = view.subscribe(users)
    const selector = all ? { all } : { userIds: users.map(user => `u${user}`) }
    client.write(client.prepare(JSON.stringify({ type: 'subscribe', ...selector })))
    return whole
  }

  /** Waits until all views are right, and returns the number of wrong users in them after a timeout. */
  async #settled(changers: StatusChangers): Promise<number> {
    const { received } = this.#pool.link
    for (;;) {
      const { frames } = received
      await sleep(QUIET_MS)
      if (frames !== received.frames) continue
      const wrong = this.#views.reduce((sum, view) => sum + view.wrong(this.#truth), 0)
      const isOver = wrong === 0 && changers.unanswered === 0
      if (isOver || performance.now() - received.lastAt > this.#giveUpMs) return wrong
    }
  }

  #sums(): { frames: number; items: number; gaps: number; unknownUsers: number; subscribed: number } {
    const sums = { frames: 0, items: 0, gaps: 0, unknownUsers: 0, subscribed: 0 }
    for (const view of this.#views) {
      sums.frames += view.frames
      sums.items += view.items
      sums.gaps += view.gaps
      sums.unknownUsers += view.unknownUsers
      sums.subscribed += view.size
    }
    return sums
  }
}
