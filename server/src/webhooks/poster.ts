import { NoAnswer, type Sender } from './sender.ts'
import { signedHeaders } from './signature.ts'

/** How attempts end: `ok` for a 2xx, `status` for any other one, and the rest without an answer. */
export const RESULTS = ['ok', 'status', 'timeout', 'connection'] as const
export type Result = (typeof RESULTS)[number]

/** One attempt to send a message. */
export interface Attempt {
  readonly result: Result
  readonly status?: number | undefined
  /** Why it failed. */
  readonly reason?: string | undefined
  readonly retryAfterMs?: number | undefined
}

export interface PosterOptions {
  readonly sender: Sender
  readonly secrets: readonly Buffer[]
  /** The wall clock, in ms since the epoch. */
  readonly now: () => number
  readonly version: string
}

/** Sends a signed message. Never rejects. A redirect is a failure. */
export async function post(
  { sender, secrets, now, version }: PosterOptions,
  url: string,
  id: string,
  body: Buffer,
  signal: AbortSignal,
): Promise<Attempt> {
  const headers = {
    ...signedHeaders(secrets, id, now(), body),
    'content-type': 'application/json',
    'user-agent': `who-is-online/${version}`,
  }
  try {
    const { status, retryAfterMs } = await sender.post({ url, headers, body, signal })
    if (status >= 200 && status < 300) return { result: 'ok', status }
    const isRedirect = status >= 300 && status < 400
    const reason = `the status is ${status}${isRedirect ? ': redirects are not followed' : ''}`
    return { result: 'status', status, reason, retryAfterMs }
  } catch (error) {
    if (!(error instanceof NoAnswer)) throw error
    return { result: error.kind, reason: error.message }
  }
}
