/** A repeatable source of random numbers (mulberry32). */
export class Random {
  #state: number

  constructor(seed: number) {
    this.#state = seed >>> 0
  }

  /** At least 0, less than 1. */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let mixed = this.#state
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }

  /** A whole number from `from` to `to`. */
  between(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1))
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** @throws Error if the list is empty */
  pick<Item>(items: readonly Item[]): Item {
    const item = items[Math.floor(this.next() * items.length)]
    if (item === undefined) throw new Error('nothing to pick from')
    return item
  }

  shuffled<Item>(items: Iterable<Item>): Item[] {
    return Array.from(items, item => ({ item, key: this.next() }))
      .sort((one, other) => one.key - other.key)
      .map(({ item }) => item)
  }
}

interface Event {
  readonly at: number
  readonly order: number
  readonly run: () => void
}

/** One simulation has about 20,000 events. An endless loop has more. */
const MAX_EVENTS = 1_000_000

/** Events by virtual ms, in a binary heap. Events of the same time run in the order in which they were added. */
export class VirtualTime {
  now = 0
  #heap: Event[] = []
  #count = 0
  #ran = 0
  #isSettling = false

  /** Before the next event, everything that waits for a promise that is resolved by now runs. */
  settle(): void {
    this.#isSettling = true
  }

  at(time: number, run: () => void): void {
    const event = { at: Math.max(time, this.now), order: this.#count++, run }
    const heap = this.#heap
    let index = heap.length
    heap.push(event)
    while (index > 0) {
      const parent = (index - 1) >> 1
      if (isFirst(heap[parent] as Event, event)) break
      heap[index] = heap[parent] as Event
      index = parent
    }
    heap[index] = event
  }

  after(ms: number, run: () => void): void {
    this.at(this.now + ms, run)
  }

  /** Runs all events up to a time. */
  async runUntil(time: number): Promise<void> {
    for (;;) {
      const first = this.#heap[0]
      if (!first || first.at > time) break
      this.#removeFirst()
      this.now = first.at
      if (++this.#ran > MAX_EVENTS) throw new Error('too many events')
      first.run()
      while (this.#isSettling) {
        this.#isSettling = false
        await Promise.resolve()
      }
    }
    this.now = time
  }

  #removeFirst(): void {
    const heap = this.#heap
    const last = heap.pop() as Event
    if (heap.length === 0) return
    let index = 0
    for (;;) {
      let child = 2 * index + 1
      if (child >= heap.length) break
      const right = child + 1
      if (right < heap.length && isFirst(heap[right] as Event, heap[child] as Event)) child = right
      if (isFirst(last, heap[child] as Event)) break
      heap[index] = heap[child] as Event
      index = child
    }
    heap[index] = last
  }
}

function isFirst(one: Event, other: Event): boolean {
  return one.at < other.at || (one.at === other.at && one.order < other.order)
}
