import { createClient, type PresenceClient } from '@who-is-online/client'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { useServer } from '@who-is-online/testing/use-server'
import { afterAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'

// A connection starts with the choice of its user. These tests check what others see, with a real server and
// real clients.

const GRACE_MS = 500
const clients: PresenceClient[] = []

const server = useServer({ OFFLINE_GRACE_MS: GRACE_MS })

afterAll(async () => {
  for (const client of clients) client.close()
})

/** A client whose connection a test can break. */
class Device {
  readonly client: PresenceClient
  #isDown = false
  #socket: WebSocket | undefined

  constructor(userId: string, autoConnect = true) {
    const device = this
    class Line extends WebSocket {
      constructor(url: string, protocols: string[]) {
        // No server listens on this port.
        super(device.#isDown ? 'ws://127.0.0.1:9/' : url, protocols)
        device.#socket = this
      }
    }
    this.client = createClient({ url: server.url, userId, WebSocket: Line as never, autoConnect })
    clients.push(this.client)
  }

  async until(state: PresenceClient['connectionStatus']): Promise<void> {
    for (let n = 0; this.client.connectionStatus !== state; n++) {
      if (n > 1_500) throw new Error(`the connection is ${this.client.connectionStatus}, not ${state}`)
      await sleep(10)
    }
  }

  /** Breaks the connection, and lets it reconnect after the grace. */
  async loseConnection(): Promise<void> {
    this.#isDown = true
    this.#socket?.terminate()
    await sleep(GRACE_MS + 1_000)
    this.#isDown = false
    await this.until('open')
  }
}

/** Records what an observer receives about a user, until `stop`. */
async function observe(userId: string): Promise<{ stop: () => Promise<string[]> }> {
  const observer = await TestClient.v2(server, `observer of ${userId}`)
  await observer.ask({ type: 'subscribe', userIds: [userId] }, 'presence_state')
  return {
    async stop() {
      // A later reply arrives after everything that was sent before it.
      await sleep(300)
      const seen: string[] = []
      observer.send({ type: 'ping' })
      for (let message = JSON.parse(await observer.text()); message.type !== 'pong'; ) {
        for (const { status, text } of message.users ?? []) seen.push(text ? `${status} ${text}` : status)
        message = JSON.parse(await observer.text())
      }
      await observer.leave()
      return seen
    },
  }
}

/** Expects `offline`, because the grace is over, and then only the choice: never another status. */
function expectBack(seen: readonly string[], last: string): void {
  expect(seen[0]).toBe('offline')
  expect(seen.at(-1)).toBe(last)
  for (const each of seen.slice(1)) expect(each).toMatch(/^busy/)
}

test('[J15] a user who hides before the first connection is never seen', async () => {
  const observer = await observe('shy')
  const device = new Device('shy', false)
  const asked = device.client.setStatus('offline')
  device.client.connect()
  await expect(asked).resolves.toMatchObject({ status: 'offline' })
  expect(await observer.stop()).toEqual([])
})

test('[J15] a hidden user is not seen after a lost connection of any length', async () => {
  const device = new Device('hidden')
  await device.client.setStatus('offline')
  const observer = await observe('hidden')
  await device.loseConnection()
  expect(device.client.myStatus.status).toBe('offline')
  expect(await observer.stop()).toEqual([])
})

test('[J15] a choice is restored with its text', async () => {
  const device = new Device('talker')
  await device.client.setStatus('busy', { text: 'in a talk' })
  const observer = await observe('talker')
  await device.loseConnection()
  expectBack(await observer.stop(), 'busy in a talk')
  expect(device.client.myStatus).toEqual({ status: 'busy', text: 'in a talk' })
})

test('[J15] a newer choice of another device stays', async () => {
  const laptop = new Device('two')
  await laptop.client.setStatus('busy', { text: 'in a talk' })
  const phone = new Device('two')
  await phone.until('open')
  const lost = laptop.loseConnection()
  await laptop.until('waiting')
  await phone.client.setStatus('away')
  const observer = await observe('two')
  await lost
  expect(await observer.stop()).toEqual([])
  expect(laptop.client.myStatus).toEqual({ status: 'away' })
})

test('[J15] a choice made while disconnected applies from the start of the connection', async () => {
  const device = new Device('later')
  await device.until('open')
  const observer = await observe('later')
  const lost = device.loseConnection()
  await device.until('waiting')
  const asked = device.client.setStatus('busy', { text: 'on a train' })
  await lost
  await expect(asked).resolves.toMatchObject({ status: 'busy', text: 'on a train' })
  expectBack(await observer.stop(), 'busy on a train')
})

test('[J15] control: a client without a choice in its URL is seen for a moment', async () => {
  const observer = await observe('control')
  const client = await TestClient.v2(server, 'control')
  await sleep(100)
  await client.ask({ type: 'set_status', status: 'offline' }, 'status_updated')
  expect(await observer.stop()).toEqual(['online', 'offline'])
  await client.leave()
})
