import fc from 'fast-check'
import { expect } from 'vitest'
import { NO_CHOICE } from '../../presence/choice.ts'
import { type Fact, presenceOf } from '../../presence/fact.ts'
import type { Entry, EntryKind, FactItem, Loaded, NodeFact, RegisterItem } from '../entry.ts'
import type { Applied, Combined, Fold } from '../fold.ts'
import { RedisModel } from '../redis.model.ts'
import { joinValue } from '../registers.ts'

// Random logs of three nodes. Each entry is one that the script accepts. A fold is compared with what stands in Redis.

const USERS = ['ann', 'bob', '__proto__']
export const NODES = ['a', 'b', 'c']
const userId = fc.constantFrom(...USERS)
const nodeFact: fc.Arbitrary<NodeFact | null> = fc.option(
  fc.record({
    p: fc.constantFrom(0 as const, 1 as const, 2 as const),
    n: fc.nat({ max: 2 }),
    h: fc.integer({ min: 1, max: 50 }),
    s: fc.constant({}),
  }),
  { freq: 3 },
)
const cause = fc.constantFrom(...(['opened', 'left', 'lost', 'chosen', 'expired', 'idle', 'active'] as const))
export const register: fc.Arbitrary<RegisterItem> = fc
  .record({
    kind: fc.constantFrom(...(['c', 'v', 'n', 's'] as const)),
    userId,
    stamp: fc.integer({ min: 1, max: 8 }),
    node: fc.constantFrom(...NODES),
    which: fc.nat({ max: 2 }),
  })
  .map(({ kind, userId, stamp, node, which }) => {
    const content = {
      c: [
        { status: 'busy', madeAt: 1 },
        { status: 'offline', madeAt: 2 },
        { status: 'online', madeAt: 0 },
      ],
      v: [{ status: 'busy', text: 'hi' }, { status: 'offline' }, { status: 'online' }],
      n: ['Ann', 'Bob', null],
      s: [5, 17, null],
    }[kind][which]
    return [`${kind}:${userId}`, joinValue({ stamp, node, json: JSON.stringify(content) })]
  })

export interface LogAct {
  readonly node: string
  readonly kind: Exclude<EntryKind, 'epoch'>
  readonly facts: readonly FactItem[]
  readonly registers: readonly RegisterItem[]
  readonly subject: string
}

const act: fc.Arbitrary<LogAct> = fc.record({
  node: fc.constantFrom(...NODES),
  kind: fc.oneof(
    { weight: 10, arbitrary: fc.constant('say' as const) },
    { weight: 6, arbitrary: fc.constantFrom('join' as const, 'end' as const, 'lost' as const) },
    { weight: 1, arbitrary: fc.constantFrom('beat' as const, 'left' as const) },
  ),
  facts: fc.array(fc.tuple(userId, nodeFact, cause), { maxLength: 3 }),
  registers: fc.array(register, { maxLength: 2 }),
  subject: fc.constantFrom(...NODES),
})

export const logActs = fc.array(act, { size: 'max', maxLength: 30 })

/** Plays acts with the model of Redis, and calls `then` after each entry. */
export function playLog(
  acts: readonly LogAct[],
  then: (redis: RedisModel, entry: Entry) => void,
): RedisModel {
  const redis = new RedisModel()
  const batches = new Map(NODES.map(node => [node, 0]))
  const empty = { format: 1, at: 0, facts: [], registers: [] } as const
  redis.append({ epoch: undefined, node: 'z', batch: 1, kind: 'epoch', newEpoch: 100, body: empty })
  then(redis, redis.log.at(-1) as Entry)
  for (const { node, kind, facts, registers, subject } of acts) {
    const batch = (batches.get(node) ?? 0) + 1
    const body = {
      format: 1,
      at: 200 + batch,
      facts,
      registers,
      ...(kind === 'lost' && { subject }),
    } as const
    const knownBatch = Number.POSITIVE_INFINITY
    if (kind === 'lost' && subject === node) continue
    const { reply } = redis.append({ epoch: 100, node, batch, kind, body, knownBatch })
    if (reply !== 'appended') continue
    batches.set(node, batch)
    then(redis, redis.log.at(-1) as Entry)
  }
  return redis
}

/** What stands in Redis about a user, combined in the simplest way. */
function combine({ facts, registers }: Pick<Loaded, 'facts' | 'registers'>, userId: string): Combined {
  const content = (kind: string) => JSON.parse(registers.get(`${kind}:${userId}`)?.split('|')[2] ?? 'null')
  const shown = [...facts.values()].flatMap(known => known.get(userId) ?? []).filter(({ p }) => p > 0)
  const isActive = shown.some(({ p }) => p === 1)
  const sessions = shown.length === 0 ? 'none' : isActive ? 'active' : 'idle'
  const choice = content('v') ?? NO_CHOICE
  const isVisible = sessions !== 'none' && choice.status !== 'offline'
  const lastSeen = isVisible ? Math.max(...shown.map(({ h }) => h)) : (content('s') ?? undefined)
  return { sessions, choice, lastSeen, username: content('n') ?? undefined }
}

