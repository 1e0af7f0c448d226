import type { IncomingMessage } from 'node:http'
import { MAX_CALL_BYTES } from '@who-is-online/protocol/api'
import type { Unknowns } from '@who-is-online/protocol/check-fields'
import { type Checked, decodeBody, decodeParameters } from '@who-is-online/protocol/decode-call'
import type { Request, RequestHandler, Response } from 'express'
import type { Log } from '../../log.ts'
import type { Refusals } from '../../refusals.ts'
import { normalTarget } from '../../request-target.ts'
import { sendEvents } from '../event-stream.ts'
import type { Health } from '../health.ts'
import { type AccessOptions, ApiAccess, type ApiCaller } from './access.ts'
import { hasBody, objectOf, readBody } from './body.ts'
import type { CallHandlers } from './call.ts'
import { CallCounts } from './call-counts.ts'
import { type ApiSources, createCalls } from './calls.ts'
import { ApiFailure } from './failure.ts'
import { API_PATH, callOf, callsAt, type Match } from './routes.ts'

/** Options of {@link createApi}. */
export interface ApiOptions extends Omit<AccessOptions, 'clock'>, ApiSources {
  readonly log: Pick<Log, 'info' | 'limited'>
  readonly refusals: Pick<Refusals, 'count'>
  /** Returns the address of a client, for the log. */
  readonly addressOf: (request: IncomingMessage) => string
  readonly health: Pick<Health, 'stopping' | 'cluster'>
}

/** In how many seconds to try again while the server stops or starts. */
const RETRY_S = 1

/** For each group of this many bytes, a body that is refused counts as one more request. */
const WRONG_BYTES_PER_REQUEST = 8 * 1_024

/** The HTTP API. */
export interface Api {
  readonly handler: RequestHandler
  /** Refuses requests of `/metrics` that may not see how many hidden users there are. */
  readonly metricsGuard: RequestHandler
  /** How many requests there were. */
  readonly counts: CallCounts
  /** Whether a request is a call with a right key, which the limit of that key counts. */
  readonly hasKey: (request: IncomingMessage) => boolean
  /** The longest body that a request may have, in bytes, whatever its path. */
  readonly maxBodyBytes: (request: IncomingMessage) => number
}

