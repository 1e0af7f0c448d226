import { createServer, type RequestListener, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'

/** What a {@link scriptedServer} does with one request. */
export type Step = (response: ServerResponse) => void

/** A request that a server has got. */
export interface SeenRequest {
  readonly method: string
  readonly url: string
  readonly headers: Readonly<Record<string, unknown>>
}

/** Answers with JSON. */
export function answers(body: unknown, status = 200, headers: Record<string, string> = {}): Step {
  return response => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers })
    response.end(typeof body === 'string' ? body : JSON.stringify(body))
  }
}

/** Refuses with an error, as the API does. */
export function refuses(status: number, code: string, headers: Record<string, string> = {}): Step {
  return answers({ title: 'x', status, code, detail: `it is ${code}` }, status, headers)
}

/** Breaks the connection without an answer. */
export const breaks: Step = response => response.destroy()

/** Never answers. */
export const hangs: Step = () => {}

/** A server that does one step for each request, and for all further ones the last step. */
export async function scriptedServer(...steps: Step[]): Promise<{ url: string; seen: SeenRequest[] }> {
  const seen: SeenRequest[] = []
  const serve: RequestListener = (request, response) => {
    const { method = '', url = '', headers } = request
    const step = steps[Math.min(seen.length, steps.length - 1)]
    seen.push({ method, url, headers })
    request.resume()
    step?.(response)
  }
  const server = createServer(serve)
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, seen }
}
