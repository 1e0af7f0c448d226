import type { UserId } from '@who-is-online/protocol/words'
import { readNumber } from './append.ts'
import type {
  AppendReply,
  AppendRequest,
  Entry,
  Loaded,
  NodeAbout,
  NodeFact,
  NodeId,
  Place,
} from './entry.ts'
import { isRemoval } from './entry.ts'
import { isBefore, isTime, usableEnd } from './place.ts'

/** What Redis holds and `append.lua` does, in the simplest form. The simulator runs on it; the suite compares both. */
export class RedisModel {
  log: Entry[] = []
  /** The place of the last entry, also if the log was trimmed since. */
  end: Place | undefined
  epoch: number | undefined
  server: string | undefined
  nodes = new Map<NodeId, number>()
  abouts = new Map<NodeId, NodeAbout>()
  facts = new Map<NodeId, Map<UserId, NodeFact>>()
  registers = new Map<string, string>()

  /** @throws Error if the entry would not be after all others. Then nothing has changed. */
  append(request: AppendRequest): AppendReply {
    const { epoch, node, batch, kind, body, knownBatch = 0, newEpoch = 0, oldest } = request
    const last = this.nodes.get(node)
    if (last !== undefined && last >= batch) return { reply: 'duplicate', batch: last }
    const isFirst = epoch === undefined && kind !== 'epoch'
    if (epoch !== this.epoch || isFirst) return { reply: 'epoch', epoch: this.epoch }
    if (last === undefined && kind !== 'join' && kind !== 'epoch') return { reply: 'lost' }
    const { subject } = body
    if (kind === 'lost' && subject !== undefined && (this.nodes.get(subject) ?? 0) > knownBatch) {
      return { reply: 'alive' }
    }
    // No epoch can follow such a number of another program.
    if (kind === 'epoch' && this.end && !isTime(this.end.epoch)) {
      this.log = []
      this.end = undefined
    }
    const place = this.#nextPlace(kind === 'epoch' ? newEpoch : undefined)
    if (this.end && !isBefore(this.end, place)) throw new Error('the epoch is not after the last entry')
    this.log.push({ place, node, batch, kind, body })
    if (oldest) this.log = this.log.filter(entry => !isBefore(entry.place, oldest))
    this.end = place
    this.epoch = place.epoch
    if (kind === 'epoch') this.server = request.server ?? ''
    this.nodes.set(node, batch)
    if (body.about) this.abouts.set(node, body.about)
    if (kind === 'join') this.facts.delete(node)
    this.#keep(request)
    if (kind === 'lost' && subject !== undefined) {
      this.nodes.delete(subject)
      this.abouts.delete(subject)
      this.facts.delete(subject)
    }
    return { reply: 'appended', place }
  }

  /** Another program writes a row of the nodes: of a member, or `epoch`. What no node can have written is absent. */
  writeRow(field: string, text: string): void {
    const number = readNumber(text)
    if (field === 'epoch') this.epoch = number
    else if (number === undefined) this.nodes.delete(field)
    else this.nodes.set(field, number)
  }

  /** Another program adds an entry. */
  writeEntry(place: Place): void {
    const body = { format: 1, at: 0, facts: [], registers: [] } as const
    this.log.push({ place, node: '', batch: 0, kind: 'unknown', body })
    this.end = place
  }

  /** At most `count` entries after a place. */
  read(after: Place, count: number): Entry[] {
    return this.log.filter(({ place }) => isBefore(after, place)).slice(0, count)
  }

  /** Whether the log still has the entry at a place. */
  has(place: Place): boolean {
    return this.log.some(entry => entry.place.epoch === place.epoch && entry.place.seq === place.seq)
  }

  load(): Loaded {
    return structuredClone({
      end: usableEnd(this.end),
      epoch: this.epoch,
      server: this.server,
      nodes: this.nodes,
      abouts: this.abouts,
      facts: this.facts,
      registers: this.registers,
    })
  }

  #keep({ node, body }: AppendRequest): void {
    const own = this.facts.get(node) ?? new Map<UserId, NodeFact>()
    for (const [userId, fact] of body.facts) {
      if (fact === null) own.delete(userId)
      else own.set(userId, fact)
    }
    if (own.size > 0) this.facts.set(node, own)
    else this.facts.delete(node)
    for (const [key, value] of body.registers) {
      if (value <= (this.registers.get(key) ?? '')) continue
      if (isRemoval(value)) this.registers.delete(key)
      else this.registers.set(key, value)
    }
  }

  #nextPlace(newEpoch: number | undefined): Place {
    if (newEpoch !== undefined) return { epoch: newEpoch, seq: newEpoch }
    // Another program may have written a later place.
    const { epoch, seq } = this.end as Place
    return { epoch: this.epoch ?? epoch, seq: epoch === this.epoch ? seq + 1 : 0 }
  }
}
