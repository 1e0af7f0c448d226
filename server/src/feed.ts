import type { Change } from './presence/change.ts'

/** Takes changes as they happen; `seq` is the number of the last of them. */
export type FeedListener = (changes: readonly Change[], seq: number) => void

/** The order of all changes: each gets the next number, and everybody who listens hears them in that order. */
export class Feed {
  #seq = 0
  readonly #listeners: FeedListener[] = []

  /** The number of the newest change; 0 before the first. */
  get seq(): number {
    return this.#seq
  }

  listen(listener: FeedListener): void {
    this.#listeners.push(listener)
  }

  publish(changes: readonly Change[]): void {
    if (changes.length === 0) return
    this.#seq += changes.length
    for (const listener of this.#listeners) listener(changes, this.#seq)
  }
}
