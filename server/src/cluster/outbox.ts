import type { UserId } from '@who-is-online/protocol/words'
import type { Host, UserItems } from './command.ts'
import type { AnswerItem, AskItem, EndItem, FactItem, NodeId, RegisterItem, RegisterKey } from './entry.ts'
import type { Refusal } from './refused-users.ts'

/** What this node has to say. */
export interface Changed {
  /** Users about whom the node composes what it knows. */
  readonly users?: Iterable<UserId> | undefined
  /** Registers that are repeated as they are known, because the log may have lost them. */
  readonly registers?: Iterable<RegisterKey> | undefined
  /** Users whose sessions end on all nodes. */
  readonly kicks?: Iterable<UserId> | undefined
  /** Sessions that end on all nodes. */
  readonly ends?: Iterable<EndItem> | undefined
  /** Users who are erased on all nodes. */
  readonly erases?: Iterable<UserId> | undefined
  /** Users who may not connect for a while: the host knows until when. */
  readonly refused?: Iterable<UserId> | undefined
  /** The ids of questions to the other nodes. */
  readonly asks?: Iterable<number> | undefined
  /** Questions of other nodes that this node answers. */
  readonly answers?: Iterable<AnswerKey> | undefined
  /** Whether the other nodes are asked to take over the leased sessions of this node. */
  readonly hands?: boolean | undefined
}

/** A question that another node has asked about a user. */
export type AnswerKey = readonly [to: NodeId, id: number, userId: UserId]

/** The content of one batch. */
export interface Content {
  readonly facts: readonly FactItem[]
  readonly registers: readonly RegisterItem[]
  readonly kicks?: readonly UserId[]
  readonly ends?: readonly EndItem[]
  readonly erases?: readonly UserId[]
  readonly refusals?: readonly Refusal[]
  readonly asks?: readonly AskItem[]
  readonly answers?: readonly AnswerItem[]
  readonly hands?: boolean
}

/** How a batch is composed. */
export interface TakeOptions {
  /** Whether registers are repeated that the log had already. */
  readonly isAssertion?: boolean
  /** At most this many users, and this many registers besides theirs. */
  readonly limit?: number
}

/** One entry has at most this many users, registers besides theirs, kicks and ends. */
const MAX_ITEMS = 500
/** How many answers wait at most. They wait only while more are asked for than fit into the entries. */
const MAX_ANSWERS = 1_000
/** One entry has about this many bytes at most, and one answer more. */
const MAX_BYTES = 65_536

/**
 * What this node has to append. It holds names, not values: the values are asked from the host when a batch is
 * composed. So a batch that is composed again has the present state, and a user who changes often takes no more room.
 */
export class Outbox {
  #users = new Set<UserId>()
  #registers = new Set<RegisterKey>()
  #kicks = new Set<UserId>()
  /** The sessions that end, by their JSON. */
  #ends = new Map<string, EndItem>()
  #erases = new Set<UserId>()
  #refused = new Set<UserId>()
  #asks = new Set<number>()
  #answers = new Map<string, AnswerKey>()
  #hands = false
  /** What the batch contains that is on its way. */
  #taken: Changed | undefined

