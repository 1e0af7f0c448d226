import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { sleep } from '@who-is-online/testing/client'
import { CopiedUsers } from './copied-users.ts'
import type { Copy, CopyOptions } from './copy.ts'
import type { Page } from './page.ts'

/** How long a receiver that hangs keeps a request, in ms. */
const HANG_MS = 800

/** A copy that is fed by webhooks alone. Without `resumes` it says that it took what it did not take: the control. */
export class HookCopy implements Copy {
  readonly name = 'webhooks'
  readonly users = new CopiedUsers()
  readonly #options: Pick<CopyOptions, 'random' | 'resumes'>
  readonly #bodies = new Map<string, string>()
  readonly #taken = new Set<string>()
  #server = createServer()
  #isBad = false
  port = 0

  constructor(options: Pick<CopyOptions, 'random' | 'resumes'>) {
    this.#options = options
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}/`
  }

  async start(): Promise<void> {
    this.#server = createServer((request, response) => {
      const chunks: Buffer[] = []
      request.on('data', chunk => chunks.push(chunk))
      request.on('end', () => {
        void this.#receive(String(request.headers['webhook-id']), String(Buffer.concat(chunks)), response)
      })
    })
    await new Promise<void>(resolve => this.#server.listen(this.port, '127.0.0.1', resolve))
    this.port = (this.#server.address() as AddressInfo).port
  }

  behave(isBad: boolean): void {
    this.#isBad = isBad
  }

  async stop(): Promise<void> {
    const closed = new Promise(resolve => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async #receive(id: string, body: string, response: ServerResponse): Promise<void> {
    const before = this.#bodies.get(id)
    if (before !== undefined && before !== body) this.users.wrong.push(`${id} came with another content`)
    this.#bodies.set(id, body)
    const kind = this.#isBad ? this.#options.random() : 1
    // The control forgets more, so that a few runs show it.
    if (kind < (this.#options.resumes ? 0.2 : 0.7)) return this.#refuse(response)
    if (kind < 0.3) {
      await sleep(HANG_MS)
      return void response.destroy()
    }
    this.#take(id, body)
    if (kind < 0.4) response.destroy()
    else response.writeHead(200).end()
  }

  #refuse(response: ServerResponse): void {
    response.writeHead(this.#options.resumes ? 500 : 200).end()
  }

  #take(id: string, body: string): void {
    const page = JSON.parse(body) as Page
    if (this.#taken.has(id) || this.#isLate(page)) return
    this.#taken.add(id)
    this.users.fold(page)
  }

  /** Whether a body that the copy has comes once more, from a node that was suspended. */
  #isLate({ recovered, epoch, seq }: Page): boolean {
    const [ownEpoch, ownSeq] = this.users.place?.split(':') ?? []
    return recovered && epoch === ownEpoch && seq <= Number(ownSeq)
  }
}
