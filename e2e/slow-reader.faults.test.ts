import { readFileSync } from 'node:fs'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { expect, test } from 'vitest'

// Readers that stall while thousands of users change: what they cost the server, and whether their view is right
// when they read again. What waits for a v2 client is not a queue of changes but the number of the last one it
// was told, so a stalled reader costs a bounded buffer.

const USERS = 5_000
const PER_SECOND = 500
const STALL_MS = 20_000
const STALLED = 20
const MIB = 1024 * 1024

/** A client that follows everybody and folds; when it is cut off it comes back and names its place. */
class Roster {
  readonly view = new Map<string, string>()
  readonly #url: { readonly url: string }
  readonly #name: string
  client: TestClient | undefined
  place: { epoch: string; seq: number } | undefined
  returns = 0
  holes = 0
  #pages: { userId: string; status: string; text?: string }[] = []

  constructor(server: { readonly url: string }, name: string) {
    this.#url = server
    this.#name = name
  }

  async connect(): Promise<void> {
    const client = await TestClient.v2(this.#url, this.#name)
    this.client = client
    client.socket.on('message', () => this.#read(client))
    client.socket.on('close', code => {
      // Who does not even read the goodbye hears nothing but a reset.
      if (code !== 4508 && code !== 1006) return
      this.returns++
      void this.connect()
    })
    client.send({ type: 'subscribe', all: true, ...(this.place && { since: this.place }) })
  }

  #read(client: TestClient): void {
    for (const text of client.texts.splice(0)) {
      const message = JSON.parse(text)
      if (message.type === 'presence_state') {
        this.#pages.push(...message.users)
        if (!message.last) continue
        if (!message.recovered) this.view.clear()
        this.#take(this.#pages)
        this.#pages = []
        this.place = { epoch: message.epoch, seq: message.seq }
      } else if (message.type === 'presence_diff') {
        if (message.prevSeq !== this.place?.seq) this.holes++
        this.#take(message.users)
        this.place = { epoch: this.place?.epoch ?? '', seq: message.seq }
      }
    }
  }

  #take(users: readonly { userId: string; status: string; text?: string }[]): void {
    for (const { userId, status, text } of users) this.view.set(userId, `${status} ${text ?? ''}`)
  }
}

/** Resident bytes of a process, and what of them is its own heap rather than the kernel's. */
const resident = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024

test('[I7 I9 K3] readers stalled for 20 s under 500 changes/s over 5,000 users: bounded memory, and right in the end', async () => {
  const own = temporaryDir()
  const server = await startServer(own.path, {
    LIMITS: 'off',
    // A process that may grow as it likes would hide what a reader costs in garbage.
    NODE_OPTIONS: '--max-semi-space-size=2',
  })
  const truth = new Map<string, string>()
  const drivers: TestClient[] = []
  for (let n = 0; n < USERS; n++) {
    drivers.push(await TestClient.v2(server, `user-${n}`, { sessionId: 's' }))
    truth.set(`user-${n}`, 'online ')
  }
  const healthy = new Roster(server, 'healthy')
  await healthy.connect()
  const stalled = Array.from({ length: STALLED }, (_, n) => new Roster(server, `stalled-${n}`))

  /** Changes for a while; each has a text of its own, so that nothing can be right by chance. */
  let made = 0
  const change = async (ms: number) => {
    const until = Date.now() + ms
    while (Date.now() < until) {
      const begun = Date.now()
      for (let n = 0; n < PER_SECOND / 10; n++) {
        const number = (made * 7919) % USERS
        const status = made % 2 ? 'busy' : 'away'
        const text = `change ${made++} `.padEnd(120, '.')
        drivers[number]?.send({ type: 'set_status', status, text })
        truth.set(`user-${number}`, `${status} ${text}`)
      }
      for (const driver of drivers) driver.texts.length = 0
      await sleep(Math.max(0, 100 - (Date.now() - begun)))
    }
  }

  // The control: the same load with the same readers, who read.
  for (const roster of stalled) await roster.connect()
  await change(STALL_MS)
  const before = resident(server.pid)
  for (const roster of stalled) roster.client?.stall(true)
  await change(STALL_MS)
  const after = resident(server.pid)
  const each = (after - before) / STALLED
  for (const roster of stalled) roster.client?.stall(false)
  await sleep(6_000)

  const wrong = [healthy, ...stalled].map(
    roster => [...truth].filter(([userId, shown]) => roster.view.get(userId) !== shown).length,
  )
  const returns = stalled.reduce((sum, roster) => sum + roster.returns, 0)
  const holes = [healthy, ...stalled].reduce((sum, roster) => sum + roster.holes, 0)
  process.stdout.write(
    `stalled readers: N ${STALLED}, changes ${made}, memory each ${(each / MIB).toFixed(2)} MiB, ` +
      `came back: ${returns}, wrong users: ${wrong.reduce((a, b) => a + b)}, holes: ${holes}\n`,
  )
  expect(each).toBeLessThan(MIB)
  expect(each).toBeLessThan(MIB)
  expect(wrong).toEqual(wrong.map(() => 0))
  expect(holes).toBe(0)

  // The negative control: a view that took no part in the last changes is seen to be wrong.
  const asleep = new Map(healthy.view)
  await change(1_000)
  await sleep(1_000)
  const missed = [...truth].filter(([userId, shown]) => asleep.get(userId) !== shown).length
  process.stdout.write(`negative control (a view that stopped): ${missed} wrong users\n`)
  expect(missed).toBeGreaterThan(100)
  await server.end('SIGTERM')
  own.remove()
})
