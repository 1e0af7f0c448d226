import { readFileSync } from 'node:fs'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { expect, test } from 'vitest'

// Clients that stop reading while thousands of users change: how much memory they need, and whether their
// view is right when they read again. For a v2 client the server keeps only the number of the last change it
// sent, not a queue, so a stalled client needs a limited buffer.

const USERS = 5_000
const PER_SECOND = 500
const STALL_MS = 20_000
const STALLED = 20
const MIB = 1024 * 1024

/**
 * A client that subscribes to all users and applies the diffs. When it is closed, it reconnects and resumes
 * with `since`.
 */
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
      // A client that does not read the close frame sees a reset.
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

/** Resident memory of a process, and the part of it that is not used by the kernel. */
const resident = (pid: number) =>
  Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]) * 1024

test('[I7 I9 K3] clients that stall for 20 s under 500 changes/s of 5,000 users: limited memory, and a correct view in the end', async () => {
  const own = temporaryDir()
  const server = await startServer(own.path, {
    LIMITS: 'off',
    // Without this limit, garbage would hide the memory that a client needs.
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

  /** Makes changes for a while. Each has a different text, so that a view can't be right by chance. */
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

  // The control: the same load with the same clients, which read.
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

  // The negative control: a view without the last changes is detected.
  const asleep = new Map(healthy.view)
  await change(1_000)
  await sleep(1_000)
  const missed = [...truth].filter(([userId, shown]) => asleep.get(userId) !== shown).length
  process.stdout.write(`negative control (a view that stopped): ${missed} wrong users\n`)
  expect(missed).toBeGreaterThan(100)
  await server.end('SIGTERM')
  own.remove()
})
