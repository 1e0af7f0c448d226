import { describe, expect, test } from 'vitest'
import { isRegister, readAbout, readEntry, readFact } from './append.ts'
import type { EntryBody } from './entry.ts'

const body: EntryBody = {
  format: 1,
  at: 5,
  facts: [['ann', { p: 1, n: 1, h: 5, s: { tab: 4 } }, 'opened']],
  registers: [['n:ann', '000000000000005|a|"Ann"']],
}

function read(
  changes: Readonly<Record<string, unknown>> = {},
  others: Readonly<Record<string, string>> = {},
) {
  const fields = {
    node: 'a',
    batch: '1',
    kind: 'say',
    body: JSON.stringify({ ...body, ...changes }),
    ...others,
  }
  return readEntry('7-9', Object.entries(fields).flat())
}

describe('entries of the log', () => {
  test('what a node has appended is read', () => {
    expect(read()).toEqual({ place: { epoch: 7, seq: 9 }, node: 'a', batch: 1, kind: 'say', body })
  })

  test('causes, registers and fields of a newer version are read too', () => {
    const { kind, body } = read({
      facts: [['ann', null, 'teleported']],
      registers: [['z:ann', '1']],
      more: 1,
    })
    expect([kind, body.facts.length, body.registers.length]).toEqual(['say', 1, 1])
  })

  const place = { epoch: 7, seq: 9 }
  const nothing = { format: 1, at: 0, facts: [], registers: [] }

  test.each([
    ['no fields', () => readEntry('7-9', [])],
    ['half a field', () => readEntry('7-9', ['node'])],
    ['no node', () => read({}, { node: '' })],
    ['no batch', () => read({}, { batch: '' })],
    ['a batch that is not a number', () => read({}, { batch: '1.5' })],
  ])('an entry with %s has only its place', (_, act) => {
    expect(act()).toEqual({ place, node: '', batch: 0, kind: 'unknown', body: nothing })
  })

  test.each([
    ['an unknown kind', () => read({}, { kind: 'party' })],
    ['a body that is not JSON', () => read({}, { body: '{' })],
    ['a body that is not an object', () => read({}, { body: '[]' })],
    ['another format', () => read({ format: 2 })],
    ['no time', () => read({ at: undefined })],
    ['a time that no clock has', () => read({ at: 10 ** 15 })],
    [
      'a fact with such a time',
      () => read({ facts: [['ann', { ...body.facts[0]?.[1], h: 10 ** 15 }, 'opened']] }),
    ],
    [
      'a session with such a time',
      () => read({ facts: [['ann', { p: 1, n: 1, h: 1, s: { tab: 10 ** 15 } }, 'opened']] }),
    ],
    ['a register with such a time', () => read({ registers: [['s:ann', `000000000000005|a|${10 ** 15}`]] })],
    [
      'a choice with such a time',
      () => read({ registers: [['c:ann', '000000000000005|a|{"madeAt":9e99}']] }),
    ],
    ['facts that are not a list', () => read({ facts: {} })],
    ['a fact without a user', () => read({ facts: [[1, null, 'left']] })],
    ['a fact without a cause', () => read({ facts: [['ann', null]] })],
    ['a fact that is not one', () => read({ facts: [['ann', { p: 3, n: 1, h: 1, s: {} }, 'opened']] })],
    [
      'a fact with a wrong visibility',
      () => read({ facts: [['ann', { p: 1, n: 1, h: 1, s: {}, v: 2 }, 'opened']] }),
    ],
    [
      'a fact with a wrong time of idleness',
      () => read({ facts: [['ann', { p: 2, n: 1, h: 1, s: {}, v: 1, i: -1 }, 'idle']] }),
    ],
    [
      'a fact with a wrong session',
      () => read({ facts: [['ann', { p: 1, n: 1, h: 1, s: { tab: 'x' } }, 'opened']] }),
    ],
    ['a register without a value', () => read({ registers: [['n:ann']] })],
    ['kicks that are not users', () => read({ kicks: [1] })],
    ['ends that are not sessions', () => read({ ends: [['ann']] })],
    ['a question without a user', () => read({ asks: [[1]] })],
    ['an answer without a question', () => read({ answers: [['b', 'x', {}]] })],
    ['an answer that is no object', () => read({ answers: [['b', 1, 'x']] })],
    ['a subject that is not a node', () => read({ subject: 1 })],
    ['a lost node without a name', () => read({}, { kind: 'lost' })],
    ['an "again" that is not a boolean', () => read({ again: 'yes' })],
    ['an "about" without a version', () => read({ about: { name: 'A' } })],
  ])('an entry with %s counts as a batch, and its content is ignored', (_, act) => {
    expect(act()).toEqual({ place, node: 'a', batch: 1, kind: 'unknown', body: nothing })
  })
})

test('an entry at a place that nodes cannot follow is unknown, also if it names a node', () => {
  const fields = [
    'node',
    'a',
    'batch',
    '1',
    'kind',
    'epoch',
    'body',
    JSON.stringify({ ...body, again: true }),
  ]
  const kinds = ['9007199254740000-1', `7-${10 ** 15}`, '7-9'].map(id => readEntry(id, fields).kind)
  expect(kinds).toEqual(['unknown', 'unknown', 'epoch'])
})

test.each([
  ['s:ann', `000000000000005|a|${10 ** 15}`, false],
  ['s:ann', '000000000000005|a|5', true],
  ['c:ann', '000000000000005|a|{"status":"busy","expiresAt":9e99}', false],
  ['c:ann', '000000000000005|a|{"status":"busy","expiresAt":5.5,"more":-1}', true],
  ['n:ann', `000000000000005|a|"${10 ** 15}"`, true],
])('whether %s %s is a register: %s', (key, value, is) => {
  expect(isRegister(key, value)).toBe(is)
})

test.each(['', '1', 'null', '{"p":1}', '{"p":1,"n":-1,"h":1,"s":{}}'])('the row %s is not a fact', text => {
  expect(readFact(text)).toBeUndefined()
  expect(readAbout(text)).toBeUndefined()
})
