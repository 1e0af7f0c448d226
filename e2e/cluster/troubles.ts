/** What is in trouble: a node, by its index, or Redis, which all nodes need. */
export type Target = number | 'redis'

/** Why a node has ended. */
export type EndKind = 'killed' | 'stopped'

/** A time in which a node or Redis did not work as usual. Times are those of `performance.now`. */
interface Trouble {
  readonly target: Target
  /** `frozen`: the process stood still. `cut`: a node did not reach Redis. `slow`: it did, but late. */
  readonly kind: 'frozen' | 'cut' | 'slow' | 'lost'
  readonly from: number
  /** `undefined` while it lasts. */
  to: number | undefined
}

/** A node that does not write for longer than this may be taken for lost, in ms. It is less than nine beats. */
const LOST_MS = 8_000
/** After a suspension of this length, a node holds lost sessions for longer, in ms. A little less is accepted. */
const SUSPENSION_MS = 4_800

/** What was in trouble, and when. */
export class Troubles {
  readonly #all: Trouble[] = []
  readonly #ends: { readonly node: number; readonly kind: EndKind; readonly at: number }[] = []

  /** Returns a function that says when the trouble is over. */
  begin(target: Target, kind: Trouble['kind'], from: number): (at: number) => void {
    const trouble: Trouble = { target, kind, from, to: undefined }
    this.#all.push(trouble)
    return at => {
      trouble.to = at
    }
  }

  /** A node was ended. */
  ended(node: number, kind: EndKind, at: number): void {
    this.#ends.push({ node, kind, at })
  }

  /** When a node ended last in a time, and how. */
  endIn(node: number, from: number, to: number): { readonly kind: EndKind; readonly at: number } | undefined {
    return this.#ends.findLast(end => end.node === node && end.at >= from && end.at <= to)
  }

  /**
   * When the last trouble of a node or of Redis was over that lasted at some time between `from` and `to`. `Infinity`
   * if it lasts; `undefined` if there was none.
   */
  healedIn(node: number, from: number, to: number): number | undefined {
    let last: number | undefined
    for (const trouble of this.#of(node)) {
      const over = trouble.to ?? Number.POSITIVE_INFINITY
      if (trouble.from <= to && over >= from) last = Math.max(last ?? 0, over)
    }
    return last
  }

  /**
   * The place in time up to which a node must have read the log at `at`: the begin of what troubles it, or has troubled
   * it until `afterMs` before.
   */
  knowsUntil(node: number, at: number, afterMs: number): number {
    let until = at
    // A trouble may follow another one before the node has caught up.
    for (const trouble of this.#of(node).toReversed()) {
      const over = trouble.to ?? Number.POSITIVE_INFINITY
      if (trouble.from <= until && over + afterMs >= until) until = trouble.from
    }
    return until
  }

  /** Whether others may have taken a node for lost at some time between `from` and `to`. */
  mayBeLostIn(node: number, from: number, to: number, afterMs: number): boolean {
    return this.#all.some(trouble => {
      if (trouble.target !== node || (trouble.kind !== 'frozen' && trouble.kind !== 'cut')) return false
      const over = trouble.to ?? Number.POSITIVE_INFINITY
      return over - trouble.from > LOST_MS && trouble.from + LOST_MS <= to && over + afterMs >= from
    })
  }

  /** When the last long suspension of a node was over that lasted at some time between `from` and `to`. */
  suspendedUntil(node: number, from: number, to: number): number | undefined {
    let last: number | undefined
    for (const { target, kind, from: begin, to: over = Number.POSITIVE_INFINITY } of this.#all) {
      if (target !== node || kind !== 'frozen' || over - begin < SUSPENSION_MS) continue
      if (begin <= to && over >= from) last = Math.max(last ?? 0, over)
    }
    return last
  }

  /** When the last trouble was over. `Infinity` while one lasts. */
  get lastHealed(): number {
    return Math.max(0, ...this.#all.map(({ to = Number.POSITIVE_INFINITY }) => to))
  }

  #of(node: number): Trouble[] {
    return this.#all.filter(({ target }) => target === node || target === 'redis')
  }
}
