import { isPlain, NO_CHOICE } from '../presence/choice.ts'
import type { PresenceRecord } from '../presence/record.ts'
import { choiceJson } from './compose.ts'
import { isLeasedOnly, type NodeFact, type RegisterItem } from './entry.ts'
import type { Fold } from './fold.ts'
import { storedLeases } from './leases.ts'
import { joinValue } from './registers.ts'

// What a state file and the registers of a cluster have in common. A single node becomes a cluster, and back.

/**
 * Stands for the node in values that come from a state file. It is always the same, so an import that is repeated
 * writes the same values.
 */
const IMPORTED = 'import'

/** The stamp of a value has 15 digits, and 0 means that there is no value. */
const [MIN_STAMP, MAX_STAMP] = [1, 999_999_999_999_999]

/**
 * The registers of a stored user, without the sessions. The stamps are the times in the record: a value that a cluster
 * has written later is greater, and stays.
 */
export function registersOf(record: PresenceRecord): RegisterItem[] {
  const { userId, lastSeen, unseen, username, chosenAt, expiresAt, text, status } = record
  const registers: RegisterItem[] = []
  const add = (kind: 'c' | 'n' | 's', json: string, at: number) => {
    const stamp = Math.min(Math.max(at, MIN_STAMP), MAX_STAMP)
    registers.push([`${kind}:${userId}`, joinValue({ stamp, node: IMPORTED, json })])
  }
  // Without a session, a choice is kept only if it has an end, or for some time if it hides the user.
  const isKept = record.session !== 'none' || expiresAt !== undefined || record.keptHidden === true
  const choice = isKept ? { status, text, expiresAt } : NO_CHOICE
  if (chosenAt !== undefined || !isPlain(choice)) {
    add('c', choiceJson(choice, chosenAt ?? 0), chosenAt ?? lastSeen)
  }
  if (unseen) return registers
  if (username !== undefined) add('n', JSON.stringify(username), lastSeen)
  add('s', JSON.stringify(lastSeen), lastSeen)
  return registers
}

/** What the nodes of a cluster say of its users, and when each node has last written. */
export interface ClusterUsers {
  readonly fold: Pick<Fold, 'of' | 'chosen' | 'choiceOf' | 'members' | 'facts'>
  /** A lower bound of the last sign of life of the connections of a node, in ms since the epoch. */
  readonly aliveAt: (node: string) => number
  /** The time, in ms since the epoch. It stands for times that nobody knows. */
  readonly now: number
}

/**
 * The record of a user, for a single node. Users with a session are as after a crash: the single node holds them until
 * its restart grace is over. `undefined` if nothing has to be kept.
 */
export function recordOf(userId: string, { fold, aliveAt, now }: ClusterUsers): PresenceRecord | undefined {
  const facts: (readonly [node: string, fact: NodeFact])[] = []
  for (const node of fold.members()) {
    const fact = fold.facts(node).get(userId)
    if (fact) facts.push([node, fact])
  }
  const isHere = facts.length > 0
  const known = isHere ? fold.chosen(userId) : fold.choiceOf(userId)
  const choice = known?.choice ?? NO_CHOICE
  const { lastSeen: seen, username } = fold.of(userId)
  if (!isHere && seen === undefined && isPlain(choice)) return undefined
  const isVisible = isHere && choice.status !== 'offline'
  const signs = isVisible ? facts.map(([node, { n, h }]) => Math.max(h, n > 0 ? aliveAt(node) : 0)) : []
  const isKept = isHere || !isPlain(choice)
  const leases = storedLeases(
    facts.map(([, fact]) => fact),
    now,
  )
  return {
    userId,
    session: !isHere ? 'none' : sessionOf(facts.map(([, fact]) => fact)),
    ...(leases.length > 0 && { leases }),
    status: isKept ? choice.status : 'offline',
    lastSeen: signs.length > 0 ? Math.max(seen ?? 0, ...signs) : (seen ?? known?.madeAt) || now,
    ...(isKept && choice.text !== undefined && { text: choice.text }),
    ...(isKept && choice.expiresAt !== undefined && { expiresAt: choice.expiresAt }),
    ...(isKept && known !== undefined && known.madeAt > 0 && { chosenAt: known.madeAt }),
    ...(!isHere && choice.status === 'offline' && { keptHidden: true as const }),
    ...(isHere && facts.every(([, { p }]) => p === 2) && { idle: true as const }),
    ...(seen === undefined && !isVisible && { unseen: true as const }),
    ...(username !== undefined && { username }),
  }
}

function sessionOf(facts: readonly NodeFact[]): 'live' | 'leased' | 'held' {
  if (facts.some(({ n }) => n > 0)) return 'live'
  return facts.every(isLeasedOnly) ? 'leased' : 'held'
}
