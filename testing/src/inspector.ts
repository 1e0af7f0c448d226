import { TestClient } from './client.ts'

/** The `NODE_OPTIONS` of a server that an `Inspector` can attach to: they start the debugger, and count entries. */
export const INSPECTED = `--inspect=127.0.0.1:0 --import=${new URL('count-entries.mjs', import.meta.url)}`

/** Looks into a server process through the debugger of Node, so the server needs no code for that. */
export class Inspector {
  readonly #client: TestClient
  #next = 1

  private constructor(client: TestClient) {
    this.#client = client
  }

  /** Attaches to a server that was started with `INSPECTED`. */
  static async attach(server: { readonly output: () => string }): Promise<Inspector> {
    const [url] = /ws:\/\/127\.0\.0\.1:\d+\/[0-9a-f-]{36}/.exec(server.output()) ?? []
    if (url === undefined)
      throw new Error('the debugger of the server does not listen: set NODE_OPTIONS to INSPECTED')
    return new Inspector(await TestClient.open(url))
  }

  /** The value of an expression. It must be JSON. */
  async evaluate(expression: string): Promise<unknown> {
    const { result } = await this.#call('Runtime.evaluate', { expression, returnByValue: true })
    return result?.value
  }

  async collectGarbage(): Promise<void> {
    await this.#call('HeapProfiler.collectGarbage', {})
  }

  /** The number of entries of all Maps and Sets of the server and its packages that are still reachable. */
  async entries(): Promise<number> {
    await this.collectGarbage()
    return Number(await this.evaluate('countEntries()'))
  }

  detach(): void {
    this.#client.reset()
  }

  async #call(method: string, params: object): Promise<{ result?: { value?: unknown } }> {
    const id = this.#next++
    this.#client.send({ id, method, params })
    for (;;) {
      const answer = JSON.parse(await this.#client.text())
      if (answer.error) throw new Error(`${method}: ${answer.error.message}`)
      if (answer.id === id) return answer.result
    }
  }
}
