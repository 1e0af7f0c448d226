import { DiffReader, type DiffSink, letterOf } from './diff.ts'

/** The letter of a user about whom nothing was received yet. */
const UNTOLD = 0

/** Where `presence_state` and `presence_diff` differ first: behind `{"type":"presence_`. */
const FORM_AT = '{"type":"presence_'.length
const STATE = 's'.charCodeAt(0)

/** The keys of a `presence_state` that matter here. */
interface State {
  seq: number
  users: { userId: string; status: string }[]
  last: boolean
}

/** All views read with this one: a diff is worked off before the next begins. */
const reader = new DiffReader()

/** What one client was told of those it follows, folded diff by diff. */
export class View implements DiffSink {
  /** Diffs, and the users in them. */
  frames = 0
  items = 0
  /** Diffs that did not join on to the one before. */
  holes = 0
  /** Users in diffs whom the client does not follow. */
  strangers = 0
  /** Called with every user in a diff. */
  onItem: ((user: number, letter: number) => void) | undefined

  /** The letter of the status that each was last said to have. */
  readonly #told = new Map<number, number>()
  #seq = -1
  #whole: (() => void) | undefined

  /** From now on these are followed too. Resolves when the state of all was told. */
  follow(users: Iterable<number>): Promise<void> {
    for (const user of users) this.#told.set(user, UNTOLD)
    return new Promise(resolve => {
      this.#whole = resolve
    })
  }

  /** Takes a message: `chunk` from `start` to `end`. Throws when it is neither state nor diff. */
  take(chunk: Buffer, start: number, end: number): void {
    if (chunk[start + FORM_AT] === STATE)
      return this.#takeState(JSON.parse(chunk.toString('latin1', start, end)) as State)
    this.items += reader.read(chunk, start, end, this)
    this.frames++
    if (reader.prevSeq !== this.#seq) this.holes++
    this.#seq = reader.seq
  }

  changed(user: number, letter: number): void {
    if (this.#told.has(user)) this.#told.set(user, letter)
    else this.strangers++
    this.onItem?.(user, letter)
  }

  /** How many are not as this view says; `truth` has everybody's letter. */
  wrong(truth: Uint8Array): number {
    let wrong = 0
    for (const [user, letter] of this.#told) if (letter !== truth[user]) wrong++
    return wrong
  }

  get size(): number {
    return this.#told.size
  }

  #takeState({ seq, users, last }: State): void {
    for (const { userId, status } of users) this.#told.set(Number(userId.slice(1)), letterOf(status))
    if (!last) return
    this.#seq = seq
    this.#whole?.()
  }
}
