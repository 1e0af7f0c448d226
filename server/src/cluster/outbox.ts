import type { UserId } from '@who-is-online/protocol/words'
import type { Host, UserItems } from './command.ts'
import type {
  AnswerItem,
  AskItem,
  EndItem,
  EntryBody,
  FactItem,
  NodeId,
  RegisterItem,
  RegisterKey,
} from './entry.ts'

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
export type Content = Pick<
  EntryBody,
  'facts' | 'registers' | 'kicks' | 'ends' | 'erases' | 'refusals' | 'asks' | 'answers' | 'hands'
>

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

/** Items that wait, each once and in their order. */
class Items<Item> {
  readonly #items = new Map<unknown, Item>()
  readonly #keyOf: (item: Item) => unknown

  /** @param keyOf equal items have the same key; an item that is not a string or a number needs one */
  constructor(keyOf: (item: Item) => unknown = item => item) {
    this.#keyOf = keyOf
  }

  get size(): number {
    return this.#items.size
  }

  add(items: Iterable<Item>, most = Number.POSITIVE_INFINITY): void {
    for (const item of items) if (this.size < most) this.#items.set(this.#keyOf(item), item)
  }

  /** Removes and returns the first items. */
  take(most: number): Item[] {
    const taken: Item[] = []
    for (const [key, item] of this.#items) {
      if (taken.length === most) break
      taken.push(item)
      this.#items.delete(key)
    }
    return taken
  }
}

/**
 * What this node has to append. It holds names, not values: the values are asked from the host when a batch is
 * composed. So a batch that is composed again has the present state, and a user who changes often takes no more room.
 */
export class Outbox {
  readonly #users = new Set<UserId>()
  readonly #registers = new Set<RegisterKey>()
  readonly #kicks = new Items<UserId>()
  readonly #ends = new Items<EndItem>(item => JSON.stringify(item))
  readonly #erases = new Items<UserId>()
  readonly #refused = new Items<UserId>()
  readonly #asks = new Items<number>()
  readonly #answers = new Items<AnswerKey>(key => JSON.stringify(key))
  readonly #all = [
    this.#users,
    this.#registers,
    this.#kicks,
    this.#ends,
    this.#erases,
    this.#refused,
    this.#asks,
    this.#answers,
  ]
  #hands = false
  /** What the batch contains that is on its way. */
  #taken: Changed | undefined

  get isEmpty(): boolean {
    return !this.#hands && this.#all.every(({ size }) => size === 0)
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
    this.#kicks.add(kicks)
    this.#ends.add(ends)
    this.#erases.add(erases)
    this.#refused.add(refused)
    this.#asks.add(asks)
    // A node that can't answer all soon answers the first ones.
    this.#answers.add(answers, MAX_ANSWERS)
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
    for (const key of registers) this.#registers.delete(key)
    for (const userId of users) this.#users.delete(userId)
    const kicks = this.#kicks.take(MAX_ITEMS)
    const ends = this.#ends.take(MAX_ITEMS)
    const erases = this.#erases.take(MAX_ITEMS)
    const refused = this.#refused.take(MAX_ITEMS)
    const refusals = refused.map(userId => host.refusal(userId)).filter(refusal => refusal !== undefined)
    const { asks, answers, answered } = this.#takeQuestions(host, bytes)
    const questions = { asks: asks.map(([id]) => id), answers: answered }
    // Not before all users are said.
    const hands = this.#hands && this.#users.size === 0
    if (hands) this.#hands = false
    this.#taken = { users, registers, kicks, ends, erases, refused, hands, ...questions }
    return {
      facts,
      registers: values,
      ...withoutEmpty({ kicks, ends, erases, refusals, asks, answers }),
      ...(hands ? { hands } : {}),
    }
  }

  /** Questions of this node that still wait, and answers, as far as the entry has room for these. */
  #takeQuestions(
    host: Pick<Host, 'asked' | 'answer'>,
    before: number,
  ): { readonly asks: AskItem[]; readonly answers: AnswerItem[]; readonly answered: AnswerKey[] } {
    const asks = this.#asks.take(Number.POSITIVE_INFINITY).flatMap((id): AskItem[] => {
      const userId = host.asked(id)
      return userId === undefined ? [] : [[id, userId]]
    })
    const answers: AnswerItem[] = []
    const answered: AnswerKey[] = []
    let bytes = before
    while (bytes <= MAX_BYTES) {
      const [key] = this.#answers.take(1)
      if (!key) break
      const [to, id, userId] = key
      const part = host.answer(userId)
      answers.push([to, id, part])
      answered.push(key)
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

/** The lists that have an item. */
function withoutEmpty<Lists extends Readonly<Record<string, readonly unknown[]>>>(
  lists: Lists,
): Partial<Lists> {
  return Object.fromEntries(Object.entries(lists).filter(([, list]) => list.length > 0)) as Partial<Lists>
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
