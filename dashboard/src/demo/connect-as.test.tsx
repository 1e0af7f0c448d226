// @vitest-environment happy-dom
import { render } from 'preact'
import { act } from 'preact/test-utils'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type FakeClient, fakeClient } from '../client.fake.ts'
import { ConnectAs } from './connect-as.tsx'
import { ownUser } from './own-user.ts'

let root: HTMLElement
let fake: FakeClient
beforeEach(async () => {
  root = document.body.appendChild(document.createElement('div'))
  fake = fakeClient()
  const own = ownUser(() => fake.client, undefined)
  await act(() => render(<ConnectAs own={own} />, root))
})
afterEach(() => {
  render(null, root)
  root.remove()
})

const field = (name: string) => root.querySelector(`[name="${name}"]`) as HTMLInputElement
const emit = (name: string, type: string) =>
  act(() => void field(name).dispatchEvent(new Event(type, { bubbles: true, cancelable: true })))
const press = (text: string) =>
  act(() => [...root.querySelectorAll('button')].find(button => button.textContent === text)?.click())

async function enter(userId: string, status: string): Promise<void> {
  field('user-id').value = userId
  field('status').value = status
  await press('Connect')
}

test('connects, and shows as which user', async () => {
  await enter(' ann ', 'busy')
  expect(root.textContent).toContain('Connecting as ann')
  await act(() => fake.setConnection('open', 'live'))
  expect(root.textContent).toContain('Connected as ann')
  expect(fake.calls).toEqual(['setStatus busy'])
})

test('a status and a text are sent as soon as they are chosen', async () => {
  await enter('ann', 'online')
  field('status').value = 'away'
  await emit('status', 'change')
  await act(() => fake.sendChoice({ status: 'away' }))
  field('text').value = 'at lunch'
  await emit('text', 'change')
  expect(fake.calls).toEqual(['setStatus away', 'setStatus away at lunch'])
})

test('a choice of another device is shown', async () => {
  await enter('ann', 'online')
  await act(() => fake.sendChoice({ status: 'busy', text: 'in a call' }))
  expect([field('status').value, field('text').value]).toEqual(['busy', 'in a call'])
})

test('text that is being typed stays when the form is drawn', async () => {
  await enter('ann', 'online')
  field('text').value = 'at lu'
  await act(() => fake.setConnection('waiting', 'stale'))
  await act(() => fake.sendChoice({ status: 'busy' }))
  expect([field('status').value, field('text').value]).toEqual(['busy', 'at lu'])
})

test('the focus stays in the section when the form changes', async () => {
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

test('an id that is too long makes the field invalid', async () => {
  field('user-id').value = 'x'.repeat(129)
  await emit('user-id', 'input')
  expect(field('user-id').validationMessage).toMatch(/128 bytes/)
})
