import type { UserId } from '@who-is-online/protocol/words'
import type { UserPart } from '../presence/user-part.ts'
import { isUserPart } from './answer.ts'
import type { Entry, NodeId } from './entry.ts'
import type { Fold } from './fold.ts'
import { newWaiting, type Waiting } from './waiting.ts'

/**
 * How many questions of this node wait at once. Each waits for 2 s at most, so that is a rate of 50 a second even if a
 * node does not answer. Beyond that, a question is over at once.
 */
export const MAX_QUESTIONS = 100

/** What the other nodes have answered until now. */
export interface NodeAnswers {
  readonly parts: readonly { readonly node: NodeId; readonly part: UserPart }[]
  /** The nodes that have not answered, or could not be asked. */
  readonly missing: readonly NodeId[]
}

interface Question {
  readonly userId: UserId
  readonly waiting: Waiting
  /** The nodes that answer; `undefined` until the question was read back. */
  asked: Set<NodeId> | undefined
  readonly parts: Map<NodeId, UserPart>
}

export interface QuestionsPort {
  readonly node: NodeId
  readonly fold: Pick<Fold, 'holders'>
  /** Whether a node has said that it stops. Then it answers nothing. */
  hasLeft(node: NodeId): boolean
}

/**
 * The questions of this node about users, which other nodes answer. Question and answers are in the log. The nodes that
 * have a fact about the user at the place of the question answer it, so this node knows from whom an answer comes.
 */
export class Questions {
  readonly #port: QuestionsPort
  readonly #questions = new Map<number, Question>()
  #last = 0

  constructor(port: QuestionsPort) {
    this.#port = port
  }

  /** Begins a question. Returns its id; `undefined` if too many wait. */
  begin(userId: UserId): number | undefined {
    if (this.#questions.size >= MAX_QUESTIONS) return undefined
    const id = ++this.#last
    this.#questions.set(id, { userId, waiting: newWaiting(), asked: undefined, parts: new Map() })
    return id
  }

  /** The user of a question that waits. */
  userOf(id: number): UserId | undefined {
    return this.#questions.get(id)?.userId
  }

  /** Resolves when no more answers come. */
  answered(id: number): Promise<void> {
    return this.#questions.get(id)?.waiting.promise ?? Promise.resolve()
  }

  /** Ends a question. */
  end(id: number): NodeAnswers {
    const question = this.#questions.get(id)
    this.#questions.delete(id)
    if (!question) return { parts: [], missing: [] }
    const { userId, parts } = question
    // What a node has answered that has no fact about the user any more does not count.
    const holders = this.#port.fold.holders(userId, this.#port.node)
    return {
      parts: holders.flatMap(node => {
        const part = parts.get(node)
        return part ? [{ node, part }] : []
      }),
      missing: holders.filter(node => !parts.has(node)),
    }
  }

  /** The next entry was applied. */
  applied({ node, kind, body }: Entry): void {
    if (this.#questions.size === 0) return
    if (node === this.#port.node) for (const [id] of body.asks ?? []) this.#wasAsked(id)
    for (const [to, id, part] of body.answers ?? []) {
      if (to === this.#port.node) this.#take(id, node, part)
    }
    if (kind === 'left') this.#ignore(node)
    if (kind === 'lost' && body.subject !== undefined) this.#ignore(body.subject)
  }

  /** No more answers come: Redis does not answer, or entries were not read. */
  giveUp(): void {
    for (const { waiting } of this.#questions.values()) waiting.resolve()
  }

  #wasAsked(id: number): void {
    const question = this.#questions.get(id)
    if (!question || question.asked) return
    const { fold, node, hasLeft } = this.#port
    question.asked = new Set(fold.holders(question.userId, node).filter(holder => !hasLeft(holder)))
    resolveIfDone(question)
  }

  #take(id: number, node: NodeId, part: UserPart): void {
    const question = this.#questions.get(id)
    if (!question || !isUserPart(part)) return
    question.parts.set(node, part)
    resolveIfDone(question)
  }

  #ignore(node: NodeId): void {
    for (const question of this.#questions.values()) {
      question.asked?.delete(node)
      resolveIfDone(question)
    }
  }
}

function resolveIfDone({ asked, parts, waiting }: Question): void {
  if (asked && [...asked].every(node => parts.has(node))) waiting.resolve()
}