/** Creates the HTTP API: the calls of the catalogue, and 404 for all other paths that begin as theirs. */
export function createApi(options: ApiOptions): Api {
  const { log, refusals, health, addressOf } = options
  const access = new ApiAccess(options)
  const handlers = createCalls(options)
  const counts = new CallCounts()

  async function answer(request: Request, response: Response): Promise<void> {
    const { pathname, search } = partsOf(request.url)
    const at = callsAt(pathname)
    if (at.length === 0) {
      throw new ApiFailure('not_found', 'there is no such call: /openapi.json describes all of them')
    }
    const match = callOf(request.method, pathname)
    if (!match) return refuseMethod(request, response, at)
    const caller = access.callerOf(request)
    limit(caller)
    if (match.call.right === 'write' && caller.right !== 'write') {
      throw new ApiFailure('not_allowed', `the key ${JSON.stringify(caller.name)} may only read`)
    }
    if (health.stopping || health.cluster?.state === 'loading') {
      throw new ApiFailure('unavailable', 'the server is starting or stopping: try again', {
        retryAfterS: RETRY_S,
      })
    }
    const { name, call } = match
    // Else a backend that puts `forMs` into a body would believe that it holds.
    if (!call.body && hasBody(request)) {
      throw new ApiFailure('bad_request', 'this call has no body: its parameters stand in the URL')
    }
    const params = valuesOf(decodeParameters(name, match.params, search))
    const body = call.body && (await readBody(request, call))
    if (call.body && !body) return // the client went away
    const input = body ? { ...params, ...fieldsOf(match, body, caller) } : params
    const countMore = (requests: number): void => access.countMore(caller, requests)
    // The input was checked against the schemas from which this type is made.
    const handle = handlers[name] as CallHandlers[keyof CallHandlers] as (
      input: unknown,
      context: object,
    ) => ReturnType<CallHandlers['queryUsers']>
    const lastEventId = request.get('Last-Event-ID')
    const { status, json, pages } = await handle(input, {
      caller,
      countMore,
      gone: goneOf(response),
      lastEventId,
    })
    if (pages) await sendEvents(response, pages)
    else if (json === undefined) response.status(status).end()
    else response.status(status).type('json').send(Buffer.from(json))
  }

  /** What a body says. A wrong body takes time too, so it counts more. */
  function fieldsOf({ name, call }: Match, body: Buffer, caller: ApiCaller): Unknowns {
    try {
      return valuesOf(decodeBody(name, objectOf(body, call)))
    } catch (error) {
      access.countMore(caller, Math.floor(body.length / WRONG_BYTES_PER_REQUEST))
      throw error
    }
  }

  function limit(caller: ApiCaller): void {
    const waitMs = access.waitMs(caller)
    if (waitMs === 0) return
    refusals.count('API_REQUESTS_PER_SECOND')
    log.limited('api', 'an API request was refused by API_REQUESTS_PER_SECOND', { key: caller.name })
    throw new ApiFailure('too_fast', 'too many requests (API_REQUESTS_PER_SECOND)', {
      retryAfterS: Math.ceil(waitMs / 1_000),
    })
  }

  function refuse(error: ApiFailure, request: Request, response: Response): void {
    if (error.code === 'bad_key') {
      refusals.count('API_KEYS')
      log.limited('key', 'an API request was refused because of its key', { address: addressOf(request) })
    }
    // Nothing more is read of a body that is not wanted.
    if (!request.complete) response.set('Connection', 'close')
    error.send(response)
  }

  return {
    counts,
    hasKey: request => callFor(request) !== undefined && access.hasKey(request),
    metricsGuard(request, response, next) {
      if (access.isOperator(request)) return next()
      const who = 'programs on the machine of the server, and for write keys of API_KEYS'
      const instead = 'set METRICS_PORT on the server to have them at a port of their own'
      const code = access.hasKey(request) ? 'not_allowed' : 'bad_key'
      refuse(new ApiFailure(code, `the figures are for ${who}: ${instead}`), request, response)
    },
    maxBodyBytes: request => callFor(request)?.call.maxBodyBytes ?? MAX_CALL_BYTES,
    handler(request, response, next) {
      if (!request.url.startsWith(API_PATH)) return next()
      response.set('Cache-Control', 'no-store')
      const ended = counts.begin(callOf(request.method, partsOf(request.url).pathname)?.name)
      response.once('close', () => ended(response.statusCode))
      answer(request, response).catch((error: unknown) => {
        if (error instanceof ApiFailure) refuse(error, request, response)
        else next(error)
      })
    },
  }
}

/** Answers OPTIONS with 204 and other methods with 405, both with `Allow`. There are no CORS headers. */
function refuseMethod(request: Request, response: Response, at: readonly Match[]): void {
  const methods = at.flatMap(({ call: { method } }) => (method === 'GET' ? ['GET', 'HEAD'] : [method]))
  const allow = [...methods, 'OPTIONS'].join(', ')
  response.set('Allow', allow)
  if (request.method === 'OPTIONS') return void response.status(204).end()
  throw new ApiFailure('method_not_allowed', `this path allows ${allow}, not ${request.method}`)
}

/** A signal that is aborted when the client goes away, or has its answer. */
function goneOf(response: Response): AbortSignal {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  return gone.signal
}

function valuesOf(checked: Checked): Unknowns {
  if ('values' in checked) return checked.values
  const { field, text } = checked.wrong
  throw new ApiFailure('bad_request', text, { field })
}

/** The call of a request that Express has not seen yet. */
function callFor({ method = '', url = '' }: IncomingMessage): Match | undefined {
  return callOf(method, partsOf(normalTarget(url)).pathname)
}

function partsOf(target: string): { readonly pathname: string; readonly search: string } {
  const at = target.indexOf('?')
  return at < 0
    ? { pathname: target, search: '' }
    : { pathname: target.slice(0, at), search: target.slice(at + 1) }
}
