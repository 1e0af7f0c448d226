// @vitest-environment happy-dom
import { act, cleanup, render } from '@testing-library/react'
import { createElement, memo, type ReactNode, StrictMode } from 'react'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { PresenceClient } from './api.ts'
import { createClient } from './client.ts'
import { ManualClock } from './clock.fake.ts'
import {
  PresenceProvider,
  useConnectionStatus,
  useMyStatus,
  useOnlineCount,
  useOnlineUsers,
  usePresence,
  usePresenceClient,
  useUsers,
} from './react.ts'
import { FakeServer } from './server.fake.ts'

let clock: ManualClock
let server: FakeServer
let client: PresenceClient

beforeEach(() => {
  clock = new ManualClock()
  server = new FakeServer(clock)
  client = createClient({
    url: 'ws://fake/ws',
    userId: 'me',
    WebSocket: server.WebSocket,
    platform: { ...clock, document: undefined, storage: undefined, locks: undefined, network: undefined },
  })
})

afterEach(cleanup)

const pass = (ms = 50) => act(() => clock.run(ms))

function show(node: ReactNode) {
  const { container, rerender, unmount } = render(createElement(PresenceProvider, { client }, node))
  return {
    text: () => (container as unknown as { textContent: string }).textContent,
    rerender: (next: ReactNode) => rerender(createElement(PresenceProvider, { client }, next)),
    unmount,
  }
}

function Row({ userId, seen }: { userId: string; seen?: (userId: string) => void }): ReactNode {
  const user = usePresence(userId)
  seen?.(userId)
  return `${userId}:${user?.status ?? '?'} `
}

const PureRow = memo(Row)

function List({ seen }: { seen: (users: unknown) => void }): ReactNode {
  const users = useUsers(['ann', 'bob'])
  seen(users)
  return users.map(user => user.status).join()
}

function Everything(): ReactNode {
  const users = useOnlineUsers()
  const count = useOnlineCount()
  const connection = useConnectionStatus()
  const [mine, setStatus] = useMyStatus()
  const onClick = () => void setStatus('busy')
  const text = `${users.map(user => user.userId).join()}|${count}|${connection}|${mine.status}`
  return createElement('button', { type: 'button', onClick }, text)
}

function Dot(): ReactNode {
  return usePresence('ann')?.freshness
}

function Lost(): ReactNode {
  return usePresenceClient().connectionStatus
}

function Odd({ userId }: { userId: string | undefined }): ReactNode {
  const user = usePresence(userId)
  const users = useUsers([userId, 'ann'])
  return `odd:${user?.status ?? '?'} ${users.map(each => each.userId).join()}`
}

describe('[J12] ids that can’t be any', () => {
  test.each(['', undefined, 'x'.repeat(129), null])('%j follows nobody, and the rest stays', async id => {
    const { text } = show(createElement(Odd, { userId: id as string | undefined }))
    await pass(300)
    expect(text()).toBe('odd:? ann')
  })
})

describe('[J12] hooks', () => {
  test('a user, as the server tells', async () => {
    const page = show(createElement(Row, { userId: 'ann' }))
    expect(page.text()).toBe('ann:? ')
    await pass()
    expect(page.text()).toBe('ann:offline ')
    server.users.change('ann', 'busy')
    await pass()
    expect(page.text()).toBe('ann:busy ')
    page.rerender(createElement(Row, { userId: 'bob' }))
    expect(page.text()).toBe('bob:? ')
    await pass(500)
    expect(page.text()).toBe('bob:offline ')
    page.unmount()
    await pass(500)
    expect(client.users()).toEqual([])
  })

  test('of a thousand rows only those render again that show something else', async () => {
    const rendered = new Map<string, number>()
    const seen = (userId: string) => void rendered.set(userId, (rendered.get(userId) ?? 0) + 1)
    const ids = Array.from({ length: 1_000 }, (_, n) => `row-${n}`)

    show(ids.map(userId => createElement(PureRow, { key: userId, userId, seen })))
    await pass(60_000)
    expect(server.received.filter(({ type }) => type === 'subscribe')).toHaveLength(4)
    expect(client.users()).toHaveLength(1_000)
    rendered.clear()
    server.users.change('row-7', 'busy')
    server.users.change('row-8', 'away')
    await pass()
    expect(Object.fromEntries(rendered)).toEqual({ 'row-7': 1, 'row-8': 1 })
  })

  test('a list of users: the same array until one of them changes', async () => {
    const lists: unknown[] = []
    const seen = (users: unknown) => void lists.push(users)
    const page = show(createElement(List, { seen }))
    await pass()
    expect(page.text()).toBe('offline,offline')
    const before = lists.at(-1)
    page.rerender(createElement(List, { seen }))
    server.users.change('eve', 'busy')
    await pass()
    expect(lists.at(-1)).toBe(before)
    server.users.change('bob', 'busy')
    await pass()
    expect(page.text()).toBe('offline,busy')
  })

  test('everybody online, the count, the connection, and this user’s own status', async () => {
    const page = show(createElement(Everything))
    expect(page.text()).toBe('|undefined|connecting|online')
    server.users.change('ann', 'busy')
    server.users.change('bob', 'offline')
    await pass()
    expect(page.text()).toBe('ann|1|open|online')
    await act(async () => {
      const { document } = globalThis as unknown as {
        document: { querySelector(query: string): { click(): void } }
      }
      document.querySelector('button').click()
      await clock.run(50)
    })
    expect(page.text()).toBe('ann|1|open|busy')
    page.unmount()
    await pass(500)
    expect(client.users()).toEqual([])
  })

  test('StrictMode mounts twice and costs nothing', async () => {
    const page = show(createElement(StrictMode, undefined, createElement(Row, { userId: 'ann' })))
    await pass(500)
    expect(page.text()).toBe('ann:offline ')
    expect(server.received.map(({ type }) => type)).toEqual(['set_activity', 'client_state', 'subscribe'])
    expect(server.attempts).toBe(1)
    page.unmount()
    await pass(500)
    expect(server.received.map(({ type }) => type)).toEqual([
      'set_activity',
      'client_state',
      'subscribe',
      'unsubscribe',
    ])
  })

  test('a row goes grey when the connection is lost', async () => {
    const page = show(createElement(Dot))
    await pass()
    expect(page.text()).toBe('live')
    for (const connection of server.connections) connection.cut()
    await pass(1)
    expect(page.text()).toBe('stale')
    await pass(2_000)
    expect(page.text()).toBe('live')
  })

  test('a page that is rendered on a server opens and follows nothing', async () => {
    const other = new FakeServer(clock)
    const lazy = createClient({
      url: 'ws://fake/ws',
      userId: 'me',
      platform: { ...clock, WebSocket: other.WebSocket, document: undefined, isUsers: false },
    })
    const html = renderToString(
      createElement(
        PresenceProvider,
        { client: lazy },
        createElement(Everything),
        createElement(Row, { userId: 'ann' }),
      ),
    )
    expect(html).toContain('|undefined|idle|online')
    expect(html).toContain('ann:?')
    await clock.run(1_000)
    expect(other.attempts).toBe(0)
  })

  test('without a provider a hook says what is missing', () => {
    expect(() => renderToString(createElement(Lost))).toThrow('<PresenceProvider>')
  })
})
