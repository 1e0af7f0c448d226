import type { UserId } from '@who-is-online/protocol/words'
import type { Entry } from '../../entry.ts'

/** Counts the visible changes of each user, each once although all nodes show it. */
export class ChangeRates {
  readonly #times = new Map<UserId, number[]>()
  readonly #counted = new WeakMap<Entry, Set<UserId>>()

  /** From now on, no earlier change counts. */
  clear(): void {
    this.#times.clear()
  }

  /** Counts the changes of an entry. Returns how many changes a user has had within `windowMs`, up to this one. */
  count(userId: UserId, entry: Entry, windowMs: number): number {
    const times = this.#times.get(userId) ?? []
    this.#times.set(userId, times)
    const { at } = entry.body
    const counted = this.#counted.get(entry) ?? new Set()
    this.#counted.set(entry, counted)
    if (!counted.has(userId)) times.push(at)
    counted.add(userId)
    return times.filter(time => time > at - windowMs).length
  }
}
