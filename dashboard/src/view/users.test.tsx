// @vitest-environment happy-dom
import { render } from 'preact'
import { act } from 'preact/test-utils'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { fakeClient } from '../client.fake.ts'
import { live } from '../model/live.ts'
import { onDemand } from '../model/on-demand.ts'
import { DEFAULT_ORDER } from '../model/order.ts'
import { rowOf } from '../model/row.ts'
import { selection } from '../model/selection.ts'
import { timeFormat } from '../model/time-format.ts'
import { Panel } from './panel.tsx'
import { TrustNote } from './trust-note.tsx'
import { sinceText } from './user-row.tsx'
import { Users } from './users.tsx'

const format = timeFormat('en-GB', 'UTC')
const START = Date.parse('2026-01-01T12:00:20Z')
let root: HTMLElement
/** How much time has passed since {@link START}, in ms. */
let passedMs = 0
beforeEach(() => {
  passedMs = 0
  root = document.body.appendChild(document.createElement('div'))
})
afterEach(() => {
  render(null, root)
  root.remove()
})

async function shown(count: number) {
  const fake = fakeClient()
  let frames: (() => void)[] = []
  const model = live(fake.client, {
    schedule: task => frames.push(task),
    now: () => START + passedMs,
    askHistory: () => Promise.reject(new Error('none')),
    whyNoWebSocket: async () => undefined,
  })
  const selected = selection(model, undefined)
  const operator = onDemand<never>(() => expect.unreachable())
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
        <TrustNote live={model} format={format} />
        <Users live={model} selected={selected} format={format} hint="No users yet." />
        <Panel live={model} selected={selected} format={format} operator={operator} />
      </>,
      root,
    ),
  )
  await draw()
  return { ...fake, draw, model, selected }
}

const chips = () => [...root.querySelectorAll('.chips button')].map(chip => chip.textContent)
const rows = () => [...root.querySelectorAll('[data-user]')]
const find = (userId: string) => root.querySelector(`[data-user="${userId}"]`)

test('of ten thousand rows only the visible ones are in the page, each with its position', async () => {
  await shown(10_000)
  expect(rows().length).toBeGreaterThan(5)
  expect(rows().length).toBeLessThan(60)
  // The headings are the first row.
  expect(find('u10000')?.getAttribute('aria-rowindex')).toBe('2')
  expect(root.querySelector('[role=grid]')?.getAttribute('aria-rowcount')).toBe('10001')
  expect(chips()).toEqual(['all 10,000', 'online 10,000', 'away 0', 'busy 0', 'offline 0'])
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
  watcher.observe(root.querySelector('.rows') as Element, {
    subtree: true,
    childList: true,
    attributes: true,
    characterData: true,
  })
  tells(['u10003', 'busy', 'in a call'])
  await draw()
  await new Promise(resolve => setTimeout(resolve))
  expect([...touched]).toEqual(['u10003'])
  expect(find('u10003')?.textContent).toBe('Uu10003busynowin a call')
})

test('the status of a user who was online before began at an uncertain time', async () => {
  const { sendUsers: tells, draw } = await shown(1)
  const cell = (userId: string) => find(userId)?.querySelector('.for')
  expect(cell('u10000')?.textContent).toBe('–')
  expect(cell('u10000')?.querySelector('time')?.title).toBe(
    'online for an unknown time: it began before this page could see it',
  )
  tells(['u10000', 'busy'])
  await draw()
  expect(cell('u10000')?.textContent).toBe('now')
  expect(cell('u10000')?.querySelector('time')?.title).toBe('busy since 1 Jan 2026, 12:00:20')
})

test('a status that the page did not see begin has lasted at least as long as the page is open', async () => {
  const { model, selected } = await shown(1)
  passedMs = 240_000
  await act(() => {
    model.tick()
    selected.open('u10000')
  })
  expect(find('u10000')?.querySelector('.for')?.textContent).toBe('4m+')
  const sentence = 'online for at least 4 minutes: it began before this page could see it'
  expect(find('u10000')?.querySelector('.for time')?.getAttribute('title')).toBe(sentence)
  expect(facts()).toContain(`For4m+${sentence}`)
})

const foot = () => root.querySelector('.foot')?.textContent

