import { connect, type Socket } from 'node:net'

const END_OF_HEAD = '\r\n\r\n'

/** An answer to a request. */
export interface Answer {
  readonly status: number
  readonly body: Buffer
}

/** A connection for HTTP requests, which may wait for their answers at the same time. */
export class HttpConnection {
  /** The bytes that have arrived. */
  received = 0
  /** Called with each answer, in the order of the requests. */
  onAnswer: ((answer: Answer) => void) | undefined
  /** Called when the server has closed the connection. */
  onClose: (() => void) | undefined
  readonly #socket: Socket
  #head: Buffer = Buffer.alloc(0)
  #status = 0
  #body: Buffer[] = []
  /** How many bytes of the body are missing; `undefined` before its head has arrived. */
  #missing: number | undefined

  constructor(port: number) {
    this.#socket = connect({ port, host: '127.0.0.1', noDelay: true })
    this.#socket.on('data', chunk => this.#read(chunk))
    this.#socket.on('error', () => {})
    this.#socket.on('close', () => this.onClose?.())
  }

  send(request: Buffer): void {
    this.#socket.write(request)
  }

  /** Sends a request and waits for its answer. @throws Error if the server closes the connection */
  ask(request: Buffer): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.onAnswer = resolve
      this.onClose = () => reject(new Error('the server closed the connection of an HTTP client'))
      this.send(request)
    })
  }

  close(): void {
    this.onClose = undefined
    this.#socket.destroy()
  }

  #read(chunk: Buffer): void {
    this.received += chunk.length
    for (let rest = chunk; rest.length > 0; ) {
      if (this.#missing === undefined) {
        rest = this.#readHead(rest)
      } else {
        const part = rest.subarray(0, this.#missing)
        this.#body.push(part)
        this.#missing -= part.length
        rest = rest.subarray(part.length)
      }
      if (this.#missing === 0) this.#answered()
    }
  }

  /** Returns what follows the head; nothing if it is not complete. */
  #readHead(chunk: Buffer): Buffer {
    const head = this.#head.length > 0 ? Buffer.concat([this.#head, chunk]) : chunk
    const end = head.indexOf(END_OF_HEAD)
    if (end === -1) {
      this.#head = head
      return Buffer.alloc(0)
    }
    const text = head.toString('latin1', 0, end)
    this.#head = Buffer.alloc(0)
    this.#status = Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1])
    this.#missing = Number(/^content-length: *(\d+)/im.exec(text)?.[1] ?? 0)
    return head.subarray(end + END_OF_HEAD.length)
  }

  #answered(): void {
    const body = this.#body.length === 1 ? (this.#body[0] as Buffer) : Buffer.concat(this.#body)
    this.#body = []
    this.#missing = undefined
    this.onAnswer?.({ status: this.#status, body })
  }
}
