import { invalid } from './api-error.ts'

/** Options of `createApiClient`. */
export interface ApiClientOptions {
  /** Where the server is: `https://presence.example.com`, or with a path if a proxy serves it under one. */
  readonly url: string
  /** A key of the setting `API_KEYS`. In development, a server without keys needs none. */
  readonly key?: string | undefined
  /** How long one try of a call may take, in ms. Default: 10,000. */
  readonly timeoutMs?: number | undefined
  /**
   * How often a call that only reads is tried again if the server can't be reached, or answers 429, 500, 502, 503 or
   * 504. Default: 2. Calls that write are never repeated: see `code` of the error.
   */
  readonly retries?: number | undefined
}

/** The options of a client after they were checked. */
export interface CheckedOptions {
  /** Without a slash at its end. */
  readonly url: string
  readonly key: string | undefined
  readonly timeoutMs: number
  readonly retries: number
}

const TIMEOUT_MS = 10_000
const RETRIES = 2

/** The longest time of a timer, in ms. */
const MAX_TIMER_MS = 2 ** 31 - 1

/** @throws ApiError `bad_options` */
export function checked(options: ApiClientOptions): CheckedOptions {
  const { url, key, timeoutMs = TIMEOUT_MS, retries = RETRIES } = options
  if (key !== undefined && !/^[!-~]+$/.test(key)) {
    throw invalid('key', 'a key of API_KEYS, without spaces and line breaks')
  }
  if (!Number.isInteger(retries) || retries < 0) throw invalid('retries', 'a whole number from 0')
  return { url: checkedUrl(url), key, timeoutMs: checkedTimeout(timeoutMs), retries }
}

/** @throws ApiError `bad_options` */
export function checkedTimeout(timeoutMs: number): number {
  if (timeoutMs > 0 && timeoutMs <= MAX_TIMER_MS) return timeoutMs
  throw invalid('timeoutMs', `a number of milliseconds from 1 to ${MAX_TIMER_MS}`)
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const isHttp = url?.protocol === 'http:' || url?.protocol === 'https:'
  if (!url || !isHttp || url.username || url.password || url.search || url.hash) {
    throw invalid('url', 'the address of the server, such as https://presence.example.com')
  }
  return url.href.replace(/\/+$/, '')
}
