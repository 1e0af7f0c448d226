// @vitest-environment happy-dom
import { render } from 'preact'
import { act } from 'preact/test-utils'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type FakeClient, fakeClient } from '../client.fake.ts'
import { myself } from '../model/me.ts'
import { ConnectAs } from './connect-as.tsx'

let root: HTMLElement
let fake: FakeClient
beforeEach(async () => {
  root = document.body.appendChild(document.createElement('div'))
  fake = fakeClient()
  const me = myself(() => fake.client, undefined)
  await act(() => render(<ConnectAs myself={me} />, root))
})
afterEach(() => {
  render(null, root)
  root.remove()
})

const field = (name: string) => root.querySelector(`[name="${name}"]`) as HTMLInputElement
const happen = (name: string, type: string) =>
  act(() => void field(name).dispatchEvent(new Event(type, { bubbles: true, cancelable: true })))
const press = (text: string) =>
  act(() => [...root.querySelectorAll('button')].find(button => button.textContent === text)?.click())

async function enter(userId: string, status: string): Promise<void> {
  field('user-id').value = userId
  field('status').value = status
  await press('Connect')
}

test('connects, and says as whom', async () => {
  await enter(' ann ', 'busy')
  expect(root.textContent).toContain('Connecting as ann')
  await act(() => fake.becomes('open', 'live'))
  expect(root.textContent).toContain('Here as ann')
  expect(fake.asked).toEqual(['setStatus busy'])
})

test('a status and a text count as soon as they are chosen', async () => {
  await enter('ann', 'online')
  field('status').value = 'away'
  await happen('status', 'change')
  await act(() => fake.chose({ status: 'away' }))
  field('text').value = 'at lunch'
  await happen('text', 'change')
  expect(fake.asked).toEqual(['setStatus away', 'setStatus away at lunch'])
})

test('what is chosen on another device shows here', async () => {
  await enter('ann', 'online')
  await act(() => fake.chose({ status: 'busy', text: 'in a call' }))
  expect([field('status').value, field('text').value]).toEqual(['busy', 'in a call'])
})

test('what is being typed stays, whatever is drawn meanwhile', async () => {
  await enter('ann', 'online')
  field('text').value = 'at lu'
  await act(() => fake.becomes('waiting', 'stale'))
  await act(() => fake.chose({ status: 'busy' }))
  expect([field('status').value, field('text').value]).toEqual(['busy', 'at lu'])
})

test('the focus stays with the form when it becomes another', async () => {
  expect(document.activeElement).toBe(document.body)
  await enter('ann', 'online')
  expect(document.activeElement?.getAttribute('aria-label')).toBe('Connect as')
  await press('Leave')
  expect(field('user-id')).not.toBeNull()
  expect(document.activeElement?.getAttribute('aria-label')).toBe('Connect as')
})

test('every field has a label', () => {
  for (const name of ['user-id', 'username', 'status']) {
    expect(field(name).closest('label')?.textContent?.trim()).not.toBe('')
  }
})

test('an id that is too long is said in the form', async () => {
  field('user-id').value = 'x'.repeat(129)
  await happen('user-id', 'input')
  expect(field('user-id').validationMessage).toMatch(/128 bytes/)
})
