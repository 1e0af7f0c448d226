import { decodeChanges, type StreamEntry } from '../../../changes/change-stream.ts'
import type { Place as ChangePlace } from '../../../changes/feed.ts'
import type { StreamCommand } from '../../../changes/stream-keeper.ts'
import { lineOf, linesOf } from '../../../changes/testing/copy.ts'
import type { Entry, Place } from '../../entry.ts'
import { SHOWN_USERS, type SimulatedCluster } from '../simulated-cluster.ts'
import type { SimulatedNode } from '../simulated-node.ts'

/** How often the reader reads what is new. */
const READ_MS = 500

/**
 * A reader of the stream of changes, which knows nothing else: what it has folded is what all nodes showed at that
 * place. If the stream does not continue where the reader is, it begins again with what a node showed.
 */
export class StreamCheck {
  readonly #cluster: SimulatedCluster
  /** What settled nodes showed, by the place as `EPOCH-SEQ`. */
  readonly #shown = new Map<string, readonly string[]>()
  /** The last of these places in each epoch. */
  readonly #lastShown = new Map<string, number[]>()
  readonly #views = new WeakMap<SimulatedNode, readonly string[]>()
  #copy = new Map<string, string>()
  #place: ChangePlace | undefined
  /** How many changes were folded, and how often the reader had to begin again within an epoch. */
  folded = 0
  gaps = 0

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
  }

  start(): void {
    this.#read()
    this.#cluster.time.after(READ_MS, () => this.start())
  }

  /** At the end, the stream has all changes. */
  checkEnd(): void {
    const { stream } = this.#cluster.redis
    const at = this.#cluster.nodes[0]?.member.place
    if (!at || stream.end?.epoch !== `${at.epoch}` || stream.end.seq < at.seq - 10)
      this.#cluster.violated(
        `the changes end at ${JSON.stringify(stream.end)}, the log at ${JSON.stringify(at)}`,
      )
    this.#read()
  }

  loaded(node: SimulatedNode): void {
    this.#views.delete(node)
  }

  /** A node has read everything up to a place. */
  reached(node: SimulatedNode, { kind, body }: Entry, place: Place): void {
    if (kind !== 'beat' || body.facts.length + body.registers.length > 0) this.#views.delete(node)
    if (!node.member.canResumeFrom(place)) return
    const views = this.#views.get(node) ?? viewOf(node)
    this.#views.set(node, views)
    const epoch = `${place.epoch}`
    this.#shown.set(`${epoch}-${place.seq}`, views)
    const seqs = this.#lastShown.get(epoch) ?? []
    this.#lastShown.set(epoch, seqs)
    if (place.seq > (seqs.at(-1) ?? 0)) seqs.push(place.seq)
  }

  /** A node was answered. If it has begun another stream in the same epoch, no other node knew what was missing. */
  stored(node: SimulatedNode, command: StreamCommand): void {
    if (command.do !== 'store' || command.request.beginAt === undefined) return
    const { expected, to } = command.request
    const { end } = this.#cluster.redis.stream
    if (!expected || expected.epoch !== to.epoch || end?.seq !== to.seq) return
    const at = { epoch: Number(expected.epoch), seq: expected.seq }
    const knows = this.#cluster
      .running()
      .filter(({ isCalm, member }) => isCalm && !member.isAway && member.canResumeFrom(at))
    if (knows.length === 0) return
    this.#cluster.violated(
      `${node.id} begins another stream of changes after ${expected.seq}, but ${knows.map(({ id }) => id)} know more`,
    )
  }

  #read(): void {
    const { stream } = this.#cluster.redis
    const { end } = stream
    if (!end) return
    const place = this.#place
    const isSameEpoch = place?.epoch === end.epoch
    const entries = place && isSameEpoch ? stream.read(place, 10_000) : []
    if (!place || !isSameEpoch || place.seq > end.seq || !continues(place, entries)) {
      if (isSameEpoch) this.gaps++
      return this.#begin(end)
    }
    for (const entry of entries) {
      for (const change of decodeChanges(entry) ?? this.#cluster.violated(`${entry.content} is no change`)) {
        this.folded++
        if (change.status === 'offline') this.#copy.delete(change.userId)
        else this.#copy.set(change.userId, lineOf(change))
      }
    }
    this.#place = end
    this.#compare(end)
  }

  /** Begins with what all nodes showed at a place that the stream has. */
  #begin(end: ChangePlace): void {
    const first = this.#cluster.redis.stream.entries[0]?.after ?? end.seq
    const seq = this.#lastShown.get(end.epoch)?.findLast(seq => seq >= first && seq <= end.seq)
    this.#place = undefined
    if (seq === undefined) return
    this.#place = { epoch: end.epoch, seq }
    const shown = this.#shown.get(`${end.epoch}-${seq}`) ?? []
    this.#copy = new Map(shown.map(line => [line.split(' ')[0] as string, line]))
  }

  #compare({ epoch, seq }: ChangePlace): void {
    const shown = this.#shown.get(`${epoch}-${seq}`)
    const copy = [...this.#copy.values()].sort()
    if (!shown || shown.join('\n') === copy.join('\n')) return
    this.#cluster.violated(
      `at ${epoch}-${seq} the stream says\n${copy.join('\n')}\nbut it is\n${shown.join('\n')}`,
    )
  }
}

function continues(place: ChangePlace, entries: readonly StreamEntry[]): boolean {
  return entries.every(({ after }, index) => {
    const before = entries[index - 1]
    return before ? after === before.seq : after <= place.seq
  })
}

/** Who is not offline on a node. */
function viewOf(node: SimulatedNode): string[] {
  return linesOf(SHOWN_USERS.map(userId => node.see(userId)))
}
