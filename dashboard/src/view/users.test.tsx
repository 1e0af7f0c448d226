// @vitest-environment happy-dom
import { render } from 'preact'
import { act } from 'preact/test-utils'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fakeClient } from '../client.fake.ts'
import { live } from '../model/live.ts'
import { timeFormat } from '../model/time-format.ts'
import { TrustNote } from './trust-note.tsx'
import { Users } from './users.tsx'

const format = timeFormat('en-GB', 'UTC')
const START = Date.parse('2026-01-01T12:00:20Z')
let root: HTMLElement
beforeEach(() => {
  root = document.body.appendChild(document.createElement('div'))
})
afterEach(() => {
  render(null, root)
  root.remove()
})

async function shown(count: number) {
  const fake = fakeClient()
  let frames: (() => void)[] = []
  const model = live(fake.client, { schedule: task => frames.push(task), now: () => START })
  const draw = () =>
    act(() => {
      const due = frames
      frames = []
      for (const task of due) task()
    })
  fake.setConnection('open', 'live')
  fake.sendUsers(...Array.from({ length: count }, (_, index) => [`u${10_000 + index}`, 'online'] as const))
  await act(() =>
    render(
      <>
        <TrustNote trust={model.trust} format={format} />
        <Users live={model} format={format} />
      </>,
      root,
    ),
  )
  await draw()
  return { ...fake, draw, model }
}

const rows = () => [...root.querySelectorAll('[data-user]')]
const find = (userId: string) => root.querySelector(`[data-user="${userId}"]`)

test('of ten thousand rows only the visible ones are in the page, each with its position', async () => {
  await shown(10_000)
  expect(rows().length).toBeGreaterThan(5)
  expect(rows().length).toBeLessThan(60)
  expect(find('u10000')?.getAttribute('aria-posinset')).toBe('1')
  expect(find('u10000')?.getAttribute('aria-setsize')).toBe('10000')
  expect(root.querySelector('h2')?.textContent).toBe('10,000 online of 10,000 listed')
})

test('a change draws the row of its user and no other', async () => {
  const { sendUsers: tells, draw } = await shown(20)
  const touched = new Set<string>()
  const watcher = new MutationObserver(changes => {
    for (const { target } of changes) {
      const element = target instanceof Element ? target : target.parentElement
      touched.add(element?.closest('[data-user]')?.getAttribute('data-user') ?? 'the list')
    }
  })
  watcher.observe(root.querySelector('ul') as Element, {
    subtree: true,
    childList: true,
    attributes: true,
    characterData: true,
  })
  tells(['u10003', 'busy', 'in a call'])
  await draw()
  await new Promise(resolve => setTimeout(resolve))
  expect([...touched]).toEqual(['u10003'])
  expect(find('u10003')?.textContent).toBe('u10003busysince 12:00in a calllast seen now')
})

test('the status of a user who was online before began at an uncertain time', async () => {
  await shown(1)
  expect(find('u10000')?.querySelector('.since')?.textContent).toBe('since before 12:01')
})

test('a status is shown as a word and a shape, not only as a color', async () => {
  await shown(1)
  expect(find('u10000')?.querySelector('.word')?.textContent).toBe('online')
  expect(find('u10000')?.querySelector('.dot')?.getAttribute('aria-hidden')).toBe('true')
})

test('markup in a name is shown as text', async () => {
  const { sendUsers: tells, draw } = await shown(1)
  tells(['<img src=x onerror=alert(1)>', 'online'])
  await draw()
  expect(root.querySelector('img')).toBeNull()
  expect(root.textContent).toContain('<img src=x onerror=alert(1)>')
})

test('a lost connection is shown with the time of the data', async () => {
  const { setConnection: becomes, draw } = await shown(2)
  const note = root.querySelector('[role=status]')
  expect(note?.textContent).toBe('Live')
  becomes('waiting', 'stale')
  await draw()
  expect(note?.textContent).toBe('Connection lost. Showing the state of 12:00:20. Trying again…')
  expect(root.querySelector('h2')?.textContent).toBe('2 were online of 2 listed')
  expect(rows()).toHaveLength(2)
})

test.each([
  [{ text: '', onlyOnline: false }, 0, 'No users yet. Connect as a user, in this tab or in another one.'],
  [{ text: 'zoe', onlyOnline: false }, 2, 'No user matches the search.'],
])('an empty list says why: filter %j, %i users', async (filter, count, text) => {
  const { model, draw } = await shown(count)
  await act(() => model.setFilter(filter))
  await draw()
  expect(root.querySelector('.empty')?.textContent).toBe(text)
})
