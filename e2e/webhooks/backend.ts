import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** The secret of webhooks, without its prefix. */
export const SECRET = Buffer.alloc(32, 's').toString('base64')

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

/** How it treats a request. `lost`: it takes the message, but the connection ends before the answer. */
export type Behaviour = 'take' | 'fail' | 'hang' | 'close' | 'lost'

/**
 * A backend with a copy of presence. It is written from docs/webhooks.md, and shares no code with the server. `forgets`
 * is the control: it answers 2xx to what it did not take.
 */
export class Backend {
  readonly wrong: string[] = []
  readonly users = new Map<string, string>()
  readonly bodies = new Map<string, string>()
  readonly taken = new Set<string>()
  readonly forgets: boolean
  requests = 0
  /** How many changes it took, once each. */
  changes = 0
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
    this.changes += changes.length
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
