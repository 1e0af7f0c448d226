import type { Place } from '../feed.ts'
import type { ChangePage } from '../page.ts'

/** What is compared of a user who is not offline. */
interface CopiedUser {
  readonly userId: string
  readonly status: string
  readonly username?: string | undefined
  readonly text?: string | undefined
}

/** A copy of presence outside the server, as the docs describe it: it knows only the pages that it was told. */
export class Copy {
  readonly #users = new Map<string, string>()
  /** The users of the full state that is being told, and its place. */
  #state: { readonly place: string; readonly userIds: Set<string> } | undefined
  /** Where it continues; `undefined` at first, and within a full state. */
  place: Place | undefined
  /** The cursor of the full state that is being told. */
  cursor: string | undefined
  /** How many full states it was told to the end. */
  states = 0

  fold(page: ChangePage): void {
    const { epoch, seq, recovered, changes, users = [], last, cursor } = page
    this.cursor = cursor
    for (const { userId, ...change } of changes) this.#set({ userId, ...change })
    if (!recovered) {
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
    this.place = { epoch, seq }
  }

  /** The users who are not offline, sorted. */
  get users(): string[] {
    return [...this.#users.values()].toSorted()
  }

  #set(user: CopiedUser): void {
    if (user.status === 'offline') this.#users.delete(user.userId)
    else this.#users.set(user.userId, lineOf(user))
  }
}

/** A user who is not offline, as {@link Copy.users} has them. */
export function lineOf({ userId, status, username, text }: CopiedUser): string {
  return [userId, status, username, text].join(' ')
}

/** What {@link Copy.users} has to be if others see these users. */
export function linesOf(users: Iterable<CopiedUser>): string[] {
  return [...users]
    .filter(({ status }) => status !== 'offline')
    .map(lineOf)
    .toSorted()
}
