import type { Page, PageUser } from './page.ts'

/** A copy of presence in a backend, made of the pages that it was told and of nothing else. */
export class CopiedUsers {
  readonly #users = new Map<string, string>()
  /** The users of the full state that is being told, and its place. */
  #state: { readonly place: string; readonly userIds: Set<string> } | undefined
  /** Where the copy continues; `undefined` before it has anything. */
  place: string | undefined
  /** What must not happen: a page that does not continue the last one, or changes out of order. */
  readonly wrong: string[] = []
  /** How many pages with changes it was told, and how many full states to their end. */
  pages = 0
  states = 0

  fold(page: Page): void {
    const { epoch, prevSeq, seq, recovered, changes, users = [], last } = page
    if (recovered && this.place !== undefined && `${epoch}:${prevSeq}` !== this.place)
      this.wrong.push(`${epoch}:${prevSeq} follows ${this.place}`)
    let before = prevSeq ?? 0
    for (const change of changes) {
      if (change.seq < before || change.seq > seq) this.wrong.push(`${change.seq} is out of order`)
      before = change.seq
      this.#set(change)
    }
    if (recovered) {
      this.pages++
      this.#state = undefined
    } else {
      const place = `${epoch}:${seq}`
      if (this.#state?.place !== place) this.#state = { place, userIds: new Set() }
      for (const user of users) {
        this.#state.userIds.add(user.userId)
        this.#set(user)
      }
      if (!last) return
      for (const userId of this.#users.keys())
        if (!this.#state.userIds.has(userId)) this.#users.delete(userId)
      this.#state = undefined
      this.states++
    }
    this.place = `${epoch}:${seq}`
  }

  /** The users who are not offline, sorted. */
  get lines(): string[] {
    return [...this.#users.values()].toSorted()
  }

  #set(user: PageUser): void {
    if (user.status === 'offline') this.#users.delete(user.userId)
    else this.#users.set(user.userId, lineOf(user))
  }
}

/** A user who is not offline, as {@link CopiedUsers.lines} has them. */
export function lineOf({ userId, status, username = '', text = '' }: PageUser): string {
  return [userId, status, username, text].join('|')
}