/** Everything that a fold says. */
export const stateOf = (fold: Fold) => ({
  users: USERS.map(userId => fold.of(userId)),
  registers: [...fold.registers()].map(register => register.join(' ')).toSorted(),
  facts: [...fold.members()]
    .toSorted()
    .map(node => [node, [...fold.facts(node)].toSorted(([one], [other]) => (one < other ? -1 : 1))]),
})

/** The nodes that have begun to assert and have not ended. */
class Asserting {
  readonly nodes = new Set<string>()

  apply({ node, kind, body }: Entry): void {
    if (kind === 'join') this.nodes.add(node)
    if (kind === 'end') this.nodes.delete(node)
    if (kind === 'lost' && body.subject !== undefined) this.nodes.delete(body.subject)
  }
}

/** Sees only what a fold reports. */
class Watcher {
  readonly seen = new Map<string, object>()

  /** @throws Error if a fact is reported that makes no difference */
  apply({ facts, archived, forgotten }: Applied): void {
    for (const { userId } of archived) expect(this.seen.get(userId) ?? OFFLINE).toMatchObject(OFFLINE)
    for (const { userId, ...rest } of archived) this.seen.set(userId, { ...OFFLINE, ...rest })
    for (const fact of facts) {
      const next = seenOf(fact)
      expect(this.seen.get(fact.userId)).not.toEqual(next)
      this.seen.set(fact.userId, next)
    }
    for (const userId of forgotten) expect(this.seen.delete(userId)).toBe(true)
  }
}

const OFFLINE = { status: 'offline', text: undefined }
const seenOf = (fact: Combined | Fact) => {
  const { status, text } = presenceOf(fact)
  const { username } = fact
  // The time of a visible user grows without a report.
  return { status, text, username, ...(status === 'offline' && { lastSeen: fact.lastSeen }) }
}

type FoldClass = typeof Fold

/**
 * Compares a fold, at each place, with what stands in Redis, and with what it has reported.
 *
 * @returns how often nobody was asserting, so that all of Redis could be compared
 */
export function compareWithRedis(Fold: FoldClass, acts: readonly LogAct[]): number {
  let compared = 0
  const fold = new Fold()
  const watcher = new Watcher()
  const asserting = new Asserting()
  playLog(acts, (redis, entry) => {
    watcher.apply(fold.apply(entry))
    asserting.apply(entry)
    const isSettled = asserting.nodes.size === 0
    if (isSettled) compared++
    for (const userId of USERS) {
      const is = fold.of(userId)
      if (isSettled) expect(is).toEqual(combine(redis, userId))
      const seen = watcher.seen.get(userId)
      const isKnown = presenceOf(is).status !== 'offline' || is.lastSeen !== undefined
      // Nodes always say a time. A random log may lack it, and then the user was seen until the node was lost.
      if (isKnown) expect(seen).toEqual(seenOf(is))
      else expect(seen ?? OFFLINE).toMatchObject(OFFLINE)
    }
  })
  return compared
}

export interface LoadGame {
  readonly acts: readonly LogAct[]
  /** How many entries the fold had applied before it fell behind. */
  readonly known: number
  /** It takes time to load everything, and meanwhile the log grows: the first part is read here, … */
  readonly first: number
  /** … and the other parts so many entries later. */
  readonly after: number
  readonly later: number
}

export const loadGame: fc.Arbitrary<LoadGame> = fc.record({
  acts: logActs,
  known: fc.nat({ max: 20 }),
  first: fc.nat({ max: 20 }),
  after: fc.nat({ max: 4 }),
  later: fc.nat({ max: 4 }),
})

/**
 * Compares a fold that was loaded with a fold of the whole log, as soon as no node asserts that did so while it was
 * loaded.
 *
 * @returns how often they were compared
 */
export function compareLoaded(Fold: FoldClass, { acts, known, first, after, later }: LoadGame): number {
  let compared = 0
  const loads: Loaded[] = []
  const redis = playLog(acts, redis => loads.push(redis.load()))
  const places = [first, first + after, first + after + later].map(n => Math.min(n, loads.length - 1))
  const [begin, middle, end] = places.map(place => loads[place]) as [Loaded, Loaded, Loaded]
  const [firstPlace, , lastPlace] = places as [number, number, number]
  const loaded = { ...begin, facts: middle.facts, registers: end.registers }
  const [whole, part] = [new Fold(), new Fold()]
  const [seenByAll, seenByPart] = [new Watcher(), new Watcher()]
  const all = new Asserting()
  const asserting = new Set<string>()
  redis.log.forEach((entry, place) => {
    seenByAll.apply(whole.apply(entry))
    all.apply(entry)
    if (place < firstPlace) {
      if (place < known) seenByPart.apply(part.apply(entry))
      return
    }
    seenByPart.apply(place === firstPlace ? part.load(loaded, 0, true) : part.apply(entry))
    if (place <= lastPlace) for (const node of all.nodes) asserting.add(node)
    for (const node of asserting) if (!all.nodes.has(node)) asserting.delete(node)
    if (place < lastPlace || asserting.size > 0) return
    compared++
    expect(stateOf(part)).toEqual(stateOf(whole))
  })
  return compared
}
