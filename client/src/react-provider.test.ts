// @vitest-environment happy-dom
import { act, cleanup, render } from '@testing-library/react'
import { createElement, type ReactNode, StrictMode, useEffect, useState } from 'react'
import { renderToString } from 'react-dom/server'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { createClient } from './client.ts'
import { ManualClock } from './clock.fake.ts'
import type { PresenceError } from './errors.ts'
import type { OwnedOptions } from './owned.ts'
import { fakePlatform } from './platform.fake.ts'
import {
  PresenceProvider,
  useAgo,
  useConnectionStatus,
  useMyStatus,
  useOnlineCount,
  useOnlineUsers,
  usePresenceClient,
  useUserStatus,
  useUsers,
} from './react.ts'
import { observeAppState, useAppState } from './react-native.ts'
import { FakeServer } from './server.fake.ts'

let clock: ManualClock
let server: FakeServer
let options: OwnedOptions
const warnings = vi.spyOn(console, 'warn')

beforeEach(() => {
  clock = new ManualClock()
  server = new FakeServer(clock)
  options = {
    url: 'ws://fake/ws',
    WebSocket: server.WebSocket,
    platform: fakePlatform(clock),
  }
  warnings.mockReset()
  warnings.mockImplementation(() => {})
})

afterEach(cleanup)

const run = (ms = 500) => act(() => clock.run(ms))

/** The users who are connected now. */
const connected = () => [...server.connections].map(({ userId }) => userId)

function Row({ userId }: { userId: string | number }): ReactNode {
  return `${userId}:${useUserStatus(userId)?.status ?? '?'}`
}

let setStatus: ReturnType<typeof useMyStatus>[1] | undefined

/** Uses all hooks. */
function All(): ReactNode {
  const [mine, set] = useMyStatus()
  setStatus = set
  return JSON.stringify([
    usePresenceClient() === undefined,
    useUsers([1, 'ann']),
    useOnlineUsers(),
    useOnlineCount() ?? 'none',
    mine,
    useConnectionStatus(),
    useAgo('2026-01-01T00:00:00Z') ?? 'none',
  ])
}

/** What is natural to write, and wrong in StrictMode. */
function Naive(): ReactNode {
  const [client] = useState(() => createClient({ ...(options as object), url: options.url, userId: 'ann' }))
  useEffect(() => client.close, [client])
  return createElement(PresenceProvider, { client }, createElement(Row, { userId: 7 }))
}

function Seen(): ReactNode {
  return useAgo(useUserStatus('ann')?.lastSeen, 'en')
}

// The events of React Native

const listeners = new Set<(state: string) => void>()
const AppState = {
  addEventListener(_: 'change', listener: (state: string) => void) {
    listeners.add(listener)
    return { remove: () => void listeners.delete(listener) }
  },
}
const change = (state: string) => {
  for (const listener of listeners) listener(state)
}

function App(): ReactNode {
  useAppState(AppState)
  return null
}

/** Hides the user before the first connection, as in the README. */
function BeginHidden(): ReactNode {
  const client = usePresenceClient()
  useEffect(() => {
    client?.setStatus('offline').catch(console.error)
    client?.connect()
  }, [client])
  return null
}

/** A page in StrictMode, with a provider that owns its client. */
function page(more: Partial<OwnedOptions>, children: ReactNode = createElement(Row, { userId: 7 })) {
  return createElement(
    StrictMode,
    undefined,
    createElement(PresenceProvider, { ...options, ...more } as OwnedOptions, children),
  )
}

const text = (container: unknown) => (container as { textContent: string }).textContent

