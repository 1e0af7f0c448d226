import { type IncomingHttpHeaders, request } from 'node:http'
import { startServer } from '../../../server.ts'
import { readSettings } from '../../../settings.ts'
import { createMemoryStore } from '../../../storage/memory.ts'
import type { UserRecord } from '../../../storage/store.ts'
import { SystemClock } from '../../../time/clock.ts'

/** The keys of {@link startApi}, by what they may do. */
export const KEYS = { read: 'r'.repeat(40), write: `w:${'w'.repeat(40)}` } as const

/** {@link KEYS}, as a setting. */
export const API_KEYS = `reader:read:${KEYS.read}, writer:write:${KEYS.write}`

export interface ApiReply {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly text: string
  /** The body as JSON; `undefined` without a JSON body. */
  readonly json: unknown
}

/** A request of a test. */
export interface ApiRequest {
  readonly method?: string
  /** One that is undefined is not sent. */
  readonly headers?: Readonly<Record<string, string | undefined>>
  /** Sent as JSON, or as it is if it is a text. */
  readonly body?: unknown
  /** Which of {@link KEYS} to send. Default: none. */
  readonly key?: keyof typeof KEYS | undefined
}

/** A real server in this process, with users who were stored before. */
export async function startApi(
  settings: Readonly<Record<string, string>> = {},
  stored: readonly UserRecord[] = [],
) {
  const lines: { text: string; fields: object }[] = []
  const line = (text: string, fields = {}): void => void lines.push({ text, fields })
  const steady = () => performance.now()
  const server = await startServer({
    settings: readSettings({
      ENVIRONMENT: 'development',
      HOST: '127.0.0.1',
      PORT: '0',
      DASHBOARD: 'off',
      API_KEYS,
      ...settings,
    }),
    store: createMemoryStore({ users: new Map(stored.map(record => [record.userId, record])) }),
    clock: new SystemClock(Date.now, steady),
    log: {
      error: line,
      info: line,
      debug() {},
      limited: (_kind, text, fields) => line(text, fields),
      once() {},
    },
    version: '0',
    openFiles: Number.POSITIVE_INFINITY,
    droppedLines: () => ({ console: 0, file: 0 }),
  })
  const { port } = server

  const ask = (path: string, request?: ApiRequest) => askAt(port, path, request)
  return { port, url: `ws://127.0.0.1:${port}/ws`, lines, ask, stop: () => server.stop() }
}

/** Sends a request to a server on this machine, with the path unchanged: `fetch` would normalise it. */
export function askAt(
  port: number,
  path: string,
  { method = 'GET', headers = {}, body, key }: ApiRequest = {},
): Promise<ApiReply> {
  const text = body === undefined || typeof body === 'string' ? body : JSON.stringify(body)
  const all = {
    ...(text !== undefined && {
      'content-type': 'application/json',
      'content-length': String(Buffer.byteLength(text as string)),
    }),
    ...(key && { authorization: `Bearer ${KEYS[key]}` }),
    ...headers,
  }
  const sent = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined))
  return new Promise((resolve, reject) => {
    const asking = request(
      { port, host: '127.0.0.1', path, method, headers: sent, agent: false },
      response => {
        const chunks: Buffer[] = []
        const isStream = response.headers['content-type']?.startsWith('text/event-stream')
        const end = () => {
          const received = Buffer.concat(chunks).toString()
          const isJson = /json/.test(response.headers['content-type'] ?? '')
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: received,
            json: isJson || isStream ? jsonIn(received) : undefined,
          })
        }
        response.on('data', chunk => {
          chunks.push(chunk)
          // A stream does not end: its first event is enough.
          if (isStream && String(chunk).includes('data: '))
            response.destroy().off('end', end).once('close', end)
        })
        response.on('end', end)
      },
    )
    asking.on('error', reject)
    asking.end(text)
  })
}

/** The JSON of a body, or of the data of an event; `undefined` if it is empty. */
function jsonIn(text: string): unknown {
  const json = /^data: (.*)$/m.exec(text)?.[1] ?? text
  return json === '' ? undefined : JSON.parse(json)
}
