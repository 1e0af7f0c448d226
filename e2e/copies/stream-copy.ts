import type { IncomingMessage } from 'node:http'
import { get } from 'node:http'
import { ReadingCopy } from './copy.ts'
import type { Page } from './page.ts'

/** The server sends a comment each 15 s. */
const SILENT_MS = 20_000

/** A copy that is fed by server-sent events alone. */
export class StreamCopy extends ReadingCopy {
  override readonly name = 'stream'
  #isFirst = true

  protected async read(origin: string): Promise<void> {
    const isPresent = !this.options.resumes && !this.#isFirst
    const from = isPresent ? '' : `&since=${this.since}`
    const response = await this.#open(`${origin}/api/v1/stream?limit=10${from}`)
    this.#isFirst = false
    let text = ''
    // Nothing is read while the copy pauses: the server must not send more than the socket takes.
    for await (const chunk of response) {
      text += chunk
      const events = text.split('\n\n')
      text = events.pop() ?? ''
      for (const event of events) this.#take(event)
      await this.pause()
      // Some break off, also within a full state.
      if (this.isBad && this.options.random() < 0.2) break
    }
    response.destroy()
    throw new Error('the stream has ended')
  }

  #open(url: string): Promise<IncomingMessage> {
    return new Promise((resolve, reject) => {
      const request = get(url, { signal: this.stopping.signal, timeout: SILENT_MS }, response => {
        response.setEncoding('utf8')
        if (response.statusCode === 200) return resolve(response)
        response.destroy()
        reject(new Error(`${response.statusCode}`))
      })
      request.on('timeout', () => request.destroy(new Error('silent')))
      request.on('error', reject)
    })
  }

  #take(event: string): void {
    const data = event
      .split('\n')
      .filter(line => line.startsWith('data: '))
      .map(line => line.slice('data: '.length))
    if (data.length > 0) this.fold(JSON.parse(data.join('\n')) as Page)
  }
}
