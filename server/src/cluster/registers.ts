import type { UserId } from '@who-is-online/protocol/words'
import { type Choice, NO_CHOICE } from '../presence/choice.ts'
import type { KnownChoice } from '../presence/present-user.ts'
import { ownCopy } from '../presence/user-table.ts'
import { Column } from './column.ts'
import { isRemoval, type NodeId, type RegisterItem, type RegisterKey } from './entry.ts'

export type RegisterKind = 'c' | 'v' | 'n' | 's'

/** The parts of the value of a register. */
export interface RegisterValue {
  readonly stamp: number
  readonly node: NodeId
  readonly json: string
}

/** The content of a register `c:`; see `KnownChoice`. */
interface ChosenContent extends Choice {
  readonly madeAt: number
  readonly keptSince?: number
}

const STAMP_DIGITS = 15

/** How long a removed register is remembered, in ms by the clock of Redis. A Redis loses only its last seconds. */
const REMEMBER_MS = 120_000

/** Joins the parts of a value. Values are compared as strings, so the stamp has a fixed length. */
export function joinValue({ stamp, node, json }: RegisterValue): string {
  return `${String(stamp).padStart(STAMP_DIGITS, '0')}|${node}|${json}`
}

/** Splits a value; undefined if it is malformed. */
export function splitValue(value: string | undefined): RegisterValue | undefined {
  if (value === undefined) return undefined
  const end = value.indexOf('|', STAMP_DIGITS + 1)
  const stamp = Number(value.slice(0, STAMP_DIGITS))
  if (end < 0 || value[STAMP_DIGITS] !== '|' || !Number.isSafeInteger(stamp)) return undefined
  return { stamp, node: value.slice(STAMP_DIGITS + 1, end), json: value.slice(end + 1) }
}

/** Whether one value replaces another: the greater string wins. With `|` because one id may begin with another one. */
function isGreater(one: RegisterValue, other: RegisterValue): boolean {
  if (one.stamp !== other.stamp) return one.stamp > other.stamp
  if (one.node !== other.node) return `${one.node}|` > `${other.node}|`
  return one.json > other.json
}

/** A register that was removed, in case Redis loses that. */
interface Removed {
  /** The value that has removed it. */
  readonly value: string
  readonly at: number
  /** See `Registers.begin`. */
  epoch: number
}

/**
 * The registers of all known users, perhaps a million. Those of a forgotten user are removed, in Redis too: a value
 * whose content is null removes a register if it is greater. After that any value is greater than none, so an old value
 * that comes late brings the register back. All nodes and Redis do the same in the order of the log, so they agree.
 *
 * Nearly all of these users are offline, and have only a name and
 * a time. Both are columns, so such a user has no object. The view holds the same name and time, but not the stamps,
 * and without them a late or repeated value can't be compared. So this is a copy of the numbers; it shares the texts of
 * ids and names with the view.
 *
 * Measured with a million users with names: 172 bytes each, of which about 60 are shared texts. A map with the keys and
 * values of the log took 251, and shared nothing.
 *
 * The choices of the few users who have made one are strings, as in the log.
 */
export class Registers {
  readonly #positions = new Map<UserId, number>()
  /** The users by position. */
  readonly #users: UserId[] = []
  /** Ms since the epoch; NaN for a user whom others have never seen, or who was forgotten. */
  readonly #seen = new Column<number>(Number.NaN)
  readonly #names = new Column<string | undefined>(undefined)
  readonly #chosen = new Map<UserId, string>()
  readonly #shown = new Map<UserId, string>()
  /** The nodes that wrote the columns. Their numbers take less memory than their ids. */
  readonly #nodes: NodeId[] = []
  readonly #nodeNumbers = new Map<NodeId, number>()
  /** Counts the calls of `begin`. */
  #epoch = 0
  /** The choices that were read since then. They are few, so they need no column. */
  #repeatedChoices = new Set<RegisterKey>()
  /** The registers that were removed a short time ago, the oldest first. None of them has a value. */
  readonly #removed = new Map<RegisterKey, Removed>()
  #now = 0

  /** The time of what is read next, in ms since the epoch by the clock of Redis. Removed registers are forgotten. */
  advance(now: number): void {
    this.#now = now
    for (const [key, { at }] of this.#removed) {
      if (now < at + REMEMBER_MS) return
      this.#removed.delete(key)
    }
  }

  /** From now on, Redis may have lost any register that is not read again. */
  begin(): void {
    this.#epoch++
    this.#repeatedChoices = new Set()
  }

