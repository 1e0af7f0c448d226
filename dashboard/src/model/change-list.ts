import type { Change } from './user-list.ts'

/** A change with a unique number, the key of its line. */
export interface Entry extends Change {
  readonly number: number
}

/** Most entries that are shown: enough to scroll back a little. */
const MAX_SHOWN = 60

/** Most entries that are kept, for the panel of a user. */
const MAX_KEPT = 1_000

/** The newest changes, newest first. While paused it shows the same entries and counts the new ones. */
export class ChangeList {
  #newest: readonly Entry[] = []
  #shown: readonly Entry[] = []
  #count = 0
  #pausedAt: number | undefined

  /** The entries to show. */
  get shown(): readonly Entry[] {
    return this.#shown
  }

  get isPaused(): boolean {
    return this.#pausedAt !== undefined
  }

  /** How many changes have come since the list was paused. */
  get unseen(): number {
    return this.#pausedAt === undefined ? 0 : this.#count - this.#pausedAt
  }

  /** The newest changes of one user, newest first, as far as they are kept. */
  of(userId: string): readonly Entry[] {
    return this.#newest.filter(entry => entry.userId === userId).slice(0, MAX_SHOWN)
  }

  /** Adds changes, oldest first. */
  add(changes: readonly Change[]): void {
    if (changes.length === 0) return
    const first = this.#count
    this.#count += changes.length
    const entries = changes
      .slice(-MAX_KEPT)
      .map((change, index, { length }) => ({ ...change, number: first + changes.length - length + index }))
    this.#newest = [...entries.reverse(), ...this.#newest].slice(0, MAX_KEPT)
    if (this.#pausedAt === undefined) this.#shown = this.#newest.slice(0, MAX_SHOWN)
  }

  pause(): void {
    this.#pausedAt ??= this.#count
  }

  /** Shows the newest changes again. */
  resume(): void {
    this.#pausedAt = undefined
    this.#shown = this.#newest.slice(0, MAX_SHOWN)
  }
}
