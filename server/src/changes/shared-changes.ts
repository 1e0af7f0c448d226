import type { ChangeStream, StreamEntry } from './change-stream.ts'
import type { ClusterFeed } from './cluster-feed.ts'
import type { NumberedChange, Place } from './feed.ts'
import { type Standing, type StreamCommand, StreamKeeper } from './stream-keeper.ts'

/** What {@link SharedChanges} need. */
export interface SharedChangesOptions {
  readonly feed: ClusterFeed
  readonly stream: ChangeStream
  /** How this node stands; `undefined` while it may show something else than the others. */
  readonly standing: () => Omit<Standing, 'isStopping'> | undefined
  /** Told the changes from before this node showed what all others show, when it has read them. */
  readonly learned: (changes: readonly NumberedChange[]) => void
  /** A clock that is never set, in ms. */
  readonly now: () => number
}

/** How long a node that could be ready waits for what was before, in ms. */
const HISTORY_MS = 3_000

/** Executes the commands of a {@link StreamKeeper}: keeps the feed of a node and the changes that all nodes share. */
export class SharedChanges {
  readonly #options: SharedChangesOptions
  readonly #keeper: StreamKeeper
  readonly #listeners: ((count: number) => void)[] = []
  #isStopping = false
  /** Whether clients could connect when that was asked last. */
  #isOpen = false
  #isBusy = false
  /** When this node showed for the first time what all others show. */
  #settledAt: number | undefined
  #step: Promise<void> = Promise.resolve()

  constructor(options: SharedChangesOptions) {
    this.#options = options
    const keeper = new StreamKeeper(options.feed)
    this.#keeper = keeper
    options.feed.whenDropped(() => keeper.rewrite())
  }

  /**
   * Whether clients can connect that come from another node: what was before this node started is known, or waiting
   * longer for it would not help. Once they can, they can until this node must read all users again.
   *
   * @param knowsUsers whether this node knows all users
   */
  isReady(knowsUsers: boolean): boolean {
    const { standing, now } = this.#options
    const isHistoryKnown =
      this.#keeper.isHistoryKnown || !standing() || now() - (this.#settledAt ?? now()) >= HISTORY_MS
    this.#isOpen = knowsUsers && (this.#isOpen || isHistoryKnown)
    return this.#isOpen
  }

  /** Adds a listener. It is told that about so many more changes are in the stream. */
  listen(listener: (count: number) => void): void {
    this.#listeners.push(listener)
  }

  /** Does what is due. Call it several times a second. */
  advance(): void {
    const { standing, now } = this.#options
    if (standing()) this.#settledAt ??= now()
    if (!this.#isStopping && !this.#isBusy) this.#step = this.#advance()
  }

  /** Stores what the stream lacks: this node ends. Never rejects. */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#step
    await this.#advance()
  }

  async #advance(): Promise<void> {
    const { standing, learned, now } = this.#options
    this.#isBusy = true
    for (;;) {
      const stands = standing()
      const command = this.#keeper.next(stands && { ...stands, isStopping: this.#isStopping }, now())
      if (!command) break
      try {
        const count = this.#keeper.answered(await this.#execute(command), now())
        const history = this.#keeper.takeHistory()
        if (history) learned(history)
        if (count > 0) for (const listener of this.#listeners) listener(count)
      } catch {
        // Redis does not answer, or refuses: the node says so as for its log.
        this.#keeper.failed(now())
        break
      }
    }
    this.#isBusy = false
  }

  #execute(command: StreamCommand): Promise<Place | undefined | readonly StreamEntry[]> {
    const { stream } = this.#options
    if (command.do === 'end') return stream.end()
    return command.do === 'read' ? stream.read(command.after, command.count) : stream.store(command.request)
  }
}
