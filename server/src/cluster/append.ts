import type {
  AppendReply,
  AppendRequest,
  Entry,
  EntryBody,
  EntryKind,
  NodeAbout,
  NodeFact,
  NodeId,
  Place,
} from './entry.ts'
import { isTime, isWhole, usableEnd } from './place.ts'
import { splitValue } from './registers.ts'

/** The names of the keys in Redis. */
export interface RedisKeys {
  readonly log: string
  readonly nodes: string
  readonly users: string
  /** For a test of the permissions. It does not stay. */
  readonly probe: string
  readonly here: (node: NodeId) => string
  /** For what is not about the log of facts. */
  readonly other: (name: string) => string
}

/**
 * The keys of the cluster with this prefix. A prefix is not empty and has no braces: a Redis Cluster keeps keys on one
 * node if they have the same text in braces.
 */
export function redisKeys(prefix: string): RedisKeys {
  return {
    log: `{${prefix}}:log`,
    nodes: `{${prefix}}:nodes`,
    users: `{${prefix}}:users`,
    probe: `{${prefix}}:probe`,
    here: node => `{${prefix}}:here:${node}`,
    other: name => `{${prefix}}:${name}`,
  }
}

/** KEYS and ARGV of `append.lua` for a request. */
export function appendCommand(
  names: RedisKeys,
  { epoch, node, batch, kind, body, knownBatch = 0, newEpoch, server = '', oldest }: AppendRequest,
): { readonly keys: string[]; readonly args: string[] } {
  const { facts, registers, about } = body
  const subject = kind === 'lost' ? body.subject : undefined
  const keys = [names.log, names.nodes, names.here(node), names.users]
  if (subject !== undefined) keys.push(names.here(subject))
  const args = [
    `${epoch ?? ''}`,
    node,
    `${batch}`,
    kind,
    subject ?? '',
    `${knownBatch}`,
    kind === 'epoch' ? `${newEpoch}-${newEpoch}` : `${epoch}-*`,
    oldest ? placeText(oldest) : '0',
    server,
    about ? JSON.stringify(about) : '',
    JSON.stringify(body),
    `${facts.length}`,
    ...facts.flatMap(([userId, fact]) => [userId, fact === null ? '' : JSON.stringify(fact)]),
    ...registers.flat(),
  ]
  return { keys, args }
}

/** Reads the answer of `append.lua`. */
export function readReply(answer: unknown): AppendReply {
  const [reply, value] = answer as [AppendReply['reply'], string | number | undefined]
  switch (reply) {
    case 'appended':
      return { reply, place: readPlace(`${value}`) }
    case 'duplicate':
      return { reply, batch: Number(value) }
    case 'epoch':
      return { reply, epoch: readNumber(`${value}`) }
    default:
      return { reply }
  }
}

/** Reads a batch or an epoch as Redis keeps it; `undefined` if no node can have written it. */
export function readNumber(text: string): number | undefined {
  return /^[1-9]\d{0,14}$/.test(text) ? Number(text) : undefined
}

/** The id of the entry at a place. */
export function placeText({ epoch, seq }: Place): string {
  return `${epoch}-${seq}`
}

export function readPlace(id: string): Place {
  const [epoch, seq] = id.split('-').map(Number)
  return { epoch: epoch ?? 0, seq: seq ?? 0 }
}

const KINDS: ReadonlySet<unknown> = new Set<EntryKind>([
  'say',
  'join',
  'end',
  'beat',
  'left',
  'lost',
  'epoch',
])

/**
 * Reads an entry of the log. All nodes ignore the content of the same entries, so they still agree on the rest. Such an
 * entry is `unknown`: it must have its place, because a place that is missing means that writes were lost. A node of a
 * newer version may have written it, so its batch number counts too.
 *
 * @param fields names and values by turns
 */
export function readEntry(id: string, fields: readonly string[]): Entry {
  const content = new Map<string, string>()
  for (let i = 0; i + 1 < fields.length; i += 2) content.set(fields[i] ?? '', fields[i + 1] ?? '')
  const place = readPlace(id)
  const node = content.get('node')
  const batch = Number(content.get('batch'))
  const kind = content.get('kind')
  const body = parsed(content.get('body'))
  const nothing = { format: 1, at: 0, facts: [], registers: [] } as const
  if (!node || !isWhole(batch) || batch === 0 || !usableEnd(place)) {
    return { place, node: '', batch: 0, kind: 'unknown', body: nothing }
  }
  const isKnown = KINDS.has(kind) && isBody(body) && (kind !== 'lost' || body.subject !== undefined)
  if (!isKnown) return { place, node, batch, kind: 'unknown', body: nothing }
  return { place, node, batch, kind: kind as EntryKind, body }
}

