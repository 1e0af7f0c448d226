import type { Entry, Loaded, NodeId } from './entry.ts'

/** A member is lost when it has missed this many beats, in beats of the judge. */
const LOST_AFTER_BEATS = 9
/** The same for a member that stops: its clients get more time to connect to other nodes. */
const LOST_AFTER_BEATS_IF_LEFT = 15
/** A member that has missed this many beats does nothing for the others. If it was the eldest, the next one does. */
const SILENT_AFTER_BEATS = 3
/** How long clients may take to come back after all nodes have restarted, in ms. */
export const RESTART_GRACE_MS = 30_000
/** How far apart beats are. */
export const BEAT_MS = 1_000
/** After a break in the connection, own beats may be closer: then they count as one. */
const CLOSE_MS = 900

interface Known {
  /** The number of its last batch. */
  batch: number
  /** The number that must follow; `undefined` if any may. */
  next: number | undefined
  /** How many own beats were read back that were composed at least a second after `lastAt`. */
  missed: number
  /** When this node has read its last entry, or learned of it, in ms since the epoch by the clock of Redis. */
  lastAt: number
  /** When it joined first; `undefined` if that is not known. */
  since: number | undefined
  hasLeft: boolean
  /** Whether it has left, or is about to. */
  isStopping: boolean
  /** When it has left, by the clock of Redis, if that was before this node loaded. */
  leftBefore: number | undefined
  /**
   * Whether the facts of the node are complete here: it has asserted them in this epoch, or this node has read all that
   * it ever said.
   */
  isComplete: boolean
  /**
   * Whether the node has nothing to add to what was written back in this epoch: it has said so, or it has stopped.
   */
  hasCompared: boolean
}

type Aged = readonly [node: NodeId, known: Pick<Known, 'since'>]

/** Whether one node joined before another one. A node whose age is not known counts as older. */
function isOlder([one, { since = Number.NEGATIVE_INFINITY }]: Aged, [other, known]: Aged): boolean {
  const { since: otherSince = Number.NEGATIVE_INFINITY } = known
  return since < otherSince || (since === otherSince && one < other)
}

/**
 * The members of the cluster, as the log tells. Whether a member is lost is counted in own beats that were read back,
 * not in time: when Redis or this node stops, there are no beats, and nobody is judged.
 */
export class Members {
  readonly #known = new Map<NodeId, Known>()
  #beatAt = 0
  #isWrittenBack = false

  /**
   * Whether a node that joined at `since` is the eldest member of those that write. One that is silent may be dead, and
   * it takes longer until it is lost. If it comes back, two members are the eldest for a moment: that harms nothing.
   *
   * @param isLeftOut whether members that have said that they stop, or are about to, do not count
   */
  isEldest(own: NodeId, since: number, isLeftOut = false): boolean {
    for (const [node, known] of this.#known) {
      if (isLeftOut && known.isStopping) continue
      if (node === own || known.missed >= SILENT_AFTER_BEATS) continue
      if (isOlder([node, known], [own, { since }])) return false
    }
    return true
  }

  /**
   * Whether a member has written back, in this epoch, what Redis may have lost. Usually that is the eldest member. It
   * need not be: the others write back what that member did not know.
   */
  get isWrittenBack(): boolean {
    return this.#isWrittenBack
  }

  /** Whether all members have said, in this epoch, all that they know. */
  get areComplete(): boolean {
    for (const { isComplete, hasCompared, hasLeft } of this.#known.values()) {
      if (!isComplete || !(hasCompared || hasLeft)) return false
    }
    return true
  }

  /** The last batch of a member that this node knows of. */
  batchOf(node: NodeId): number {
    return this.#known.get(node)?.batch ?? 0
  }

