// @vitest-environment happy-dom
import { signal } from '@preact/signals'
import { render } from 'preact'
import { act } from 'preact/test-utils'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { onDemand } from '../model/on-demand.ts'
import { timeFormat } from '../model/time-format.ts'
import { type LoadedOperator, makeOperator } from '../operator/operator.tsx'
import { Tasks } from './tasks.tsx'

const format = timeFormat('en-GB', 'UTC')
let root: HTMLElement
beforeEach(() => {
  root = document.body.appendChild(document.createElement('div'))
})
afterEach(() => {
  render(null, root)
  root.remove()
})

/** The part of the panel for ann, which is loaded when the test says so. */
async function newPart() {
  let resolve = (_loaded: LoadedOperator): void => {}
  let reject = (_error: Error): void => {}
  const imported = new Promise<LoadedOperator>((onLoaded, onError) => {
    resolve = onLoaded
    reject = onError
  })
  let count = 0
  const operator = onDemand(() => {
    count++
    return imported
  })
  const userId = signal('ann')
  const Part = () => <Tasks operator={operator} format={format} userId={userId.value} name={userId.value} />
  const open = () => act(() => render(<Part />, root))
  await open()
  return {
    open,
    close: () => act(() => render(null, root)),
    count: () => count,
    show: (other: string) =>
      act(() => {
        userId.value = other
      }),
    arrive: () =>
      act(async () => {
        // Without a key, the operator asks for one before it sends a request.
        resolve(makeOperator({ send: () => expect.unreachable(), isDevelopment: false, now: () => 0 }))
        await operator.load()
      }),
    fail: () =>
      act(async () => {
        reject(new TypeError('Failed to fetch dynamically imported module'))
        await operator.load()
      }),
  }
}

const press = (text: string) =>
  act(() => [...root.querySelectorAll('button')].find(button => button.textContent === text)?.click())
const keyField = () => root.querySelector('[name="key"]')
const isBusy = () => root.querySelector('section')?.getAttribute('aria-busy')
const alert = () => root.querySelector('[role=alert]')?.textContent
const buttons = () => [...root.querySelectorAll('.tasks button')]

test('[T12] the operator is loaded with the first press, which it then carries out', async () => {
  const { count, arrive } = await newPart()
  const before = buttons()
  expect([count(), isBusy()]).toEqual([0, 'false'])
  await press('Why this status?')
  expect([count(), isBusy(), keyField(), alert()]).toEqual([1, 'true', null, ''])
  await arrive()
  expect([isBusy(), document.activeElement === keyField()]).toEqual(['false', true])
  expect(keyField()).not.toBeNull()
  await press('Set status…')
  expect(count()).toBe(1)
  // The same elements: a button keeps the focus, and nothing flickers.
  expect(buttons().every((button, index) => button === before[index])).toBe(true)
})

test('[T12] if the operator can not be loaded, the page says what to do', async () => {
  const { fail } = await newPart()
  await press('End sessions…')
  await fail()
  expect([isBusy(), alert()]).toEqual([
    'false',
    'The page could not load this part: reload the page, because the server may have another version now.',
  ])
  expect(buttons()).toHaveLength(3)
})

test('a press for one user does nothing to the user whom the panel shows when the operator is loaded', async () => {
  const { show, arrive } = await newPart()
  await press('Why this status?')
  await show('bob')
  await arrive()
  expect(keyField()).toBeNull()
  await press('Why this status?')
  expect(keyField()).not.toBeNull()
  // It is dropped with its user.
  await show('ann')
  expect(keyField()).toBeNull()
})

test('what was begun is dropped when the panel is closed, before the operator is loaded and after', async () => {
  const { open, close, arrive } = await newPart()
  await press('Why this status?')
  await close()
  await arrive()
  await open()
  expect(keyField()).toBeNull()
  await press('Why this status?')
  expect(keyField()).not.toBeNull()
  await close()
  await open()
  expect(keyField()).toBeNull()
})
