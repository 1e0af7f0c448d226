import type { IncomingMessage, ServerResponse } from 'node:http'
import express from 'express'
import type { Log } from '../log.ts'
import { PROBLEM_TYPE, problemJson } from '../problem-json.ts'
import { failure, OPERATIONS, type OperationsOptions, operations } from './operations.ts'
import { policy } from './policy.ts'

/** Continues with the next handler of the application. */
export type Next = (error?: unknown) => void

/** Options of {@link createHandler}. */
export interface HandlerOptions extends OperationsOptions {
  readonly log: Log
}

/** Creates the handler of an embedded server. The application has the other paths. */
export function createHandler(
  options: HandlerOptions,
): (request: IncomingMessage, response: ServerResponse, next?: Next) => void {
  const app = express()
  app.disable('etag')
  // The responses of other paths belong to the application.
  app.disable('x-powered-by')
  app.use(OPERATIONS, policy())
  app.use(operations(options))
  app.use(failure(options.log))
  return (request, response, next = () => notFound(response)) => {
    app(request as express.Request, response as express.Response, next)
  }
}

function notFound(response: ServerResponse): void {
  response.writeHead(404, { 'Content-Type': PROBLEM_TYPE })
  response.end(problemJson(404, 'unknown path'))
}
