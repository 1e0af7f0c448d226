import { setTimeout as sleep } from 'node:timers/promises'
import { evenly } from './changes.ts'
import type { Client } from './client.ts'
import type { Crowd } from './crowd.ts'
import { letterOf } from './diff.ts'
import { graph } from './graph.ts'
import { Latencies } from './latency.ts'
import { Movers } from './movers.ts'
import type { BareCount, FollowOrder, StirOrder } from './orders.ts'
import { GIVE_UP_MS } from './tally.ts'
import { View } from './view.ts'

/** No frame for this long: worth a look whether all has come. */
const QUIET_MS = 100

/** One in so many clients is timed. */
const TIMED = 10

/** Any will do, as long as it is the same in every run. */
const SEED = 1

/** The listeners of a crowd as clients of v2, and the views they have; all of them are read and checked in full. */
export class Following {
  readonly #crowd: Crowd
  readonly #giveUpMs: number
  readonly #views: View[] = []
  /** What everybody's status is, by its letter: all came online. */
  #truth = new Uint8Array()

  constructor(crowd: Crowd, giveUpMs = GIVE_UP_MS) {
    this.#crowd = crowd
    this.#giveUpMs = giveUpMs
  }

  /** Has every listener follow some users, or everybody; counted are those whose state came. */
  async follow({ whom, atOnce }: FollowOrder): Promise<BareCount> {
    const { listeners, link } = this.#crowd
    const [began, bytes] = [performance.now(), link.tally.bytes]
    if (this.#truth.length === 0) this.#truth = new Uint8Array(listeners.length).fill(letterOf('online'))
    const chosen = whom === 'all' ? undefined : graph(whom.of, SEED)
    const everybody = listeners.map((_, user) => user)
    let counted = 0
    for (let at = 0; at < listeners.length; at += atOnce) {
      const told = listeners.slice(at, at + atOnce).map(async (client, index) => {
        const users = whom === 'all' ? everybody : chosen?.(at + index, whom.from, whom.to)
        await this.#follow(client, at + index, users ?? [], whom === 'all')
        counted++
      })
      const stop = new AbortController()
      const tooLong = sleep(this.#giveUpMs, undefined, { signal: stop.signal }).catch(() => {})
      await Promise.race([Promise.all(told), tooLong])
      stop.abort()
    }
    return {
      counted,
      expected: listeners.length,
      bytes: link.tally.bytes - bytes,
      seconds: (performance.now() - began) / 1000,
      invalid: link.tally.takeProblems(),
    }
  }

  /** Has some listeners change at an even rate; counted are diffs, and the users in them. */
  async stir({ perSecond, seconds, movers: count, statuses }: StirOrder): Promise<BareCount> {
    const { listeners, link } = this.#crowd
    const { tally } = link
    const latencies = new Latencies()
    const [began, before] = [performance.now(), { ...this.#sums(), bytes: tally.bytes }]
    const movers = new Movers(listeners.slice(0, count), statuses, this.#truth)
    for (let index = 0; index < this.#views.length; index += TIMED) {
      const view = this.#views[index]
      if (view) view.onItem = (user, letter) => latencies.since(movers.movedAt(user, letter))
    }
    const { due, made } = await evenly({ perSecond, seconds }, () => movers.move())
    const wrong = await this.#settled(movers)
    for (const view of this.#views) view.onItem = undefined
    const after = this.#sums()
    const invalid = tally.takeProblems()
    if (movers.unanswered > 0) invalid.push(`${movers.unanswered} changes were not replied to`)
    const holes = after.holes - before.holes
    if (holes > 0) invalid.push(`${holes} diffs did not join on to the one before`)
    const strangers = after.strangers - before.strangers
    if (strangers > 0) invalid.push(`clients were told of others than they follow, ${strangers} times`)
    if (wrong > 0) invalid.push(`of ${after.followed} users in the views of clients ${wrong} are not so`)
    const frames = after.frames - before.frames
    const latencyMs = latencies.summary()
    return {
      counted: frames,
      expected: frames,
      items: after.items - before.items,
      bytes: tally.bytes - before.bytes,
      seconds: (tally.lastAt - began) / 1000,
      carried: made / due,
      ...(latencyMs && { latencyMs }),
      invalid,
    }
  }

  #follow(client: Client, number: number, users: readonly number[], all: boolean): Promise<void> {
    const view = this.#views[number] ?? new View()
    if (!this.#views[number]) {
      this.#views[number] = view
      client.readPayloads()
      client.onChange = (chunk, start, end) => {
        try {
          view.take(chunk, start, end)
        } catch (error) {
          this.#crowd.link.tally.complain((error as Error).message)
        }
      }
    }
    const whole = view.follow(users)
    const selector = all ? { all } : { userIds: users.map(user => `u${user}`) }
    client.write(client.prepare(JSON.stringify({ type: 'subscribe', ...selector })))
    return whole
  }

  /** Waits until every view is right, and looks when it is quiet; returns how many users in them are not. */
  async #settled(movers: Movers): Promise<number> {
    const { tally } = this.#crowd.link
    for (;;) {
      const { frames } = tally
      await sleep(QUIET_MS)
      if (frames !== tally.frames) continue
      const wrong = this.#views.reduce((sum, view) => sum + view.wrong(this.#truth), 0)
      const isOver = wrong === 0 && movers.unanswered === 0
      if (isOver || performance.now() - tally.lastAt > this.#giveUpMs) return wrong
    }
  }

  #sums(): { frames: number; items: number; holes: number; strangers: number; followed: number } {
    const sums = { frames: 0, items: 0, holes: 0, strangers: 0, followed: 0 }
    for (const view of this.#views) {
      sums.frames += view.frames
      sums.items += view.items
      sums.holes += view.holes
      sums.strangers += view.strangers
      sums.followed += view.size
    }
    return sums
  }
}
