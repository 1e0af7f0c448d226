import { expect, test } from 'vitest'
import { listAction } from './list-keys.ts'

const press = (key: string, more = {}) =>
  listAction({ key, ctrlKey: false, metaKey: false, altKey: false, ...more } as KeyboardEvent, 20)

test.each([
  ['ArrowDown', { kind: 'move', rows: 1 }],
  ['k', { kind: 'move', rows: -1 }],
  ['PageDown', { kind: 'move', rows: 20 }],
  ['Home', { kind: 'move', rows: Number.NEGATIVE_INFINITY }],
  ['Enter', { kind: 'open' }],
  ['Escape', { kind: 'close' }],
  ['c', { kind: 'copy' }],
  ['x', undefined],
])('%s', (key, action) => {
  expect(press(key)).toEqual(action)
})

test('keys of the browser stay with the browser: Ctrl+C copies the selected text', () => {
  expect(press('c', { ctrlKey: true })).toBeUndefined()
  expect(press('ArrowDown', { altKey: true })).toBeUndefined()
})