test('the foot says how many users match, and has only keys that do something', async () => {
  const { model, selected, draw } = await shown(3)
  expect(foot()).toMatch(/^3 users.*Enter open.*copy id$/)
  await act(() => selected.open('u10001'))
  expect(foot()).toMatch(/Esc close$/)
  await act(() => model.show({ text: 'u10001', status: undefined }, DEFAULT_ORDER))
  await draw()
  expect(foot()).toMatch(/^1 of 3 match/)
  await act(() => model.show({ text: 'zoe', status: undefined }, DEFAULT_ORDER))
  await draw()
  expect(foot()).toBe('0 of 3 match')
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
  expect(note?.textContent).toBe('Disconnected 1 s ago. The numbers are from 12:00:20. Trying again…')
  expect(rows()).toHaveLength(2)
})

test.each([
  [{ text: '', status: undefined }, 0, 'No users yet.'],
  [{ text: '', status: 'busy' as const }, 2, 'No user is busy.'],
  [{ text: 'zoe', status: undefined }, 2, 'No user matches the search.'],
  [{ text: 'u1', status: 'away' as const }, 2, 'No user who is away matches the search.'],
])('an empty list says why: filter %j, %i users', async (filter, count, text) => {
  const { model, draw } = await shown(count)
  await act(() => model.show(filter, DEFAULT_ORDER))
  await draw()
  expect(root.querySelector('.viewport .empty')?.textContent).toBe(text)
})

const chip = (name: string) =>
  [...root.querySelectorAll<HTMLElement>('.chips button')].find(button =>
    button.textContent?.startsWith(name),
  )

test('a status shows only its users, and all of them after a second click', async () => {
  const { sendUsers: tells, draw } = await shown(3)
  tells(['u10001', 'busy'])
  await draw()
  await act(() => chip('busy')?.click())
  expect(rows().map(row => row.getAttribute('data-user'))).toEqual(['u10001'])
  expect(chip('busy')?.getAttribute('aria-pressed')).toBe('true')
  await act(() => chip('busy')?.click())
  expect(rows()).toHaveLength(3)
})

const press = (key: string) =>
  act(() => {
    const grid = root.querySelector('[role=grid]')
    grid?.dispatchEvent(new KeyboardEvent('keydown', { key, bubbles: true, cancelable: true }))
  })

test('the keyboard moves between rows, opens the panel of a user, and closes it', async () => {
  await shown(30)
  const active = () => root.querySelector('[role=grid]')?.getAttribute('aria-activedescendant')
  await press('ArrowDown')
  await press('ArrowDown')
  expect(active()).toBe('row-1')
  expect(root.querySelector('aside')).toBeNull()
  await press('Enter')
  expect(root.querySelector('aside h2')?.textContent).toBe('u10001')
  expect(find('u10001')?.getAttribute('aria-selected')).toBe('true')
  await press('ArrowDown')
  expect(root.querySelector('aside h2')?.textContent).toBe('u10002')
  await press('Escape')
  expect(root.querySelector('aside')).toBeNull()
})

const facts = () => [...root.querySelectorAll('aside .line')].map(line => line.textContent)

test('the panel shows what is known of a user, and the changes that the page has seen', async () => {
  const { sendUsers: tells, draw, selected } = await shown(2)
  tells(['u10001', 'busy', 'in a call'])
  await draw()
  await act(() => selected.open('u10001'))
  expect(facts()).toEqual([
    'Idu10001',
    'Statusbusy',
    'Textin a call',
    'Fornowbusy since 1 Jan 2026, 12:00:20',
    'Last seennow',
  ])
  expect(root.querySelector('aside ol')?.textContent).toContain('is busy: in a call')
  tells(['u10001', 'offline'])
  await draw()
  expect(facts().slice(1)).toEqual([
    'Statusoffline',
    'Fornowoffline since 1 Jan 2026, 12:00:20',
    'Last seen20 seconds ago1 Jan 2026, 12:00:00',
  ])
  expect(root.querySelectorAll('aside li')).toHaveLength(2)
})

test('the panel of a user who is not known says so', async () => {
  const { selected } = await shown(1)
  await act(() => selected.open('zoe'))
  expect(facts()).toEqual(['Idzoe'])
  expect(root.querySelector('aside .empty')?.textContent).toMatch(/does not know this user/)
})

test('[E18] a status whose start the server tells has lasted since then', () => {
  const user = { userId: 'ann', status: 'online', lastSeen: null } as const
  const row = rowOf(user, { at: START, isUncertain: false }, false)
  const text = sinceText(row, START + 720_000, format)
  expect(text).toBe('online for 12 minutes, since 1 Jan 2026, 12:00:20')
})
