// @vitest-environment happy-dom
import { act, cleanup, render } from '@testing-library/react'
import { createElement, memo, type ReactNode, StrictMode } from 'react'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import type { PresenceClient } from './api.ts'
import { createClient } from './client.ts'
import { ManualClock } from './clock.fake.ts'
import { fakePlatform } from './platform.fake.ts'
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
    platform: fakePlatform(clock),
  })
})

afterEach(cleanup)

const run = (ms = 50) => act(() => clock.run(ms))

function mount(node: ReactNode) {
  const { container, rerender, unmount } = render(createElement(PresenceProvider, { client }, node))
  return {
    text: () => (container as unknown as { textContent: string }).textContent,
    rerender: (next: ReactNode) => rerender(createElement(PresenceProvider, { client }, next)),
    unmount,
  }
}

function Row({ userId, onRender }: { userId: string; onRender?: (userId: string) => void }): ReactNode {
  const user = usePresence(userId)
  onRender?.(userId)
  return `${userId}:${user?.status ?? '?'} `
}

const PureRow = memo(Row)

function List({ onRender }: { onRender: (users: unknown) => void }): ReactNode {
  const users = useUsers(['ann', 'bob'])
  onRender(users)
  return users.map(user => user.status).join()
}

function AllHooks(): ReactNode {
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

function Status(): ReactNode {
  return usePresenceClient()?.connectionStatus
}

function WithInvalid({ userId }: { userId: string | undefined }): ReactNode {
  const user = usePresence(userId)
  const users = useUsers([userId, 'ann'])
  return `invalid:${user?.status ?? '?'} ${users.map(each => each.userId).join()}`
}

describe('[J12] invalid ids', () => {
  test.each(['', undefined, 'x'.repeat(129), null])(
    '%j subscribes to nothing, and valid ids stay subscribed',
    async id => {
      const { text } = mount(createElement(WithInvalid, { userId: id as string | undefined }))
      await run(300)
      expect(text()).toBe('invalid:? ann')
    },
  )
})

describe('[J12] hooks', () => {
  test('usePresence returns the user that the server sends', async () => {
    const page = mount(createElement(Row, { userId: 'ann' }))
    expect(page.text()).toBe('ann:? ')
    await run()
    expect(page.text()).toBe('ann:offline ')
    server.users.change('ann', 'busy')
    await run()
    expect(page.text()).toBe('ann:busy ')
    page.rerender(createElement(Row, { userId: 'bob' }))
    expect(page.text()).toBe('bob:? ')
    await run(500)
    expect(page.text()).toBe('bob:offline ')
    page.unmount()
    await run(500)
    expect(client.users()).toEqual([])
  })

  test('of a thousand rows only those whose user has changed render again', async () => {
    const rendered = new Map<string, number>()
    const onRender = (userId: string) => void rendered.set(userId, (rendered.get(userId) ?? 0) + 1)
    const ids = Array.from({ length: 1_000 }, (_, n) => `row-${n}`)

    mount(ids.map(userId => createElement(PureRow, { key: userId, userId, onRender })))
    await run(60_000)
    expect(server.received.filter(({ type }) => type === 'subscribe')).toHaveLength(4)
    expect(client.users()).toHaveLength(1_000)
    rendered.clear()
    server.users.change('row-7', 'busy')
    server.users.change('row-8', 'away')
    await run()
    expect(Object.fromEntries(rendered)).toEqual({ 'row-7': 1, 'row-8': 1 })
  })

  test('useUsers returns the same array until one of the users changes', async () => {
    const lists: unknown[] = []
    const onRender = (users: unknown) => void lists.push(users)
    const page = mount(createElement(List, { onRender }))
    await run()
    expect(page.text()).toBe('offline,offline')
    const before = lists.at(-1)
    page.rerender(createElement(List, { onRender }))
    server.users.change('eve', 'busy')
    await run()
    expect(lists.at(-1)).toBe(before)
    server.users.change('bob', 'busy')
    await run()
    expect(page.text()).toBe('offline,busy')
  })

  test('the hooks for all users, the count, the connection and this user’s status', async () => {
    const page = mount(createElement(AllHooks))
    expect(page.text()).toBe('|undefined|connecting|online')
    server.users.change('ann', 'busy')
    server.users.change('bob', 'offline')
    await run()
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
    await run(500)
    expect(client.users()).toEqual([])
  })

  test('StrictMode mounts twice and subscribes once', async () => {
    const page = mount(createElement(StrictMode, undefined, createElement(Row, { userId: 'ann' })))
    await run(500)
    expect(page.text()).toBe('ann:offline ')
    expect(server.received.map(({ type }) => type)).toEqual(['set_activity', 'client_state', 'subscribe'])
    expect(server.attempts).toBe(1)
    page.unmount()
    await run(500)
    expect(server.received.map(({ type }) => type)).toEqual([
      'set_activity',
      'client_state',
      'subscribe',
      'unsubscribe',
    ])
  })

  test('users are stale while the connection is lost', async () => {
    const page = mount(createElement(Dot))
    await run()
    expect(page.text()).toBe('live')
    for (const connection of server.connections) connection.cut()
    await run(1)
    expect(page.text()).toBe('stale')
    await run(2_000)
    expect(page.text()).toBe('live')
  })

  test('server-side rendering opens no connection and subscribes to nothing', async () => {
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
        createElement(AllHooks),
        createElement(Row, { userId: 'ann' }),
      ),
    )
    expect(html).toContain('|undefined|idle|online')
    expect(html).toContain('ann:?')
    await clock.run(1_000)
    expect(other.attempts).toBe(0)
  })

  test('without a provider a hook throws and names it', () => {
    expect(() => renderToString(createElement(Status))).toThrow('<PresenceProvider>')
  })
})
