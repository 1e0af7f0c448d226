import type { Change } from './people.ts'

/** A change with a number of its own, by which a line that was drawn is known again. */
export interface Entry extends Change {
  readonly number: number
}

/** As many as somebody may want to read back; the page is no log. */
const MAX_ENTRIES = 60

/** The newest changes, newest first. While it is paused it goes on, but shows what it showed. */
export class Stream {
  #newest: readonly Entry[] = []
  #shown: readonly Entry[] = []
  #count = 0
  #pausedAt: number | undefined

  get shown(): readonly Entry[] {
    return this.#shown
  }

  get isPaused(): boolean {
    return this.#pausedAt !== undefined
  }

  /** How many have come that are not shown. */
  get missed(): number {
    return this.#pausedAt === undefined ? 0 : this.#count - this.#pausedAt
  }

  add(changes: readonly Change[]): void {
    if (changes.length === 0) return
    const first = this.#count
    this.#count += changes.length
    const entries = changes
      .slice(-MAX_ENTRIES)
      .map((change, index, { length }) => ({ ...change, number: first + changes.length - length + index }))
    this.#newest = [...entries.reverse(), ...this.#newest].slice(0, MAX_ENTRIES)
    if (this.#pausedAt === undefined) this.#shown = this.#newest
  }

  pause(): void {
    this.#pausedAt ??= this.#count
  }

  resume(): void {
    this.#pausedAt = undefined
    this.#shown = this.#newest
  }
}