/** Reads a fact as Redis keeps it. */
export function readFact(text: string): NodeFact | undefined {
  const fact = parsed(text)
  return isFact(fact) ? fact : undefined
}

/** Whether a node of this version can have written the value of a register. It may still not be valid JSON. */
export function isRegister(key: string, value: string): boolean {
  return /^[cvns]:./s.test(key) && splitValue(value) !== undefined && hasTimes(value)
}

/** Whether `Date` can show each number in the value of a register. */
function hasTimes(value: string): boolean {
  const content = parsed(splitValue(value)?.json)
  const numbers = (isObject(content) ? Object.values(content) : [content]).filter(
    each => typeof each === 'number',
  )
  return numbers.every(each => isTime(Math.round(Math.abs(each))))
}

/** Reads what Redis keeps about a node. */
export function readAbout(text: string): NodeAbout | undefined {
  const about = parsed(text)
  return isAbout(about) ? about : undefined
}

function parsed(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? '')
  } catch {
    return undefined
  }
}

function isBody(value: unknown): value is EntryBody {
  if (!isObject(value)) return false
  const {
    format,
    at,
    facts,
    registers,
    kicks,
    ends,
    erases,
    refusals,
    asks,
    answers,
    hands,
    subject,
    again,
    about,
    since,
    isComplete,
  } = value
  return (
    format === 1 &&
    isTime(at) &&
    isListOf(facts, isFactItem) &&
    isListOf(registers, isRegisterItem) &&
    (kicks === undefined || isListOf(kicks, isText)) &&
    (ends === undefined || isListOf(ends, isEndItem)) &&
    (erases === undefined || isListOf(erases, isText)) &&
    (refusals === undefined || isListOf(refusals, isRefusal)) &&
    (asks === undefined || isListOf(asks, isAskItem)) &&
    (answers === undefined || isListOf(answers, isAnswerItem)) &&
    (hands === undefined || typeof hands === 'boolean') &&
    (subject === undefined || isText(subject)) &&
    (again === undefined || typeof again === 'boolean') &&
    (since === undefined || isTime(since)) &&
    (isComplete === undefined || typeof isComplete === 'boolean') &&
    (about === undefined || isAbout(about))
  )
}

/** Causes and keys of registers may be unknown: a newer version may have more of them. */
function isFactItem(item: unknown): boolean {
  if (!Array.isArray(item)) return false
  const [userId, fact, cause] = item
  return isText(userId) && (fact === null || isFact(fact)) && isText(cause)
}

function isEndItem(item: unknown): boolean {
  if (!Array.isArray(item)) return false
  const [userId, sessionId, renewedBefore] = item
  return isText(userId) && isText(sessionId) && (renewedBefore === undefined || isTime(renewedBefore))
}

function isRefusal(item: unknown): boolean {
  return Array.isArray(item) && isText(item[0]) && isTime(item[1]) && isTime(item[2])
}

function isAskItem(item: unknown): boolean {
  return Array.isArray(item) && isWhole(item[0]) && isText(item[1])
}

/** The content may be unknown: then the node has not answered. */
function isAnswerItem(item: unknown): boolean {
  return Array.isArray(item) && isText(item[0]) && isWhole(item[1]) && isObject(item[2])
}

function isRegisterItem(item: unknown): boolean {
  return Array.isArray(item) && isText(item[0]) && isText(item[1]) && hasTimes(item[1])
}

function isFact(value: unknown): value is NodeFact {
  if (!isObject(value)) return false
  const { p, n, h, s, v, i, l, g } = value
  return (
    [0, 1, 2].includes(p as number) &&
    isWhole(n) &&
    isTime(h) &&
    isObject(s) &&
    Object.values(s).every(isTime) &&
    (v === undefined || v === 0 || v === 1) &&
    (i === undefined || isTime(i)) &&
    (l === undefined || (isObject(l) && Object.values(l).every(isLeaseItem))) &&
    (g === undefined || isListOf(g, isText))
  )
}

function isLeaseItem(item: unknown): boolean {
  if (!Array.isArray(item)) return false
  const [endsAt, renewedAt, ttlMs, openedAt, idleSince, device] = item
  return (
    [endsAt, renewedAt, ttlMs, openedAt].every(isTime) &&
    (idleSince === -1 || isTime(idleSince)) &&
    (device === undefined || isText(device))
  )
}

function isAbout(value: unknown): value is NodeAbout {
  if (!isObject(value)) return false
  const { name, version, left } = value
  return isText(name) && isText(version) && (left === undefined || isTime(left))
}

function isListOf(value: unknown, isItem: (item: unknown) => boolean): boolean {
  return Array.isArray(value) && value.every(isItem)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isText(value: unknown): value is string {
  return typeof value === 'string'
}