  /** Whether the value of a register, or a greater one, was read since `begin`. */
  isRepeated(key: RegisterKey): boolean {
    const position = this.#positions.get(userOf(key))
    if (key[0] === 'c' || key[0] === 'v') return this.#repeatedChoices.has(key)
    if (position === undefined) return false
    return (key[0] === 'n' ? this.#names : this.#seen).isRepeated(position, this.#epoch)
  }

  /** The registers whose values were not read since `begin`, neither as they are known nor greater ones. */
  *unrepeated(): Generator<RegisterKey> {
    for (const [userId, position] of this.#positions) {
      if (this.#names.stamp(position) > 0 && !this.#names.isRepeated(position, this.#epoch))
        yield `n:${userId}`
      if (this.#seen.stamp(position) > 0 && !this.#seen.isRepeated(position, this.#epoch)) yield `s:${userId}`
    }
    for (const userId of this.#chosen.keys()) {
      if (!this.#repeatedChoices.has(`c:${userId}`)) yield `c:${userId}`
    }
    for (const userId of this.#shown.keys()) {
      if (!this.#repeatedChoices.has(`v:${userId}`)) yield `v:${userId}`
    }
    for (const [key, { epoch }] of this.#removed) if (epoch !== this.#epoch) yield key
  }

  /**
   * Takes a value if it is greater than the known one. Every node ignores a register of an unknown kind, and a value
   * that can't be read.
   *
   * @param before called with the user and the kind of the register before the value is taken
   */
  merge([key, value]: RegisterItem, before: (userId: UserId, kind: RegisterKind) => void): void {
    const parts = splitValue(value)
    const known = this.#parts(key)
    if (!parts || !isReadable(parts.json) || (known && isGreater(known, parts))) return
    if (known && !isGreater(parts, known)) return this.#repeat(key)
    const kind = key[0] as RegisterKind
    if (isRemoval(value)) {
      if (known) before(userOf(key), kind)
      return this.#remove(key, value)
    }
    // A part of the key would keep the whole key in memory.
    const userId = ownCopy(userOf(key))
    this.#removed.delete(key)
    switch (kind) {
      case 'c':
        before(userId, kind)
        this.#chosen.set(userId, value)
        break
      case 'v':
        before(userId, kind)
        this.#shown.set(userId, value)
        break
      case 'n':
      case 's':
        before(userId, kind)
        this.#takeContent(kind, userId, parts)
    }
    this.#repeat(key)
  }

  /**
   * Takes the value that Redis has, also if it is smaller than the known one: Redis has lost nothing, so the known one
   * was removed there, and an older value came after that.
   *
   * @param before see `merge`
   */
  replace([key, value]: RegisterItem, before: (userId: UserId, kind: RegisterKind) => void): void {
    const known = this.get(key)
    if (known !== undefined && known > value) {
      before(userOf(key), key[0] as RegisterKind)
      this.#drop(key)
    }
    this.merge([key, value], before)
  }

  /**
   * Removes what was not read since `begin`: Redis has lost nothing, so it was removed there.
   *
   * @param before see `merge`
   * @param except what Redis may have lost before that
   */
  dropUnrepeated(
    before: (userId: UserId, kind: RegisterKind) => void,
    except: ReadonlySet<RegisterKey> = new Set(),
  ): void {
    for (const key of [...this.unrepeated()]) {
      if (!this.#parts(key) || except.has(key)) continue
      before(userOf(key), key[0] as RegisterKind)
      this.#drop(key)
    }
  }

  get(key: RegisterKey): string | undefined {
    const parts = this.#parts(key)
    return parts && joinValue(parts)
  }

  /** The value that has removed a register a short time ago; `undefined` if it has a value. */
  removed(key: RegisterKey): string | undefined {
    return this.#removed.get(key)?.value
  }

  /** When the user was last seen, in ms since the epoch; undefined for a user whom others have never seen. */
  lastSeen(userId: UserId): number | undefined {
    const seenAt = this.#seen.content(this.#positions.get(userId))
    return Number.isNaN(seenAt) ? undefined : seenAt
  }

  username(userId: UserId): string | undefined {
    return this.#names.content(this.#positions.get(userId))
  }

  /** The choice that others see while the user is present. */
  shown(userId: UserId): Choice {
    return read<Choice>(this.#shown.get(userId)) ?? NO_CHOICE
  }

  /** The choice that was acknowledged. */
  chosen(userId: UserId): KnownChoice | undefined {
    const content = read<ChosenContent>(this.#chosen.get(userId))
    if (!content) return undefined
    const { madeAt, keptSince, ...choice } = content
    return { choice, madeAt, keptSince }
  }

  /** The users with a register `c:`. Some may be added and removed meanwhile. */
  choosers(): Iterator<UserId> {
    return this.#chosen.keys()
  }

  /** The users who have a name or a time. */
  users(): Iterable<UserId> {
    return this.#positions.keys()
  }

  /**
   * All users, and for those who have no time, when the newest of their registers was written, in ms since the epoch.
   * Others have never seen them. A user may come twice. Users may be added and removed meanwhile.
   */
  *unseen(): Generator<readonly [userId: UserId, writtenAt: number | undefined]> {
    for (const users of [this.#chosen, this.#shown, this.#positions]) {
      for (const userId of users.keys()) {
        const isSeen = this.#parts(`s:${userId}`) !== undefined
        const stamps = (['c', 'v', 'n'] as const).map(kind => this.#parts(`${kind}:${userId}`)?.stamp ?? 0)
        yield [userId, isSeen ? undefined : Math.max(...stamps)]
      }
    }
  }

  *[Symbol.iterator](): Generator<RegisterItem> {
    for (const userId of this.#positions.keys()) {
      for (const key of [`n:${userId}`, `s:${userId}`] as const) {
        const value = this.get(key)
        if (value !== undefined) yield [key, value]
      }
    }
    for (const [userId, value] of this.#chosen) yield [`c:${userId}`, value]
    for (const [userId, value] of this.#shown) yield [`v:${userId}`, value]
  }

  // Private

  #parts(key: RegisterKey): RegisterValue | undefined {
    const userId = userOf(key)
    if (key[0] === 'c') return splitValue(this.#chosen.get(userId))
    if (key[0] === 'v') return splitValue(this.#shown.get(userId))
    const position = this.#positions.get(userId)
    const column = key[0] === 'n' ? this.#names : this.#seen
    if (position === undefined || column.stamp(position) === 0) return undefined
    const content = key[0] === 'n' ? this.username(userId) : this.lastSeen(userId)
    const node = this.#nodes[column.node(position)] ?? ''
    return { stamp: column.stamp(position), node, json: JSON.stringify(content ?? null) }
  }

  #repeat(key: RegisterKey): void {
    const position = this.#positions.get(userOf(key))
    if (key[0] === 'n' && position !== undefined) this.#names.repeat(position, this.#epoch)
    else if (key[0] === 's' && position !== undefined) this.#seen.repeat(position, this.#epoch)
    else if (key[0] === 'c') this.#repeatedChoices.add(`c:${ownCopy(userOf(key))}`)
    else if (key[0] === 'v') this.#repeatedChoices.add(`v:${ownCopy(userOf(key))}`)
  }

  #takeContent(kind: 'n' | 's', userId: UserId, { stamp, node, json }: RegisterValue): void {
    const position = this.#positions.get(userId) ?? this.#add(userId)
    const content: unknown = JSON.parse(json)
    const number = this.#numberOf(node)
    if (kind === 'n')
      this.#names.set(position, stamp, number, typeof content === 'string' ? content : undefined)
    else this.#seen.set(position, stamp, number, typeof content === 'number' ? content : Number.NaN)
  }

  /** Removes a register, if there is one, and remembers that for some time. */
  #remove(key: RegisterKey, value: string): void {
    const removed = this.#removed.get(key)
    if (removed) removed.epoch = this.#epoch
    else if (this.#parts(key)) {
      this.#removed.set(ownCopy(key) as RegisterKey, {
        value: ownCopy(value),
        at: this.#now,
        epoch: this.#epoch,
      })
    }
    this.#drop(key)
  }

  #drop(key: RegisterKey): void {
    const userId = userOf(key)
    const position = this.#positions.get(userId)
    if (key[0] === 'c') this.#chosen.delete(userId)
    if (key[0] === 'v') this.#shown.delete(userId)
    this.#repeatedChoices.delete(key)
    if (position === undefined) return
    if (key[0] === 'n') this.#names.set(position, 0, 0, undefined)
    if (key[0] === 's') this.#seen.set(position, 0, 0, Number.NaN)
    if (this.#names.stamp(position) === 0 && this.#seen.stamp(position) === 0) this.#free(userId, position)
  }

  /** Removes a position. The user at the last one takes it. */
  #free(userId: UserId, position: number): void {
    this.#positions.delete(userId)
    this.#names.remove(position)
    this.#seen.remove(position)
    const last = this.#users.pop()
    if (last === undefined || last === userId) return
    this.#users[position] = last
    this.#positions.set(last, position)
  }

  #add(userId: UserId): number {
    const position = this.#users.push(userId) - 1
    this.#positions.set(userId, position)
    this.#seen.add()
    this.#names.add()
    return position
  }

  #numberOf(node: NodeId): number {
    const known = this.#nodeNumbers.get(node)
    if (known !== undefined) return known
    const own = ownCopy(node)
    const number = this.#nodes.push(own) - 1
    this.#nodeNumbers.set(own, number)
    return number
  }
}

export function userOf(key: RegisterKey): UserId {
  return key.slice(2)
}

function isReadable(json: string): boolean {
  try {
    JSON.parse(json)
    return true
  } catch {
    return false
  }
}

/** The content of a value that was merged, so it can be read. */
function read<Content>(value: string | undefined): Content | undefined {
  const json = splitValue(value)?.json
  return json === undefined ? undefined : ((JSON.parse(json) as Content | null) ?? undefined)
}
