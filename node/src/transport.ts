import { ApiError, type ApiErrorCode, isTemporary } from './api-error.ts'
import type { CallOptions } from './call-options.ts'
import { type CheckedOptions, checkedTimeout } from './options.ts'
import { type Backoff, sleep, waitAfter } from './wait.ts'

/** One request. */
export interface ApiRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  /** Sent as JSON. */
  readonly body?: unknown
  /** Whether it only reads, so that it may be repeated. */
  readonly isRead: boolean
}

/** The answer to a request that succeeded. `body` is `undefined` without a body. */
export interface ApiAnswer {
  readonly status: number
  readonly body: unknown
}

const BACKOFF: Backoff = { firstMs: 200, maxMs: 2_000 }

/** The longest time for which a call waits because the server asks for it, in ms. Beyond that the call fails. */
const MAX_RETRY_AFTER_MS = 10_000

/**
 * Sends a request, and again if it only reads and failed for a reason that passes.
 *
 * @throws ApiError, or the reason of the signal
 */
export async function send(
  to: CheckedOptions,
  request: ApiRequest,
  { signal, timeoutMs = to.timeoutMs }: CallOptions = {},
): Promise<ApiAnswer> {
  for (let failures = 0; ; ) {
    try {
      return await sendOnce(to, request, checkedTimeout(timeoutMs), signal)
    } catch (error) {
      failures++
      // After a time-out the caller has waited for long enough.
      const passes = isTemporary(error) && error.code !== 'timeout'
      if (!passes || !request.isRead || failures > to.retries) throw error
      const { retryAfterMs = 0 } = error
      if (retryAfterMs > MAX_RETRY_AFTER_MS) throw error
      await sleep(waitAfter(failures, BACKOFF, retryAfterMs), signal)
    }
  }
}

async function sendOnce(
  { url, key }: CheckedOptions,
  { method, path, body }: ApiRequest,
  timeoutMs: number,
  signal: AbortSignal | undefined,
): Promise<ApiAnswer> {
  signal?.throwIfAborted()
  const text = body === undefined ? undefined : JSON.stringify(body)
  // Instead of `AbortSignal.any`: with a signal that lives long, its Node.js 20 keeps what each request has made.
  const abort = new AbortController()
  const end = () => abort.abort()
  const timer = setTimeout(end, timeoutMs)
  signal?.addEventListener('abort', end)
  try {
    const response = await fetch(url + path, {
      method,
      headers: {
        accept: 'application/json',
        ...(key !== undefined && { authorization: `Bearer ${key}` }),
        ...(text !== undefined && { 'content-type': 'application/json' }),
      },
      ...(text !== undefined && { body: text }),
      // A redirect would turn a PUT into a GET, or send the key to another server.
      redirect: 'manual',
      signal: abort.signal,
    })
    const answer = await response.text()
    if (!response.ok) throw errorOf(response, answer)
    return { status: response.status, body: answer === '' ? undefined : parsed(answer, response.status) }
  } catch (error) {
    signal?.throwIfAborted()
    if (error instanceof ApiError) throw error
    if (abort.signal.aborted) {
      throw new ApiError(
        'timeout',
        `no answer within ${timeoutMs} ms: raise "timeoutMs", or look at the server`,
      )
    }
    throw new ApiError('unreachable', `can't reach ${url}: ${reasonOf(error)}`, { cause: error })
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', end)
  }
}

/** `fetch` says only "fetch failed"; its cause says why. */
function reasonOf(error: unknown): string {
  const { cause, message } = error as { cause?: { code?: string; message?: string }; message?: string }
  return cause?.code || cause?.message || message || String(error)
}

function parsed(text: string, status: number): unknown {
  try {
    return JSON.parse(text)
  } catch (cause) {
    throw new ApiError('bad_answer', 'the answer is not JSON: look at "url", and at proxies in between', {
      status,
      cause,
    })
  }
}

/** The error of an answer that is not 2xx. A proxy may send one that is not in the format of this API. */
function errorOf({ status, headers }: Response, text: string): ApiError {
  const problem = problemIn(text)
  const location = headers.get('location')
  return new ApiError(
    (problem.code as ApiErrorCode | undefined) ?? 'http_error',
    problem.detail ??
      (location === null
        ? `the answer has status ${status}`
        : `the server redirects to ${location}: set "url" to the address where it answers`),
    { status, field: problem.field, retryAfterMs: retryAfterOf(headers) },
  )
}

function problemIn(text: string): { code?: string; detail?: string; field?: string } {
  try {
    const problem = JSON.parse(text)
    const texts = ['code', 'detail', 'field'].filter(name => typeof problem[name] === 'string')
    return Object.fromEntries(texts.map(name => [name, problem[name]]))
  } catch {
    return {}
  }
}

/** The header `Retry-After`, in ms: seconds or a date. */
function retryAfterOf(headers: Headers): number | undefined {
  const text = headers.get('retry-after')
  if (text === null) return undefined
  const ms = /^\d+$/.test(text) ? Number(text) * 1_000 : Date.parse(text) - Date.now()
  return Number.isNaN(ms) ? undefined : Math.max(ms, 0)
}
