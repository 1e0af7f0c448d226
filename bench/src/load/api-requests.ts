import { idOf } from '../known-users.ts'
import type { ApiCall } from './orders.ts'

/** The keys of the HTTP API: one for honest clients, and one for the client that never stops. */
export const API_KEYS = {
  honest: 'the-key-of-honest-clients-of-the-bench',
  greedy: 'the-key-of-a-greedy-client-of-the-bench',
}

/** How many different lists of users are asked for. */
const LISTS = 16

/** How far back the reader of changes begins again, in changes: they are all still known. */
const CHANGES_BACK = 20_000

/** How much of an answer is read to find where the next page begins. */
const EDGE_BYTES = 400

/** The requests of one kind of call. */
export interface ApiRequests {
  /** The next request. */
  next(): Buffer
  /** Takes the answer to the last request, from which the next page follows. */
  answered(body: Buffer): void
  /** What is wrong with the first answer; `undefined` if nothing is. */
  problemOf(body: Buffer): string | undefined
}

/** Makes the requests of a call. Only those of pages depend on the answers. */
export function apiRequests(call: ApiCall, key: string): ApiRequests {
  switch (call.name) {
    case 'query': {
      const { ids, of, detail } = call
      const lists = Array.from({ length: LISTS }, () => {
        const userIds = Array.from({ length: ids }, () => idOf(Math.floor(Math.random() * of)))
        return request('POST', '/users/query', key, JSON.stringify({ userIds, detail }))
      })
      return independent(inTurn(lists), body => listProblem(body, 'users', ids))
    }
    case 'user': {
      const users = Array.from({ length: 1_000 }, () => {
        const userId = idOf(Math.floor(Math.random() * call.of))
        return request('GET', `/users/${userId}`, key)
      })
      return independent(inTurn(users), body => (body.includes('"lastSeen":"') ? undefined : String(body)))
    }
    case 'list':
      // Fewer users than that may have the status.
      return new Pages(
        call.status ? undefined : call.limit,
        key,
        cursor => `/users?limit=${call.limit}${statusOf(call)}${cursor}`,
      )
    case 'state':
      // A place that the server does not know.
      return new Pages(undefined, key, cursor => `/changes?limit=${call.limit}${cursor || '&since=none:0'}`)
    case 'changes':
      return new Changes(call.limit, key)
  }
}

/** Leases a session for an hour. */
export function leaseRequest(userId: string): Buffer {
  return request('PUT', `/users/${userId}/sessions/bench`, API_KEYS.honest, '{"ttlMs":3600000}')
}

function statusOf({ status }: ApiCall & { name: 'list' }): string {
  return status === undefined ? '' : `&status=${status}`
}

function independent(next: () => Buffer, problemOf: ApiRequests['problemOf']): ApiRequests {
  return { next, answered: () => {}, problemOf }
}

function inTurn<T>(items: readonly T[]): () => T {
  let at = 0
  return () => items[at++ % items.length] as T
}

/** The pages of a list, and then the first one again. */
class Pages implements ApiRequests {
  readonly #expected: number | undefined
  readonly #key: string
  readonly #target: (cursor: string) => string
  #cursor = ''

  /** @param target makes the target of a request; its argument is the parameter of the cursor, or empty */
  constructor(expected: number | undefined, key: string, target: (cursor: string) => string) {
    this.#expected = expected
    this.#key = key
    this.#target = target
  }

  next(): Buffer {
    return request('GET', this.#target(this.#cursor), this.#key)
  }

  answered(body: Buffer): void {
    const end = body.toString('utf8', Math.max(0, body.length - EDGE_BYTES))
    const cursor = /"cursor":("(?:[^"\\]|\\.)*")/.exec(end)?.[1]
    this.#cursor = cursor === undefined ? '' : `&cursor=${encodeURIComponent(JSON.parse(cursor))}`
  }

  problemOf(body: Buffer): string | undefined {
    return this.#expected === undefined
      ? listProblem(body, 'users')
      : listProblem(body, 'users', this.#expected)
  }
}

/** The pages of the log of changes, from a place in the past up to the present, again and again. */
class Changes implements ApiRequests {
  readonly #limit: number
  readonly #key: string
  #place: { readonly epoch: string; readonly seq: number } | undefined

  constructor(limit: number, key: string) {
    this.#limit = limit
    this.#key = key
  }

  next(): Buffer {
    const since = this.#place ? `&since=${this.#place.epoch}:${this.#place.seq}` : ''
    return request('GET', `/changes?limit=${this.#limit}${since}`, this.#key)
  }

  answered(body: Buffer): void {
    const [, epoch = '', prevSeq, seq] =
      /^\{"epoch":"([^"]*)","prevSeq":(\d+|null),"seq":(\d+)/.exec(body.toString('utf8', 0, EDGE_BYTES)) ?? []
    const [before, after] = [Number(prevSeq), Number(seq)]
    const isLast = after - before < this.#limit
    this.#place = { epoch, seq: isLast ? Math.max(0, after - CHANGES_BACK) : after }
  }

  /** The first answer tells only the present place. */
  problemOf(body: Buffer): string | undefined {
    return body.includes('"recovered":true') ? undefined : body.toString('utf8', 0, EDGE_BYTES)
  }
}

function listProblem(body: Buffer, key: string, expected?: number): string | undefined {
  const list: unknown = JSON.parse(body.toString())[key]
  const length = Array.isArray(list) ? list.length : 0
  if (expected === undefined ? length > 0 : length === expected) return undefined
  return `an answer had ${length} ${key} instead of ${expected ?? 'some'}`
}

/** A request, as a client in an application sends it. */
export function request(method: string, target: string, key: string, body?: string): Buffer {
  const head = [
    `${method} /api/v1${target} HTTP/1.1`,
    'Host: 127.0.0.1',
    `Authorization: Bearer ${key}`,
    ...(body === undefined
      ? []
      : ['Content-Type: application/json', `Content-Length: ${Buffer.byteLength(body)}`]),
  ]
  return Buffer.from(`${head.join('\r\n')}\r\n\r\n${body ?? ''}`)
}
