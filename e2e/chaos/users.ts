import { sleep } from '@who-is-online/testing/client'
import type { Choice } from './choices.ts'
import type { Judge, Leaving } from './judge.ts'
import { Line, type Message, type Version } from './line.ts'

/** What the users of a run share. */
export interface Town {
  readonly url: string
  /** Every judge of this run is told the same facts. */
  readonly judges: readonly Judge[]
  /** Time in which the server ran and was not suspended, in ms. */
  awake(): number
  /** Whether the server runs now. */
  isRunning(): boolean
  /** Names the clock of the server: another text after each change, which begins with `right` while it is right. */
  clock(): string
  /** Whether the run is over, so that users do nothing more. */
  isOver(): boolean
  /** Told when the server closes the connection of a client that answers. */
  onCut(userId: string, code: number): void
}

/** Between two choices of a user: twice as long as the pace of visible changes allows. */
const CHOICE_EVERY_MS: [number, number] = [7_000, 11_000]
const STATUSES = ['online', 'busy', 'away']

/** A close code that a server has no reason to send to a client that answers. */
const isCut = (code: number) => (code >= 4400 && code < 4500) || code === 4508

/** A user who is there all the time, comes back after an outage, and chooses now and then. */
export class Steady {
  readonly line: Line
  /** Oldest first. */
  readonly choices: Choice[] = []
  /** Whether the client has come back since the last start of the server. */
  isBack = false
  readonly #town: Town
  readonly #random: () => number
  /** The last choice that was acknowledged, as the SDK says it again: with its time by the server's clock. */
  #acknowledged: { index: number; at: string } | undefined
  /** Requests that are not answered yet, by `id`. v1 has no ids: there replies come in order. */
  readonly #waiting = new Map<string, number>()
  #isKnown = false

  constructor(town: Town, userId: string, version: Version, random: () => number) {
    this.#town = town
    this.#random = random
    this.line = new Line({
      url: town.url,
      version,
      userId,
      random,
      query: () => this.#query(),
      onWelcome: () => this.#welcomed(),
      onMessage: message => this.#take(message),
      onClose: code => {
        if (isCut(code)) town.onCut(userId, code)
      },
    })
  }

