import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

/** An application with a real server on loopback, which is asked who a user is. */
export class Application {
  /** The requests that arrived. */
  readonly requests: IncomingMessage[] = []
  /** Answers a request. By default every user is `ann`. */
  answer: (request: IncomingMessage, response: ServerResponse) => void = (_request, response) => {
    response.end('{"userId":"ann"}')
  }
  readonly #http: Server

  private constructor() {
    this.#http = createServer((request, response) => {
      this.requests.push(request)
      this.answer(request, response)
    })
  }

  static async start(): Promise<Application> {
    const application = new Application()
    await new Promise<void>(resolve => application.#http.listen(0, '127.0.0.1', resolve))
    return application
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#http.address() as AddressInfo).port}/who`
  }

  stop(): void {
    this.#http.closeAllConnections()
    this.#http.close()
  }
}
