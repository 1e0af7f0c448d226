import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sleep, TestClient } from '@who-is-online/testing/client'
import { seeded } from '@who-is-online/testing/random'
import { type RunningServer, startServer, temporaryDir } from '@who-is-online/testing/start-server'
import { expect, test } from 'vitest'

// A receiver that answers 500, hangs, dies and comes back under 200 changes a second, while the server is killed
// twice. The receiver is written from docs/webhooks.md: it shares no code with the server.

const SEED = Number(process.env['SEED'] ?? Date.now() % 1_000_000)
const SECONDS = Number(process.env['WEBHOOK_SECONDS'] ?? 30)
const CHANGES_PER_SECOND = 200
const USERS = 60
const STATUSES = ['online', 'busy', 'away', 'offline'] as const
const SECRET = Buffer.alloc(32, 's').toString('base64')

interface Change {
  readonly epoch: string
  readonly seq: number
  readonly userId: string
  readonly status: string
}
interface Page extends Pick<Change, 'epoch' | 'seq'> {
  readonly prevSeq: number | null
  readonly recovered: boolean
  readonly changes: readonly Change[]
  readonly users?: readonly { readonly userId: string; readonly status: string }[]
  readonly last?: boolean
}

type Behaviour = 'take' | 'fail' | 'hang' | 'close' | 'lost'

/** A backend with a copy of presence. `forgets` is the control: it answers 2xx to what it did not take. */
class Backend {
  readonly wrong: string[] = []
  readonly users = new Map<string, string>()
  readonly bodies = new Map<string, string>()
  readonly taken = new Set<string>()
  readonly forgets: boolean
  requests = 0
  repeats = 0
  states = 0
  behave: () => Behaviour = () => 'take'
  port = 0
  #place: Pick<Change, 'epoch' | 'seq'> | undefined
  #seen: { readonly place: string; readonly userIds: Set<string> } | undefined
  #server = createServer()

  constructor(forgets = false) {
    this.forgets = forgets
  }

