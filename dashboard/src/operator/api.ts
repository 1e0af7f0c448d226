import type { Status } from '@who-is-online/client'

// The calls of the HTTP API that the page makes. docs/http-api.md has all of them.

/** A session of a user, as the API has it. Times are in ISO 8601. */
export interface Session {
  readonly sessionId: string
  readonly kind: 'socket' | 'lease'
  readonly device?: string
  readonly node: string
  readonly connectedAt: string
  readonly lastAliveAt: string
  readonly active: boolean
  readonly visible: boolean
  readonly leaseEndsAt?: string
}

/** Why a user shows as they do, as the API has it. Times are in ISO 8601. */
export interface Explanation {
  /** What others see. */
  readonly shown: { readonly status: Status; readonly text?: string }
  readonly reason: string
  readonly hidden: boolean
  readonly sessions: readonly Session[]
  readonly graces: readonly { readonly sessionId?: string; readonly endsAt: string }[]
  readonly choice: {
    readonly status: Status
    readonly text?: string
    readonly expiresAt?: string
    readonly chosenAt?: string
  }
  readonly choiceKeptUntil?: string
  readonly delayed?: { readonly status: Status; readonly until: string }
  /** The nodes of a cluster that did not answer. */
  readonly incomplete?: readonly string[]
}

/** What to set. */
export interface NewStatus {
  readonly status: Status
  readonly text?: string | undefined
  /** In ISO 8601. */
  readonly expiresAt?: string | undefined
}

/** Why a request was not done. With `key`, another key may help. */
export interface Refused {
  readonly needs: 'key' | 'nothing'
  readonly text: string
}

/** An answer: its value, and whether all nodes have confirmed it; or why the request was refused. */
export type Answer<Value> =
  | { readonly value: Value; readonly isConfirmed: boolean }
  | { readonly refused: Refused }

/** Sends a request to a path below `/api/v1/`. */
export type Send = (path: string, init: RequestInit) => Promise<Response>

/** The HTTP API, with a key that is only in memory. */
export interface Api {
  /** Whether there is a key. */
  readonly hasKey: boolean
  /** Sets the key for the next requests; `undefined` for requests without one. */
  setKey(key: string | undefined): void
  explain(userId: string): Promise<Answer<Explanation>>
  setStatus(userId: string, status: NewStatus): Promise<Answer<{ readonly status: Status }>>
  endSession(userId: string, sessionId: string): Promise<Answer<undefined>>
  endSessions(userId: string): Promise<Answer<undefined>>
}

/** A key is a text of printable ASCII characters. Others can't be in a header. */
const KEY = /^[\x21-\x7e]+$/

/** Makes the calls with `send`. No call rejects. */
export function createApi(send: Send): Api {
  let key: string | undefined

  async function call<Value>(
    method: string,
    segments: readonly string[],
    body?: object,
  ): Promise<Answer<Value>> {
    if (segments.some(segment => segment === '.' || segment === '..')) {
      return refusal('a browser can not send a request about the id "." or ".."')
    }
    if (key !== undefined && !KEY.test(key)) {
      return refusal('The key is wrong: a key of API_KEYS has no spaces and no special letters.', 'key')
    }
    const headers = {
      ...(key !== undefined && { Authorization: `Bearer ${key}` }),
      ...(body && { 'Content-Type': 'application/json' }),
    }
    try {
      const path = segments.map(encodeURIComponent).join('/')
      const response = await send(path, { method, headers, ...(body && { body: JSON.stringify(body) }) })
      if (!response.ok) return { refused: await whyRefused(response, key !== undefined) }
      const text = await response.text()
      const value = (text === '' ? undefined : JSON.parse(text)) as Value
      return { value, isConfirmed: response.status !== 202 }
    } catch {
      return refusal('The server did not answer: try again.')
    }
  }

  return {
    get hasKey() {
      return key !== undefined
    },
    setKey(wanted) {
      key = wanted
    },
    explain: userId => call('GET', ['users', userId, 'explain']),
    setStatus: (userId, status) => call('PUT', ['users', userId, 'status'], status),
    endSession: (userId, sessionId) => call('DELETE', ['users', userId, 'sessions', sessionId]),
    endSessions: userId => call('DELETE', ['users', userId, 'sessions']),
  }
}

function refusal(text: string, needs: Refused['needs'] = 'nothing'): { readonly refused: Refused } {
  return { refused: { needs, text } }
}

/** Says what an error of the API means for the person at the page. */
async function whyRefused(response: Response, hadKey: boolean): Promise<Refused> {
  const { status } = response
  const { code, detail } = await problemIn(response)
  if (code === undefined) {
    const text = `The server answered ${status}, not as its HTTP API does: a proxy may not forward /api to it.`
    return { needs: 'nothing', text }
  }
  // The API is off, or closed to this computer. A key does not help.
  if (code === 'bad_key' && /\bset API_KEYS\b/.test(detail))
    return { needs: 'nothing', text: sentence(detail) }
  if (code === 'bad_key') {
    return { needs: 'key', text: hadKey ? 'The key is wrong.' : 'This needs a write key of API_KEYS.' }
  }
  if (code === 'not_allowed') return { needs: 'key', text: 'This key may only read: a write key is needed.' }
  return { needs: 'nothing', text: sentence(detail) }
}

async function problemIn(response: Response): Promise<{ code?: string; detail: string }> {
  try {
    const { code, detail } = (await response.json()) as { code?: unknown; detail?: unknown }
    return typeof code === 'string' ? { code, detail: String(detail) } : { detail: '' }
  } catch {
    return { detail: '' }
  }
}

function sentence(text: string): string {
  return `${text.slice(0, 1).toUpperCase()}${text.slice(1)}.`
}
