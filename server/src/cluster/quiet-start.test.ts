import { expect, test } from 'vitest'
import type { EntryBody, EntryKind } from './entry.ts'
import { QuietStart } from './quiet-start.ts'

const EPOCH = 1_900_000_000_000

/** What it says after some entries, given the members that were loaded. */
function since(entries: readonly (readonly [string, EntryKind, Partial<EntryBody>?])[], epoch = EPOCH) {
  const quiet = new QuietStart()
  quiet.loaded({ end: { epoch: EPOCH, seq: EPOCH }, epoch, nodes: new Map([['old', 3]]) })
  for (const [index, [node, kind, more = {}]] of entries.entries()) {
    const place = { epoch: EPOCH, seq: EPOCH + index + 1 }
    const body = { format: 1, at: EPOCH, facts: [], registers: [], ...more } as const
    quiet.read({ place, node, batch: 1, kind, body }, 'self')
  }
  return quiet.since
}

test('[N12] nothing has changed if no entry says anything', () => {
  expect(since([])).toBe(EPOCH)
  const entries = [
    ['self', 'join'],
    ['self', 'end'],
    ['old', 'left'],
    ['new', 'join'],
    ['new', 'end'],
  ] as const
  expect(since([...entries, ['self', 'beat'], ['old', 'beat'], ['new', 'say']])).toBe(EPOCH)
})

test.each([
  ['a fact', 'new', 'say', { facts: [['ann', null, 'left']] }],
  ['a fact of this node', 'self', 'say', { facts: [['ann', null, 'left']] }],
  ['a register', 'new', 'end', { registers: [['n:ann', '1|a|"Ann"']] }],
  ['a kick', 'new', 'say', { kicks: ['ann'] }],
  ['the loss of a node', 'new', 'lost', { subject: 'old' }],
  ['a former member that joins', 'old', 'join', {}],
  ['the end of its assertion', 'old', 'end', {}],
  ['an epoch', 'new', 'epoch', { again: true }],
] as const)('[N12] %s may change something', (_, node, kind, body) => {
  expect(
    since([
      ['self', 'beat'],
      [node, kind, body as Partial<EntryBody>],
      ['self', 'beat'],
    ]),
  ).toBeUndefined()
})

test('[N12] a log that ends in another epoch tells nothing', () => {
  expect(since([], EPOCH + 1)).toBeUndefined()
})
