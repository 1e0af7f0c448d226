import { beforeEach, expect, test } from 'vitest'
import type { UserPart } from '../presence/user-part.ts'
import type { Entry, EntryBody, EntryKind } from './entry.ts'
import { MAX_QUESTIONS, Questions } from './questions.ts'
import { NO_PART } from './testing/unknown-user.ts'

/** Which nodes have a fact about every user. */
let holders: string[]
let left: Set<string>
let questions: Questions
let done: number[]

beforeEach(() => {
  holders = ['b', 'c']
  left = new Set()
  done = []
  questions = new Questions({
    node: 'a',
    fold: { holders: (_userId, except) => holders.filter(node => node !== except) },
    hasLeft: node => left.has(node),
  })
})

const PART: UserPart = { ...NO_PART, state: 'idle' }

/** An entry of a node is read. */
async function read(node: string, body: Partial<EntryBody>, kind: EntryKind = 'say') {
  const whole = { format: 1, at: 0, facts: [], registers: [], ...body } as const
  questions.applied({ place: { epoch: 1, seq: 1 }, node, batch: 1, kind, body: whole } satisfies Entry)
  await Promise.resolve()
}

/** The node `c` is lost. */
function lose() {
  holders = ['b']
  return read('b', { subject: 'c' }, 'lost')
}

/** Asks about a user. Returns the id. */
function ask(userId = 'ann'): number {
  const id = questions.begin(userId) as number
  void questions.answered(id).then(() => done.push(id))
  return id
}

test('[N9] a question is answered when all nodes have answered that have the user at its place in the log', async () => {
  const id = ask()
  await read('b', { answers: [['a', 99, PART]] })
  await read('a', { asks: [[id, 'ann']] })
  // A node that the user comes to later is not asked.
  holders.push('d')
  await read('b', { answers: [['a', id, PART]] })
  expect(done).toEqual([])
  await read('c', { answers: [['other', id, PART]] })
  expect(done).toEqual([])
  await read('c', { answers: [['a', id, NO_PART]] })
  expect(done).toEqual([id])
  expect(questions.end(id)).toEqual({
    parts: [
      { node: 'b', part: PART },
      { node: 'c', part: NO_PART },
    ],
    missing: ['d'],
  })
  expect(questions.userOf(id)).toBeUndefined()
})

test.each([
  ['is lost', lose, []],
  ['stops', () => read('c', {}, 'left'), ['c']],
  ['has stopped before', () => void left.add('c'), ['c']],
])('[N9] nobody waits for a node that %s', async (_, act, missing) => {
  const id = ask()
  if (left.size + missing.length > 0) await act()
  await read('a', { asks: [[id, 'ann']] })
  await act()
  await read('b', { answers: [['a', id, PART]] })
  expect(done).toEqual([id])
  expect(questions.end(id)).toEqual({ parts: [{ node: 'b', part: PART }], missing })
})

test('[N9] a node that does not answer, or not as nodes of this version do, is missing', async () => {
  const id = ask()
  await read('a', { asks: [[id, 'ann']] })
  await read('b', { answers: [['a', id, {} as UserPart]] })
  expect([done, questions.end(id)]).toEqual([[], { parts: [], missing: ['b', 'c'] }])
  // A late answer changes nothing.
  await read('b', { answers: [['a', id, PART]] })
  expect(questions.end(id)).toEqual({ parts: [], missing: [] })
})

test('[N9] what a node has answered does not count when it has the user no more', async () => {
  const id = ask()
  await read('a', { asks: [[id, 'ann']] })
  await read('b', { answers: [['a', id, PART]] })
  holders = ['c']
  await read('c', { answers: [['a', id, PART]] })
  expect(questions.end(id)).toEqual({ parts: [{ node: 'c', part: PART }], missing: [] })
})

test('[N9] few questions wait at once, and none when Redis does not answer', async () => {
  const ids = Array.from({ length: MAX_QUESTIONS }, () => ask())
  expect(questions.begin('ann')).toBeUndefined()
  questions.end(ids[0] as number)
  ids.push(ask())
  questions.giveUp()
  await Promise.resolve()
  expect(done.length).toBe(MAX_QUESTIONS)
  for (const id of ids) questions.end(id)
  expect(questions.begin('ann')).toBeDefined()
})
