// @vitest-environment happy-dom
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { type App, createApp, createSSRApp, defineComponent, h, nextTick, type Ref, ref } from 'vue'
import { renderToString } from 'vue/server-renderer'
import { ManualClock } from './clock.fake.ts'
import type { OwnedOptions } from './owned.ts'
import { fakePlatform } from './platform.fake.ts'
import { FakeServer } from './server.fake.ts'
import {
  PresenceError,
  providePresence,
  useAgo,
  useConnectionStatus,
  useMyStatus,
  useOnlineCount,
  useOnlineUsers,
  usePresenceClient,
  useUserStatus,
  useUsers,
} from './vue.ts'

let clock: ManualClock
let server: FakeServer
let user: Ref<string | number | undefined>
let shown: Ref<string | number>
let setStatus: ReturnType<typeof useMyStatus>[1]
let app: App | undefined
let root: { textContent: string }

beforeEach(() => {
  clock = new ManualClock()
  server = new FakeServer(clock)
  user = ref('me')
  shown = ref(7)
})

afterEach(() => app?.unmount())

function options(): OwnedOptions {
  return {
    url: 'ws://fake/ws',
    userId: user.value,
    WebSocket: server.WebSocket,
    platform: fakePlatform(clock),
  }
}

const connected = () => [...server.connections].map(({ userId }) => userId)

async function run(ms = 500): Promise<void> {
  await nextTick()
  await clock.run(ms)
  await nextTick()
}

const Page = defineComponent(() => {
  const one = useUserStatus(shown)
  const several = useUsers(() => [shown.value, 'bob', undefined])
  const online = useOnlineUsers()
  const count = useOnlineCount()
  const [mine, set] = useMyStatus()
  setStatus = set
  const connection = useConnectionStatus()
  const seen = useAgo(() => one.value?.lastSeen, 'en')
  return () =>
    [
      one.value?.status ?? '?',
      several.value.map(each => each.userId).join(),
      online.value.map(each => each.userId).join(),
      count.value ?? '?',
      mine.value.status,
      connection.value,
      seen.value ?? '?',
    ].join(' | ')
})

const Orphan = defineComponent(() => {
  usePresenceClient()
  return () => null
})

const Root = defineComponent(() => {
  const client = providePresence(options)
  return () => [h(Page), client.value ? '' : ' | no client']
})

/** Provides a client and uses it in the same setup. */
const Inner = defineComponent(() => {
  const client = providePresence(options)
  const isOwn = usePresenceClient() === client
  const one = useUserStatus(shown)
  return () => ['inner ', String(isOwn), ' ', one.value?.status ?? '?']
})

const Outer = defineComponent(() => {
  providePresence(() => ({ ...options(), userId: 'outer' }))
  const connection = useConnectionStatus()
  return () => ['outer ', connection.value, ' | ', h(Inner)]
})

async function mount(component = Root): Promise<void> {
  const { document } = globalThis as unknown as { document: { createElement(tag: string): typeof root } }
  root = document.createElement('div')
  app = createApp(component)
  app.mount(root as never)
  await run()
}

describe('[J24] Vue', () => {
  test('composables show users, follow changes and their own arguments', async () => {
    server.users.change('7', 'busy')
    server.users.change('bob', 'offline')
    await mount()
    expect(root.textContent).toBe('busy | 7,bob | 7 | 1 | online | open | now')
    server.users.change('7', 'away')
    await run()
    expect(root.textContent).toContain('away | 7,bob')
    shown.value = 'bob'
    await run(1_000)
    expect(root.textContent).toBe('offline | bob | 7 | 1 | online | open | now')
    app?.unmount()
    app = undefined
    await run()
    expect([connected(), server.openSockets.size, clock.pending]).toEqual([[], 0, 0])
  })

  test('logging out closes the client, and another user gets another one', async () => {
    await mount()
    expect(connected()).toEqual(['me'])
    user.value = undefined
    await run()
    expect(root.textContent).toBe('? |  |  | ? | online | idle | ? | no client')
    expect([connected(), server.openSockets.size]).toEqual([[], 0])
    user.value = 42
    await run()
    expect([connected(), server.attempts]).toEqual([['42'], 2])
    user.value = '42'
    await run()
    expect(server.attempts).toBe(2)
  })

  test('useMyStatus sets the status, and rejects while nobody is logged in, like that of React', async () => {
    await mount()
    await Promise.all([setStatus('busy'), run()])
    expect(root.textContent).toContain(' | busy | open')
    user.value = undefined
    await run()
    const refusal = setStatus('away')
    await expect(refusal).rejects.toThrow(PresenceError)
    await expect(refusal).rejects.toMatchObject({
      code: 'closed',
      message: expect.stringContaining('log in'),
    })
  })

  test('the component that provides the client uses it too, and not the one of a component above', async () => {
    server.users.change('7', 'busy')
    user.value = 'inner'
    await mount(Outer)
    expect(root.textContent).toBe('outer open | inner true busy')
    expect(connected().toSorted()).toEqual(['inner', 'outer'])
    app?.unmount()
    app = undefined
    await run()
    expect([connected(), server.openSockets.size, clock.pending]).toEqual([[], 0, 0])
  })

  test('server-side rendering makes no client', async () => {
    expect(await renderToString(createSSRApp(Root))).toContain('no client')
    expect(server.attempts).toBe(0)
  })

  test('without a provider a composable throws and names it', () => {
    vi.spyOn(console, 'warn').mockImplementation(() => {})
    expect(() => createApp(Orphan).mount({} as never)).toThrow('providePresence()')
  })
})
