import { DiffReader, type DiffSink, letterOf } from './diff.ts'

/** The letter of a user whose status is not known yet. */
const UNKNOWN = 0

/** The offset at which `presence_state` and `presence_diff` differ first. */
const FORM_AT = '{"type":"presence_'.length
const STATE = 's'.charCodeAt(0)

/** The keys of a `presence_state` that are used here. */
interface State {
  seq: number
  users: { userId: string; status: string }[]
  last: boolean
}

/** The reader of all views: a diff is processed completely before the next one. */
const reader = new DiffReader()

/** The view of one client: states and diffs applied in their order. */
export class View implements DiffSink {
  /** The number of diffs, and of the users in them. */
  frames = 0
  items = 0
  /** Diffs that did not continue the previous one. */
  gaps = 0
  /** Users in diffs to whom the client is not subscribed. */
  unknownUsers = 0
  /** Called with every user in a diff. */
  onItem: ((user: number, letter: number) => void) | undefined

  /** The letter of the last received status of each user. */
  readonly #statuses = new Map<number, number>()
  #seq = -1
  #onComplete: (() => void) | undefined

  /** Adds users. Resolves when the state of all was received. */
  subscribe(users: Iterable<number>): Promise<void> {
    for (const user of users) this.#statuses.set(user, UNKNOWN)
    return new Promise(resolve => {
      this.#onComplete = resolve
    })
  }

  /**
   * Applies the message in `chunk` from `start` to `end`.
   * @throws Error if it is neither a state nor a diff
   */
  take(chunk: Buffer, start: number, end: number): void {
    if (chunk[start + FORM_AT] === STATE)
      return this.#takeState(JSON.parse(chunk.toString('latin1', start, end)) as State)
    this.items += reader.read(chunk, start, end, this)
    this.frames++
    if (reader.prevSeq !== this.#seq) this.gaps++
    this.#seq = reader.seq
  }

  changed(user: number, letter: number): void {
    if (this.#statuses.has(user)) this.#statuses.set(user, letter)
    else this.unknownUsers++
    this.onItem?.(user, letter)
  }

  /** The number of users with a wrong status; `truth` has the right letters. */
  wrong(truth: Uint8Array): number {
    let wrong = 0
    for (const [user, letter] of this.#statuses) if (letter !== truth[user]) wrong++
    return wrong
  }

  get size(): number {
    return this.#statuses.size
  }

  #takeState({ seq, users, last }: State): void {
    for (const { userId, status } of users) this.#statuses.set(Number(userId.slice(1)), letterOf(status))
    if (!last) return
    this.#seq = seq
    this.#onComplete?.()
  }
}
