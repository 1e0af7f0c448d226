import { once } from 'node:events'
import zlib from 'node:zlib'
import { TestClient } from '@who-is-online/testing/client'
import { handshake, RawClient, type RawResponse } from '@who-is-online/testing/raw-client'
import { afterAll, beforeAll, expect, test, vi } from 'vitest'
import { WebSocket as Ws } from 'ws'
import { type OpenGateway, openGateway } from './testing/open-gateway.ts'

// Clients with and without compression must get the same messages.

const USERS = 300

let server: OpenGateway
beforeAll(async () => {
  server = await openGateway({ compression: true })
  for (let n = 0; n < USERS; n++)
    void server.tracker.open({ userId: `user-${n}`, sessionId: 's', isNamed: true }, {})
})
afterAll(() => {
  server.http.closeAllConnections()
  server.http.close()
})

/** What the WebSockets of `ws` and of Node have in common. */
interface Client {
  readonly extensions: string
  addEventListener(type: 'message', listener: (event: { data: unknown }) => void): void
  send(text: string): void
  close(): void
}

const clients: Record<string, (url: string, protocols: string[]) => Client> = {
  'ws, plain': (url, protocols) => new Ws(url, protocols, { perMessageDeflate: false }) as unknown as Client,
  'ws, no context takeover': (url, protocols) =>
    new Ws(url, protocols, { perMessageDeflate: { serverNoContextTakeover: true } }) as unknown as Client,
  'ws, all messages deflated': (url, protocols) =>
    new Ws(url, protocols, { perMessageDeflate: { threshold: 0 } }) as unknown as Client,
  'the WebSocket of Node': (url, protocols) => new WebSocket(url, protocols) as unknown as Client,
}

const settled = () => new Promise(resolve => setTimeout(resolve, 150))

test.each(['v1', 'v2'])(
  '[B8] in %s, every client gets the same messages, with or without compression',
  async version => {
    const protocols = version === 'v2' ? ['who-is-online.v2'] : []
    const all = Object.entries(clients).map(([name, open]) => {
      const client = open(`${server.url}?userId=watcher`, protocols)
      const texts: string[] = []
      client.addEventListener('message', ({ data }) => texts.push(String(data)))
      return { name, client, texts }
    })
    /** Resolves when all clients have the same number of messages, and more than before. */
    let told = 0
    const answered = () =>
      vi.waitFor(() => {
        const counts = new Set(all.map(({ texts }) => texts.length))
        expect([...counts]).toEqual([expect.toSatisfy((count: number) => count > told)])
        told = Math.max(...counts)
      }, 10_000)
    await answered()
    const questions =
      version === 'v1'
        ? [{ type: 'get_all_users' }, { type: 'check_user_status', targetUserId: 'user-1' }]
        : [
            { type: 'subscribe', all: true, id: 1 },
            { type: 'list_users', limit: 200, id: 2 },
          ]
    for (const question of questions) {
      for (const { client } of all) client.send(JSON.stringify(question))
      await answered()
      await settled()
    }
    for (let n = 0; n < 3 * USERS; n++) {
      const status = Math.floor(n / USERS) % 2 === 0 ? 'offline' : 'online'
      server.tracker.setStatus({ userId: `user-${n % USERS}`, sessionId: 's' }, { status })
      if (n % 100 === 0) await settled()
    }
    await settled()
    const [plain, ...others] = all
    expect(plain?.texts.length).toBeGreaterThan(8)
    const heard = (texts: readonly string[] = []) =>
      texts.map(text => ({ ...JSON.parse(text.replace(/"lastSeen":"[^"]+"/g, '"lastSeen":""')), ...OWN }))
    // On a busy machine, a client may still be receiving.
    await vi.waitFor(() => {
      for (const { name, texts } of others) expect(heard(texts), name).toEqual(heard(plain?.texts))
    }, 10_000)
    const deflate = all.filter(({ client }) => client.extensions.includes('permessage-deflate'))
    expect(deflate.map(({ name }) => name)).toContain('ws, all messages deflated')
    for (const { client } of all) client.close()
  },
)

/** Fields that differ between connections and over time. */
const OWN = { connectionId: '', sessionId: '', serverTime: '', timestamp: '' }

test('[B9] a small message that inflates beyond the size limit closes only its own connection', async () => {
  const other = await TestClient.as(server, 'other')
  const bomb = new Ws(`${server.url}?userId=bomb`, { perMessageDeflate: { threshold: 0 } })
  await once(bomb, 'open')
  bomb.send('x'.repeat(10_000_000))
  const [code] = await once(bomb, 'close')
  expect(code).toBe(1009)
  other.send({ type: 'get_online_count' })
  expect(await other.next('online_count')).toMatchObject({ type: 'online_count' })
  expect(server.errors).toEqual([])
  other.socket.close()
})

test.each([
  ['permessage-deflate', true],
  ['permessage-deflate; client_max_window_bits, permessage-deflate', true],
  ['x-webkit-deflate-frame, permessage-deflate; client_max_window_bits=15', true],
  ['permessage-deflate; mystery, permessage-deflate', true],
  ['permessage-deflate; mystery', false],
  ['permessage-deflate; server_max_window_bits=7', false],
  [';;;', false],
])('[B8] a client that offers %s is accepted, with or without compression', async (offer, deflates) => {
  const client = await RawClient.connect(Number(new URL(server.url).port))
  client.write(handshake({ headers: { 'Sec-WebSocket-Extensions': offer } }))
  const { status, headers } = (await client.response()) as RawResponse
  expect(status).toBe(101)
  expect(headers.get('sec-websocket-extensions')?.includes('permessage-deflate') ?? false).toBe(deflates)
  client.destroy()
})

test('[B8] no client has an encoder of its own, not even one that is turned away', async () => {
  const made = vi.spyOn(zlib, 'createDeflateRaw')
  for (const query of ['', '?userId=ann']) {
    const client = new Ws(`${server.url}${query}`)
    const [text] = await once(client, 'message')
    expect(JSON.parse(String(text)).type).toBe(query === '' ? 'error' : 'welcome')
    client.close()
  }
  expect(made).not.toHaveBeenCalled()
  made.mockRestore()
})