describe('[J22] a provider that owns its client', () => {
  test('in StrictMode there is one connection, which ends with the provider', async () => {
    const { container, unmount } = render(page({ userId: 'ann' }))
    expect(text(container)).toBe('7:?')
    await run()
    expect([text(container), connected(), server.attempts]).toEqual(['7:offline', ['ann'], 1])
    unmount()
    await run()
    expect([connected(), server.openSockets.size]).toEqual([[], 0])
  })

  test('logged out it renders its children, and logging in and out 20 times leaves nothing', async () => {
    const { container, rerender } = render(page({ userId: undefined }))
    await run()
    expect([text(container), server.attempts]).toEqual(['7:?', 0])
    for (let n = 0; n < 20; n++) {
      rerender(page({ userId: n % 2 === 0 ? 'ann' : 8 }))
      await run()
      expect([text(container), connected()]).toEqual(['7:offline', [n % 2 === 0 ? 'ann' : '8']])
      rerender(page({ userId: n % 2 === 0 ? null : undefined }))
      await run()
      expect([text(container), connected(), server.openSockets.size]).toEqual(['7:?', [], 0])
    }
    expect(server.attempts).toBe(20)
  })

  test('another user gets another client, and the same user as a number keeps it', async () => {
    const { container, rerender } = render(page({ userId: '1' }))
    await run()
    rerender(page({ userId: 1, timeoutMs: 5_000 }))
    await run()
    expect(server.attempts).toBe(1)
    rerender(page({ userId: 2 }))
    expect(text(container)).toBe('7:?')
    await run()
    expect([text(container), connected(), server.attempts]).toEqual(['7:offline', ['2'], 2])
  })

  test('getToken: the newest function is called, and a new one makes no new client', async () => {
    const calls: string[] = []
    const getToken = (name: string) => () => {
      calls.push(name)
      return `${name}.token`
    }
    const { rerender } = render(page({ getToken: getToken('first') }))
    await run()
    rerender(page({ getToken: getToken('second') }))
    await run()
    expect([server.attempts, calls.at(-1)]).toEqual([1, 'first'])
    for (const connection of server.connections) connection.cut()
    await run(3_000)
    expect([server.attempts, calls.at(-1), connected()]).toEqual([2, 'second', ['token']])
    rerender(page({ getToken: undefined }))
    await run()
    expect(connected()).toEqual([])
  })

  test('a user id beside getToken is sent', async () => {
    render(page({ userId: 'ann', getToken: () => 'good.token' }))
    await run()
    expect(connected()).toEqual(['ann'])
  })

  test('a component below can hide the user before the first connection', async () => {
    render(page({ userId: 'ann', autoConnect: false }, createElement(BeginHidden)))
    await run()
    expect([server.attempts, connected()]).toEqual([1, ['ann']])
    expect(new URL(server.urls[0] ?? '').searchParams.get('status')).toBe('offline')
  })

  test('without a user and a token, cookies say who connects', async () => {
    render(page({}))
    await run()
    expect(connected()).toEqual(['token'])
  })

  test('errors go to onError; without it they are printed in development', async () => {
    const errors: PresenceError[] = []
    server.refusedCode = 4403
    const { rerender } = render(page({ userId: 'ann', onError: error => errors.push(error) }))
    await run()
    expect([errors.map(({ code }) => code), warnings.mock.calls]).toEqual([['refused'], []])
    rerender(page({ userId: 'a\nb' }))
    await run()
    expect(warnings.mock.calls.flat()).toEqual([expect.stringContaining('must be a user id')])
  })

  test('in production nothing is printed', async () => {
    vi.stubEnv('NODE_ENV', 'production')
    try {
      render(page({ userId: 'a\nb' }))
      await run()
      expect(warnings).not.toHaveBeenCalled()
    } finally {
      vi.unstubAllEnvs()
    }
  })

  test('server-side rendering makes no client', () => {
    expect(renderToString(page({ userId: 'ann' }))).toBe('7:?')
    expect(server.attempts).toBe(0)
  })

  test('while nobody is logged in, each hook returns what it returns before the first answer', async () => {
    const { container } = render(page({ userId: undefined }, createElement(All)))
    expect(JSON.parse(text(container))).toEqual([true, [], [], 'none', { status: 'online' }, 'idle', 'none'])
    await expect(setStatus?.('busy')).rejects.toMatchObject({ code: 'closed' })
  })
})

describe('[J23] a closed client', () => {
  test('a hook that uses it warns once in development', async () => {
    render(createElement(StrictMode, undefined, createElement(Naive)))
    await run()
    expect(warnings.mock.calls).toHaveLength(1)
    expect(warnings.mock.calls[0]?.[0]).toContain('a component uses a client that was closed')
  })

  test('a client that is closed after its components are gone, and an open one, do not warn', async () => {
    const { unmount } = render(createElement(Naive))
    await run()
    unmount()
    const { unmount: remove } = render(page({ userId: 'bob' }))
    await run()
    remove()
    await run()
    expect(warnings).not.toHaveBeenCalled()
  })
})

describe('[J21] ago', () => {
  test('is by the time of the server, and is updated every half minute', async () => {
    vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
    try {
      server.users.change('ann', 'offline')
      const now = () => clock.now() + 600_000
      const { container, unmount } = render(
        page({ userId: 'me', platform: { ...options.platform, now } }, createElement(Seen)),
      )
      await run()
      expect(text(container)).toBe('now')
      await run(300_000)
      act(() => void vi.advanceTimersByTime(30_000))
      expect(text(container)).toBe('5 minutes ago')
      unmount()
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })
})

describe('[J9] React Native', () => {
  test('an app in the background is hidden and idle, and not for a moment', async () => {
    const { unmount } = render(page({ userId: 'ann' }, createElement(App)))
    await run()
    const states = () =>
      server.received.flatMap(request => ('state' in request ? [`${request.type} ${request.state}`] : []))
    const before = states().length
    change('inactive')
    await run()
    expect(states()).toHaveLength(before)
    change('background')
    await run()
    expect(states()).toEqual(expect.arrayContaining(['client_state inactive', 'set_activity idle']))
    change('active')
    await run()
    expect(states().slice(-2)).toEqual(['set_activity active', 'client_state active'])
    unmount()
    expect(listeners.size).toBe(0)
  })

  test('observeAppState returns the function that stops', () => {
    const client = createClient({ url: options.url, userId: 'ann', autoConnect: false })
    const stop = observeAppState(client, AppState)
    expect(listeners.size).toBe(1)
    stop()
    expect(listeners.size).toBe(0)
    client.close()
  })
})
