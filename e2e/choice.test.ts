import { createClient, type PresenceClient } from '@who-is-online/client'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { useServer } from '@who-is-online/testing/use-server'
import { afterAll, expect, test } from 'vitest'
import { WebSocket } from 'ws'

// A connection begins with the choice of its user: what others see of it, from a real server and real clients.

const GRACE_MS = 500
const clients: PresenceClient[] = []

const server = useServer({ OFFLINE_GRACE_MS: GRACE_MS })

afterAll(async () => {
  for (const client of clients) client.close()
})

/** A client whose line a test can cut. */
class Device {
  readonly client: PresenceClient
  #isDown = false
  #socket: WebSocket | undefined

  constructor(userId: string, autoConnect = true) {
    const device = this
    class Line extends WebSocket {
      constructor(url: string, protocols: string[]) {
        // Nobody listens there.
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

  /** The line breaks, and is back after the grace is over. */
  async loseLine(): Promise<void> {
    this.#isDown = true
    this.#socket?.terminate()
    await sleep(GRACE_MS + 1_000)
    this.#isDown = false
    await this.until('open')
  }
}

/** What an observer is told of a user from now on, until `stop`. */
async function observe(userId: string): Promise<{ stop: () => Promise<string[]> }> {
  const observer = await TestClient.v2(server, `observer of ${userId}`)
  await observer.ask({ type: 'subscribe', userIds: [userId] }, 'presence_state')
  return {
    async stop() {
      // What is on its way has come when a later answer has.
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

/** Offline, since the line was down for longer than the grace; then back, and never as anything but busy. */
function expectBack(seen: readonly string[], last: string): void {
  expect(seen[0]).toBe('offline')
  expect(seen.at(-1)).toBe(last)
  for (const each of seen.slice(1)) expect(each).toMatch(/^busy/)
}

test('[J15] a user who hid before the first connection is never shown', async () => {
  const observer = await observe('shy')
  const device = new Device('shy', false)
  const asked = device.client.setStatus('offline')
  device.client.connect()
  await expect(asked).resolves.toMatchObject({ status: 'offline' })
  expect(await observer.stop()).toEqual([])
})

test('[J15] a user who hid is not shown after a lost line, as long as it takes', async () => {
  const device = new Device('hidden')
  await device.client.setStatus('offline')
  const observer = await observe('hidden')
  await device.loseLine()
  expect(device.client.myStatus.status).toBe('offline')
  expect(await observer.stop()).toEqual([])
})

test('[J15] a choice comes back with its text', async () => {
  const device = new Device('talker')
  await device.client.setStatus('busy', { text: 'in a talk' })
  const observer = await observe('talker')
  await device.loseLine()
  expectBack(await observer.stop(), 'busy in a talk')
  expect(device.client.myStatus).toEqual({ status: 'busy', text: 'in a talk' })
})

test('[J15] another device has chosen since: its choice stays', async () => {
  const laptop = new Device('two')
  await laptop.client.setStatus('busy', { text: 'in a talk' })
  const phone = new Device('two')
  await phone.until('open')
  const lost = laptop.loseLine()
  await laptop.until('waiting')
  await phone.client.setStatus('away')
  const observer = await observe('two')
  await lost
  expect(await observer.stop()).toEqual([])
  expect(laptop.client.myStatus).toEqual({ status: 'away' })
})

test('[J15] a choice that was made while the line was down is in force from the first moment', async () => {
  const device = new Device('later')
  await device.until('open')
  const observer = await observe('later')
  const lost = device.loseLine()
  await device.until('waiting')
  const asked = device.client.setStatus('busy', { text: 'on a train' })
  await lost
  await expect(asked).resolves.toMatchObject({ status: 'busy', text: 'on a train' })
  expectBack(await observer.stop(), 'busy on a train')
})

test('[J15] a control: a client that says nothing in its URL is shown for a moment', async () => {
  const observer = await observe('control')
  const client = await TestClient.v2(server, 'control')
  await sleep(100)
  await client.ask({ type: 'set_status', status: 'offline' }, 'status_updated')
  expect(await observer.stop()).toEqual(['online', 'offline'])
  await client.leave()
})