  async start(): Promise<void> {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', chunk => chunks.push(chunk))
      request.on('end', () => this.#receive(request, Buffer.concat(chunks), response))
    })
    await new Promise<void>(resolve => this.#server.listen(this.port, '127.0.0.1', resolve))
    this.port = (this.#server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  #receive({ headers }: IncomingMessage, body: Buffer, response: ServerResponse): void {
    this.requests++
    const { 'webhook-id': id = '', 'webhook-timestamp': timestamp, 'webhook-signature': given } = headers
    const hmac = createHmac('sha256', Buffer.from(SECRET, 'base64'))
    const signature = `v1,${hmac.update(`${id}.${timestamp}.${body}`).digest('base64')}`
    if (given !== signature) this.wrong.push(`the signature of ${id}`)
    const text = String(body)
    const before = this.bodies.get(String(id))
    if (before !== undefined && before !== text) this.wrong.push(`${id} came with another content`)
    this.bodies.set(String(id), text)
    const behaviour = this.behave()
    if (behaviour === 'take' || behaviour === 'lost') this.#take(String(id), JSON.parse(text))
    if (behaviour === 'take' || this.forgets) response.writeHead(200).end()
    else if (behaviour === 'fail') response.writeHead(500).end()
    else if (behaviour !== 'hang') response.destroy()
  }

  #take(id: string, { epoch, seq, prevSeq, recovered, changes, users, last }: Page): void {
    if (this.taken.has(id)) {
      this.repeats++
      return
    }
    this.taken.add(id)
    if (recovered && (epoch !== this.#place?.epoch || prevSeq !== this.#place.seq))
      this.wrong.push(`${epoch}:${prevSeq} follows ${this.#place?.epoch}:${this.#place?.seq}`)
    for (const [index, change] of changes.entries()) {
      if (change.seq <= (changes[index - 1]?.seq ?? prevSeq ?? 0) && change.seq !== changes[index - 1]?.seq)
        this.wrong.push(`${change.seq} is out of order`)
      this.#set(change)
    }
    if (!recovered) this.#takeState(`${epoch}:${seq}`, users ?? [])
    if (!recovered && !last) return
    if (last) this.#endState()
    this.#place = { epoch, seq }
  }

  #takeState(place: string, users: NonNullable<Page['users']>): void {
    if (this.#seen?.place !== place) this.#seen = { place, userIds: new Set() }
    for (const user of users) {
      this.#seen.userIds.add(user.userId)
      this.#set(user)
    }
  }

  #endState(): void {
    for (const userId of this.users.keys()) if (!this.#seen?.userIds.has(userId)) this.users.delete(userId)
    this.#seen = undefined
    this.states++
  }

  #set({ userId, status }: Pick<Change, 'userId' | 'status'>): void {
    if (status === 'offline') this.users.delete(userId)
    else this.users.set(userId, status)
  }

  get copy(): string[] {
    return [...this.users].map(([userId, status]) => `${userId} ${status}`).toSorted()
  }
}

/** Who is not offline, as the server lists them. */
async function shown({ origin }: RunningServer): Promise<string[]> {
  const response = await fetch(`${origin}/api/v1/users?limit=1000`)
  const { users } = (await response.json()) as { users: { userId: string; status: string }[] }
  return users
    .filter(({ status }) => status !== 'offline')
    .map(({ userId, status }) => `${userId} ${status}`)
    .toSorted()
}

/** Lets users come, go and choose for some seconds. The connections stay open. */
async function load(server: RunningServer, seconds: number, random: () => number): Promise<TestClient[]> {
  const clients: TestClient[] = []
  for (let user = 0; user < USERS; user++) clients.push(await TestClient.v2(server, `u${user}`))
  const chosen = new Map<TestClient, number>()
  const until = Date.now() + seconds * 1_000
  for (let sent = 0, begun = Date.now(); Date.now() < until; await sleep(5)) {
    for (; sent < ((Date.now() - begun) * CHANGES_PER_SECOND) / 1_000; sent++) {
      const client = clients[Math.floor(random() * USERS)] as TestClient
      const next = ((chosen.get(client) ?? 0) + 1 + Math.floor(random() * 3)) % STATUSES.length
      chosen.set(client, next)
      client.texts.length = 0
      client.send({ type: 'set_status', status: STATUSES[next] })
    }
  }
  return clients
}

/** How the receiver treats the requests of each server process, one after the other. */
const BAD: readonly Behaviour[] = [
  ...(['lost', 'take', 'take', 'lost', 'take', 'fail', 'take', 'close'] as const),
  ...(['take', 'take', 'fail', 'fail', 'take', 'hang'] as const),
]

async function run(forgets: boolean): Promise<Backend> {
  const random = seeded(SEED)
  const dir = temporaryDir()
  const backend = new Backend(forgets)
  await backend.start()
  const settings = {
    LIMITS: 'off',
    RESTART_GRACE_MS: 1_000,
    WEBHOOK_URLS: `http://127.0.0.1:${backend.port}/`,
    WEBHOOK_SECRET: `whsec_${SECRET}`,
  }
  let clients: TestClient[] = []
  let server = await startServer(dir.path, settings)
  for (const life of [1, 2, 3]) {
    let request = 0
    backend.behave = () => BAD[request++ % BAD.length] as Behaviour
    const loaded = load(server, SECONDS / 3, random)
    await sleep((SECONDS * 1_000) / 9)
    await backend.stop()
    await backend.start()
    await sleep((SECONDS * 1_000) / 9)
    // A batch is in flight, and was taken, when the server is killed.
    backend.behave = () => 'lost'
    clients = await loaded
    if (life === 3) break
    await server.end('SIGKILL')
    for (const { socket } of clients) socket.terminate()
    server = await startServer(dir.path, settings)
  }
  backend.behave = () => 'take'
  const isEqual = async () => String(backend.copy) === String(await shown(server))
  for (let left = 300; left > 0 && !(await isEqual()); left--) await sleep(100)
  console.log(
    `webhooks: seed ${SEED}, ${backend.requests} requests, ${backend.bodies.size} messages, ` +
      `${backend.repeats} repeats, ${backend.states} full states, equal ${await isEqual()}, wrong ${backend.wrong.length}`,
  )
  if (!(await isEqual())) backend.wrong.push('the copy differs at the end')
  for (const { socket } of clients) socket.terminate()
  expect(await server.end('SIGTERM')).toBe(0)
  await backend.stop()
  dir.remove()
  return backend
}

test(`[M1 M3] a receiver that fails has each change in order, while the server is killed twice (seed ${SEED})`, async () => {
  const backend = await run(false)
  expect(backend.wrong).toEqual([])
  expect(backend.requests).toBeGreaterThan(backend.bodies.size)
  expect(backend.repeats).toBeGreaterThan(0)
})

test(`control: a receiver that says it took what it forgot lacks changes (seed ${SEED})`, async () => {
  expect((await run(true)).wrong.join()).toContain('follows')
})