  /** Connects, and chooses now and then until the run is over. */
  async live(): Promise<void> {
    this.line.open()
    while (!this.#town.isOver()) {
      await sleep(pick(this.#random, CHOICE_EVERY_MS))
      if (this.line.isOpen && this.#waiting.size === 0 && !this.#town.isOver()) this.#choose()
    }
  }

  #query(): Record<string, string> {
    const { userId, version } = this.line
    const own: Record<string, string> = version === 'v2' ? { sessionId: `${userId}-tab` } : {}
    if (!this.#acknowledged) return own
    const { status = 'online' } = this.choices[this.#acknowledged.index] ?? {}
    return { ...own, status, ...(version === 'v2' && { chosenAt: this.#acknowledged.at }) }
  }

  #welcomed(): void {
    this.isBack = true
    this.#waiting.clear()
    if (!this.#isKnown) {
      this.#isKnown = true
      for (const judge of this.#town.judges) judge.present(this.line.userId, this.#town.awake())
    }
    // A text is never in a URL: it is the first message.
    if (this.line.version === 'v2' && this.#acknowledged) this.#say(this.#acknowledged.index, 'again')
  }

  #choose(): void {
    const { version } = this.line
    const status =
      version === 'v1' ? 'online' : (STATUSES[Math.floor(this.#random() * STATUSES.length)] ?? 'online')
    const index = this.choices.push({ status }) - 1
    this.line.send({ type: 'identify', username: `name-${index}` })
    this.#waiting.set(version === 'v1' ? 'v1' : String(index), index)
    this.#say(index, String(index))
  }

  #say(index: number, id: string): void {
    const { status } = this.choices[index] ?? {}
    this.line.send({
      type: 'set_status',
      status,
      ...(this.line.version === 'v2' && { text: `text-${index}`, id }),
    })
  }

  #take({ type, id, timestamp }: Message): void {
    if (type !== 'status_updated') return
    const key = this.line.version === 'v1' ? 'v1' : String(id)
    const index = this.#waiting.get(key)
    if (index === undefined) return
    this.#waiting.delete(key)
    const choice = this.choices[index]
    if (choice) choice.acknowledgedAt = performance.now()
    this.#acknowledged = { index, at: timestamp }
  }
}

/** A user who appears offline by choice, and loses the line now and then for longer than the grace. */
export class Hidden {
  readonly line: Line
  readonly #town: Town
  readonly #random: () => number
  #at: string | undefined

  /** @param says whether the URL repeats the choice; if not, the server has to remember it */
  constructor(
    town: Town,
    userId: string,
    version: Version,
    { says, random }: { says: boolean; random: () => number },
  ) {
    this.#town = town
    this.#random = random
    this.line = new Line({
      url: town.url,
      version,
      userId,
      random,
      query: () =>
        says ? { status: 'offline', ...(version === 'v2' && this.#at && { chosenAt: this.#at }) } : {},
      onWelcome: () => {
        if (this.#at === undefined) this.line.send({ type: 'set_status', status: 'offline' })
      },
      onMessage: ({ type, timestamp }) => {
        if (type !== 'status_updated' || this.#at !== undefined) return
        this.#at = timestamp
        for (const judge of town.judges) judge.hidden(userId, town.awake())
      },
    })
  }

  async live(): Promise<void> {
    this.line.open()
    while (!this.#town.isOver()) {
      await sleep(pick(this.#random, [10_000, 25_000]))
      if (this.#at !== undefined && !this.#town.isOver()) this.line.lose(pick(this.#random, [6_000, 8_000]))
    }
  }
}

/** A user who comes and goes. */
export class Comer {
  readonly #town: Town
  readonly #random: () => number
  readonly userId: string
  readonly #version: Version
  /** Whether the user is there now, or has just left. */
  line: Line | undefined
  /** When the user left, while the clock of the server was right: what `lastSeen` is about, in ms by the wall clock. */
  leftAt: number | undefined

  constructor(town: Town, userId: string, version: Version, random: () => number) {
    this.#town = town
    this.#random = random
    this.userId = userId
    this.#version = version
  }

  async live(): Promise<void> {
    const town = this.#town
    const { judges } = town
    while (!town.isOver()) {
      const line = this.#come()
      await this.#until(() => line.isOpen)
      await sleep(pick(this.#random, [4_000, 12_000]))
      // A leaving that the server can't see now would be timed from when it can.
      await this.#until(() => line.isOpen && this.#town.isRunning())
      if (town.isOver()) return
      const how = leaving(this.#random())
      const [leftAt, clock] = [Date.now(), this.#town.clock()]
      this.leftAt = undefined
      for (const judge of judges) judge.left(this.userId, how, this.#town.awake())
      line.leave(how)
      await this.#until(() => judges[0]?.isGoneForAll(this.userId) || judges[0]?.isSettled(this.userId))
      if (clock.startsWith('right') && clock === this.#town.clock()) this.leftAt = leftAt
      await sleep(pick(this.#random, [1_000, 3_000]))
      line.destroy()
      if (town.isOver()) return
      this.leftAt = undefined
      for (const judge of judges) judge.returning(this.userId)
    }
  }

  #come(): Line {
    let isKnown = false
    const line = new Line({
      url: this.#town.url,
      version: this.#version,
      userId: this.userId,
      random: this.#random,
      onWelcome: () => {
        if (isKnown) return
        isKnown = true
        for (const judge of this.#town.judges) judge.present(this.userId, this.#town.awake())
      },
      onClose: code => {
        if (isCut(code)) this.#town.onCut(this.userId, code)
      },
    })
    this.line = line
    line.open()
    return line
  }

  async #until(isSo: () => boolean | undefined): Promise<void> {
    while (!isSo() && !this.#town.isOver()) await sleep(50)
  }
}

function leaving(random: number): Leaving {
  if (random < 0.45) return 'clean'
  return random < 0.8 ? 'reset' : 'silent'
}

function pick(random: () => number, [from, to]: [number, number]): number {
  return from + random() * (to - from)
}