  get isEmpty(): boolean {
    if (this.#hands) return false
    const { size } = this.#users
    if (size + this.#registers.size + this.#kicks.size + this.#refused.size > 0) return false
    return this.#ends.size + this.#erases.size + this.#asks.size + this.#answers.size === 0
  }

  add({
    users = [],
    registers = [],
    kicks = [],
    ends = [],
    erases = [],
    refused = [],
    asks = [],
    answers = [],
    hands = false,
  }: Changed): void {
    if (hands) this.#hands = true
    for (const userId of users) this.#users.add(userId)
    for (const key of registers) this.#registers.add(key)
    for (const userId of kicks) this.#kicks.add(userId)
    for (const item of ends) this.#ends.set(JSON.stringify(item), item)
    for (const userId of erases) this.#erases.add(userId)
    for (const userId of refused) this.#refused.add(userId)
    for (const id of asks) this.#asks.add(id)
    for (const key of answers) {
      // A node that can't answer all soon answers the first ones.
      if (this.#answers.size < MAX_ANSWERS) this.#answers.set(JSON.stringify(key), key)
    }
  }

  /** Composes a batch from the present state. It is on its way until `landed` or `refused`. */
  take(
    host: Pick<Host, 'compose' | 'register' | 'refusal' | 'asked' | 'answer'>,
    batch: number,
    { isAssertion = false, limit = MAX_ITEMS }: TakeOptions = {},
  ): Content {
    const users: UserId[] = []
    const registers: RegisterKey[] = []
    const facts: FactItem[] = []
    const values: RegisterItem[] = []
    let bytes = 0
    for (const key of this.#registers) {
      if (registers.length === limit || bytes > MAX_BYTES) break
      registers.push(key)
      const value = host.register(key)
      if (value === undefined) continue
      values.push([key, value])
      bytes += key.length + value.length + 8
    }
    for (const userId of this.#users) {
      if (users.length === limit || bytes > MAX_BYTES) break
      users.push(userId)
      const items = host.compose(userId, batch, isAssertion)
      if (items.fact) facts.push(items.fact)
      values.push(...items.registers)
      bytes += sizeOf(items)
    }
    const kicks = [...this.#kicks].slice(0, MAX_ITEMS)
    const ends = [...this.#ends.values()].slice(0, MAX_ITEMS)
    const erases = [...this.#erases].slice(0, MAX_ITEMS)
    const refused = [...this.#refused].slice(0, MAX_ITEMS)
    const refusals = refused.flatMap(userId => {
      const refusal = host.refusal(userId)
      return refusal ? [refusal] : []
    })
    for (const key of registers) this.#registers.delete(key)
    for (const userId of users) this.#users.delete(userId)
    for (const userId of kicks) this.#kicks.delete(userId)
    for (const item of ends) this.#ends.delete(JSON.stringify(item))
    for (const userId of erases) this.#erases.delete(userId)
    for (const userId of refused) this.#refused.delete(userId)
    const { asks, answers, answered } = this.#takeQuestions(host, bytes)
    const questions = { asks: asks.map(([id]) => id), answers: answered }
    // Not before all users are said.
    const hands = this.#hands && this.#users.size === 0
    if (hands) this.#hands = false
    this.#taken = { users, registers, kicks, ends, erases, refused, hands, ...questions }
    return {
      facts,
      registers: values,
      ...(kicks.length > 0 ? { kicks } : {}),
      ...(ends.length > 0 ? { ends } : {}),
      ...(erases.length > 0 ? { erases } : {}),
      ...(refusals.length > 0 ? { refusals } : {}),
      ...(asks.length > 0 ? { asks } : {}),
      ...(answers.length > 0 ? { answers } : {}),
      ...(hands ? { hands } : {}),
    }
  }

  /** Questions of this node that still wait, and answers, as far as the entry has room for these. */
  #takeQuestions(
    host: Pick<Host, 'asked' | 'answer'>,
    before: number,
  ): { readonly asks: AskItem[]; readonly answers: AnswerItem[]; readonly answered: AnswerKey[] } {
    const asks = [...this.#asks].flatMap((id): AskItem[] => {
      const userId = host.asked(id)
      return userId === undefined ? [] : [[id, userId]]
    })
    this.#asks.clear()
    const answers: AnswerItem[] = []
    const answered: AnswerKey[] = []
    let bytes = before
    for (const [text, key] of this.#answers) {
      if (bytes > MAX_BYTES) break
      const [to, id, userId] = key
      const part = host.answer(userId)
      answers.push([to, id, part])
      answered.push(key)
      this.#answers.delete(text)
      bytes += JSON.stringify(part).length
    }
    return { asks, answers, answered }
  }

  /** The batch on its way is in the log. Returns what must be said again if Redis loses it before it is read back. */
  landed(): Changed {
    const taken = this.#taken ?? {}
    this.#taken = undefined
    return taken
  }

  /** The batch on its way is not in the log, or with another content. All of it must be said again. */
  refused(): void {
    if (this.#taken) this.add(this.#taken)
    this.#taken = undefined
  }
}

/** About how many bytes the items of a user take as JSON. */
function sizeOf({ fact, registers }: UserItems): number {
  let bytes = 0
  if (fact) {
    const [userId, content] = fact
    bytes += userId.length + 60
    for (const id of Object.keys(content?.s ?? {})) bytes += id.length + 18
  }
  for (const [key, value] of registers) bytes += key.length + value.length + 8
  return bytes
}
