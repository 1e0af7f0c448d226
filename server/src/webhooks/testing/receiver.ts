import { createHmac } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { ChangePage } from '../../changes/page.ts'
import { Copy } from '../../changes/testing/copy.ts'

/**
 * How a receiver treats a request. `lost` and `late`: it takes the message, but the connection ends before the answer,
 * or the answer does not come. `deaf`: it answers 2xx and takes nothing.
 */
export type Behaviour = 'take' | 'fail' | 'hang' | 'close' | 'redirect' | 'lost' | 'late' | 'deaf'

const TAKING: ReadonlySet<Behaviour> = new Set(['take', 'lost', 'late'])

/** The secret of webhooks in tests, as in the settings. */
export const SECRET = `whsec_${Buffer.alloc(32, 's').toString('base64')}`

/** A receiver that keeps a copy of presence, as docs/webhooks.md describes it, and notes what is wrong. */
export class Receiver {
  readonly copy = new Copy()
  /** What must never happen: wrong signatures, gaps, other content with the same id. */
  readonly wrong: string[] = []
  /** How many requests came, and how many of them repeated a message that was taken before. */
  requests = 0
  repeats = 0
  /** How it treats the next requests, one after the other; then it takes them. */
  readonly behaviours: Behaviour[] = []
  /** What happens in the time that it takes for a body. */
  pause: () => void = () => {}
  /** The ids of all messages, in the order in which they came first, with their bodies. */
  readonly messages = new Map<string, string>()
  readonly #taken = new Set<string>()
  readonly #hanging = new Set<ServerResponse>()
  #server: Server | undefined
  #port = 0
  #seq: number | undefined

  get url(): string {
    return `http://127.0.0.1:${this.#port}/presence?token=secret`
  }

  /** Listens, on the same port as before. */
  async start(): Promise<void> {
    const server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', chunk => chunks.push(chunk))
      request.on('end', () => this.#receive(request, Buffer.concat(chunks), response))
    })
    this.#server = server
    await new Promise<void>(resolve => server.listen(this.#port, '127.0.0.1', resolve))
    this.#port = (server.address() as AddressInfo).port
  }

  /** Ends all connections; nobody can connect until it is started again. */
  async stop(): Promise<void> {
    const server = this.#server
    server?.closeAllConnections()
    await new Promise(resolve => (server ? server.close(resolve) : resolve(undefined)))
  }

  #receive({ url, headers }: IncomingMessage, body: Buffer, response: ServerResponse): void {
    this.requests++
    if (url !== '/presence?token=secret') this.wrong.push(`a request for ${url}`)
    const { 'webhook-id': id, 'webhook-timestamp': timestamp, 'webhook-signature': signature } = headers
    const hmac = createHmac('sha256', Buffer.from(SECRET.slice(6), 'base64'))
    const expected = `v1,${hmac.update(`${id}.${timestamp}.`).update(body).digest('base64')}`
    if (signature !== expected) this.wrong.push(`the signature of ${id}`)
    const message = String(id)
    const before = this.messages.get(message)
    if (before !== undefined && before !== String(body)) this.wrong.push(`${id} has another content`)
    this.messages.set(message, String(body))
    const behaviour = this.behaviours.shift() ?? 'take'
    if (TAKING.has(behaviour)) this.#take(message, JSON.parse(String(body)))
    this.pause()
    if (behaviour === 'take' || behaviour === 'deaf') response.writeHead(204).end()
    else if (behaviour === 'fail') response.writeHead(500).end('x')
    else if (behaviour === 'redirect') response.writeHead(307, { location: '/elsewhere' }).end()
    else if (behaviour === 'hang' || behaviour === 'late') this.#hanging.add(response)
    else response.destroy()
  }

  #take(id: string, page: ChangePage): void {
    if (this.#taken.has(id)) {
      this.repeats++
      return
    }
    this.#taken.add(id)
    const { recovered, prevSeq, seq, changes } = page
    if (recovered && prevSeq !== this.#seq) this.wrong.push(`${prevSeq} follows ${this.#seq}`)
    let last = prevSeq ?? 0
    for (const change of changes) {
      if (change.seq < last || change.seq > seq) this.wrong.push(`${change.seq} is out of order`)
      last = change.seq
    }
    this.#seq = seq
    this.copy.fold(page)
  }
}
