import http from 'node:http'
import https from 'node:https'

/** How long an endpoint may take to answer, in ms: from the begin of the request to the end of its headers. */
const ANSWER_MS = 10_000

/** How much of the body of an answer is read so that its connection can be used again, in bytes. */
const MAX_ANSWER_BYTES = 64 * 1_024

/** What an endpoint has answered. */
export interface Answer {
  readonly status: number
  /** How long it asks to wait before the next request, in ms: `Retry-After` of a 429 or 503. */
  readonly retryAfterMs?: number | undefined
}

/** There was no answer. The message says why. */
export class NoAnswer extends Error {
  override readonly name = 'NoAnswer'
  readonly kind: 'timeout' | 'connection'

  constructor(kind: NoAnswer['kind'], message: string) {
    super(message)
    this.kind = kind
  }
}

/** A request to an endpoint. */
export interface WebhookRequest {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  /** Aborts the request. */
  readonly signal: AbortSignal
}

export interface SenderOptions {
  /** The wall clock, in ms since the epoch, to read a `Retry-After` that is a date. */
  readonly now: () => number
  /** The default is 10 s. */
  readonly answerMs?: number
}

/** Sends requests to endpoints over connections that stay open. Redirects are not followed. */
export class Sender {
  readonly #agents = {
    http: new http.Agent({ keepAlive: true }),
    https: new https.Agent({ keepAlive: true }),
  }
  readonly #now: () => number
  readonly #answerMs: number

  constructor({ now, answerMs = ANSWER_MS }: SenderOptions) {
    this.#now = now
    this.#answerMs = answerMs
  }

  /** @throws NoAnswer when there is no answer in time, and when the request is aborted */
  async post(request: WebhookRequest): Promise<Answer> {
    for (;;) {
      try {
        return await this.#once(request)
      } catch (error) {
        if (!(error instanceof StaleConnection)) throw error
      }
    }
  }

  /** Closes the connections that wait for the next request. */
  close(): void {
    this.#agents.http.destroy()
    this.#agents.https.destroy()
  }

  #once({ url, headers, body, signal }: WebhookRequest): Promise<Answer> {
    const isSecure = url.startsWith('https:')
    return new Promise((resolve, reject) => {
      const request = (isSecure ? https : http).request(url, {
        method: 'POST',
        agent: isSecure ? this.#agents.https : this.#agents.http,
        headers: { ...headers, 'content-length': body.length },
      })
      const late = new NoAnswer('timeout', `no answer within ${this.#answerMs / 1_000} s`)
      const timer = setTimeout(() => request.destroy(late), this.#answerMs)
      const abort = () => request.destroy(new NoAnswer('connection', 'the server stops'))
      signal.addEventListener('abort', abort)
      if (signal.aborted) abort()
      request.once('close', () => {
        clearTimeout(timer)
        signal.removeEventListener('abort', abort)
      })
      // After the answer, there may be more than one error.
      request.on('error', error => {
        if (error instanceof NoAnswer) return reject(error)
        // The endpoint closed the connection while it was idle, so it has not seen the request.
        if (request.reusedSocket && isReset(error)) return reject(new StaleConnection())
        reject(new NoAnswer('connection', reasonIn(error)))
      })
      request.once('response', response => {
        const { statusCode: status = 0 } = response
        skip(response)
        const retryAfterMs =
          status === 429 || status === 503
            ? retryAfterIn(response.headers['retry-after'], this.#now())
            : undefined
        resolve({ status, retryAfterMs })
      })
      request.end(body)
    })
  }
}

/** A connection that was kept open has turned out to be closed. */
class StaleConnection extends Error {}

function isReset(error: Error): boolean {
  return 'code' in error && (error.code === 'ECONNRESET' || error.code === 'EPIPE')
}

/** Why a request failed. Node puts the failures of all addresses of a name into one error without a message. */
function reasonIn(error: Error): string {
  const [first] = error instanceof AggregateError ? error.errors : []
  return error.message || String((first as Error | undefined)?.message ?? error)
}

/** Reads the body of an answer and drops it. One that is too long ends its connection. */
function skip(response: http.IncomingMessage): void {
  let bytes = 0
  response.on('data', (chunk: Buffer) => {
    bytes += chunk.length
    if (bytes > MAX_ANSWER_BYTES) response.destroy()
  })
  // The status has been taken already.
  response.on('error', () => {})
}

/** The wait that a `Retry-After` asks for, in ms: a number of seconds, or a date. */
function retryAfterIn(header: string | undefined, now: number): number | undefined {
  if (header === undefined) return undefined
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1_000
  const date = Date.parse(header)
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}
