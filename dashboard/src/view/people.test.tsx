// @vitest-environment happy-dom
import { render } from 'preact'
import { act } from 'preact/test-utils'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fakeClient } from '../client.fake.ts'
import { live } from '../model/live.ts'
import { times } from '../model/times.ts'
import { People } from './people.tsx'
import { TrustNote } from './trust-note.tsx'

const format = times('en-GB', 'UTC')
const START = Date.parse('2026-01-01T12:00:20Z')
let root: HTMLElement
beforeEach(() => {
  root = document.body.appendChild(document.createElement('div'))
})
afterEach(() => {
  render(null, root)
  root.remove()
})

async function shown(users: number) {
  const fake = fakeClient()
  let frames: (() => void)[] = []
  const watched = live(fake.client, { later: task => frames.push(task), now: () => START })
  const draw = () =>
    act(() => {
      const due = frames
      frames = []
      for (const task of due) task()
    })
  fake.becomes('open', 'live')
  fake.tells(...Array.from({ length: users }, (_, index) => [`u${10_000 + index}`, 'online'] as const))
  await act(() =>
    render(
      <>
        <TrustNote trust={watched.trust} format={format} />
        <People live={watched} format={format} />
      </>,
      root,
    ),
  )
  await draw()
  return { ...fake, draw, watched }
}

const rows = () => [...root.querySelectorAll('[data-user]')]
const find = (userId: string) => root.querySelector(`[data-user="${userId}"]`)

test('of ten thousand only those within sight are in the page, and each says which it is', async () => {
  await shown(10_000)
  expect(rows().length).toBeGreaterThan(5)
  expect(rows().length).toBeLessThan(60)
  expect(find('u10000')?.getAttribute('aria-posinset')).toBe('1')
  expect(find('u10000')?.getAttribute('aria-setsize')).toBe('10000')
  expect(root.querySelector('h2')?.textContent).toBe('10,000 online of 10,000 listed')
})

test('a change draws the line of who changed, and no other', async () => {
  const { tells, draw } = await shown(20)
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

test('of who was here before the page was opened it says no more than it knows', async () => {
  await shown(1)
  expect(find('u10000')?.querySelector('.since')?.textContent).toBe('since before 12:01')
})

test('a status is a word and a form, never a colour alone', async () => {
  await shown(1)
  expect(find('u10000')?.querySelector('.word')?.textContent).toBe('online')
  expect(find('u10000')?.querySelector('.dot')?.getAttribute('aria-hidden')).toBe('true')
})

test('a name is text, whatever is in it', async () => {
  const { tells, draw } = await shown(1)
  tells(['<img src=x onerror=alert(1)>', 'online'])
  await draw()
  expect(root.querySelector('img')).toBeNull()
  expect(root.textContent).toContain('<img src=x onerror=alert(1)>')
})

test('says that the connection is lost, and of when it is what is shown', async () => {
  const { becomes, draw } = await shown(2)
  const note = root.querySelector('[role=status]')
  expect(note?.textContent).toBe('Live')
  becomes('waiting', 'stale')
  await draw()
  expect(note?.textContent).toBe('Connection lost. This is how it was at 12:00:20; trying again…')
  expect(root.querySelector('h2')?.textContent).toBe('2 were online of 2 listed')
  expect(rows()).toHaveLength(2)
})