  /** Takes an entry that was read at `at`. Returns whether an earlier batch of the node is missing in the log. */
  read({ node, batch, kind, body }: Entry, at: number): boolean {
    const known = this.#known.get(node)
    const next = known?.next ?? batch
    const isComplete = kind === 'beat' || kind === 'end' || (known ? known.isComplete : kind === 'join')
    this.#known.set(node, {
      batch: Math.max(batch, known?.batch ?? 0),
      next: Math.max(batch + 1, next),
      missed: 0,
      lastAt: at,
      since: body.since ?? known?.since,
      leftBefore: known?.leftBefore,
      hasLeft: kind === 'left' || (known?.hasLeft === true && kind !== 'join'),
      isStopping: body.hands === true || kind === 'left' || (known?.isStopping === true && kind !== 'join'),
      isComplete,
      // A node that finds something to add asserts again.
      hasCompared: body.isComplete === true || (known?.hasCompared === true && kind !== 'join'),
    })
    if (body.isComplete === true) this.#isWrittenBack = true
    return batch > next
  }

  /**
   * An own beat was read back, which was composed at `at`. It may have been on its way for long, so its time is
   * compared with the times of the entries.
   */
  beat(at: number): void {
    if (at < this.#beatAt + CLOSE_MS) return
    this.#beatAt = at
    for (const known of this.#known.values()) if (at >= known.lastAt + BEAT_MS) known.missed++
  }

  /** How many own beats were read back since the last entry of a member. */
  missedBeats(node: NodeId): number {
    return this.#known.get(node)?.missed ?? 0
  }

  /**
   * The members that are lost, if a member may miss at least this many beats.
   *
   * @param more how many beats more they must have missed
   */
  silent(atLeast = 0, more = 0): NodeId[] {
    const silent: NodeId[] = []
    for (const [node, { missed, hasLeft, leftBefore = this.#beatAt }] of this.#known) {
      const isTimeOver = !hasLeft || this.#beatAt - leftBefore >= LOST_AFTER_BEATS_IF_LEFT * BEAT_MS
      const beats = isTimeOver ? LOST_AFTER_BEATS : LOST_AFTER_BEATS_IF_LEFT
      if (missed >= Math.max(beats, atLeast) + more) silent.push(node)
    }
    return silent
  }

  /** Whether no member that this node has heard of joined before this time. */
  haveJoinedAfter(time: number): boolean {
    for (const { since } of this.#known.values()) if (since !== undefined && since <= time) return false
    return true
  }

  lost(node: NodeId): void {
    this.#known.delete(node)
  }

  /** Writes may be missing, so any batch may follow. All members assert, and have time for that. */
  newEpoch(at: number): void {
    this.#isWrittenBack = false
    for (const known of this.#known.values()) {
      Object.assign(known, { next: undefined, missed: 0, lastAt: at, isComplete: false, hasCompared: false })
    }
  }

  /**
   * Compares with the members that Redis knows. Unknown members are added: those that are gone will not write, and
   * are lost then. The same holds for a member that has written more than this node has read.
   */
  audit(nodes: ReadonlyMap<NodeId, number>, at: number): void {
    for (const [node, batch] of nodes) {
      const known = this.#known.get(node)
      if (!known) this.#add(node, { batch, next: undefined, since: undefined, at })
      else if (batch > known.batch) Object.assign(known, { batch, missed: 0, lastAt: at })
    }
  }

  /**
   * Replaces all members by those that Redis knows, at a time of the clock of Redis. A member that has stopped in this
   * epoch will say nothing more, and had said everything before.
   */
  load({ nodes, abouts, epoch }: Pick<Loaded, 'nodes' | 'abouts' | 'epoch'>, at: number): void {
    const before = new Map(this.#known)
    this.#known.clear()
    this.#isWrittenBack = false
    for (const [node, batch] of nodes) {
      this.#add(node, { batch, next: batch + 1, since: before.get(node)?.since, at })
      const left = abouts.get(node)?.left
      if (left === undefined) continue
      const isComplete = left >= (epoch ?? left)
      Object.assign(this.#known.get(node) as Known, {
        hasLeft: true,
        isStopping: true,
        leftBefore: left,
        isComplete,
      })
    }
  }

  #add(
    node: NodeId,
    { at, ...known }: Pick<Known, 'batch' | 'next' | 'since'> & { readonly at: number },
  ): void {
    this.#known.set(node, {
      ...known,
      missed: 0,
      lastAt: at,
      hasLeft: false,
      isStopping: false,
      leftBefore: undefined,
      isComplete: false,
      hasCompared: false,
    })
  }
}
