import { asyncApi } from '@who-is-online/protocol/asyncapi'
import { type ErrorRequestHandler, Router } from 'express'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { stackOf } from '../stack-of.ts'
import { type Health, readiness } from './health.ts'
import { readOnly } from './methods.ts'
import { problem } from './problem.ts'

/** Options of {@link operations}. */
export interface OperationsOptions {
  readonly health: Health
  readonly metrics: Metrics
  /** The version of the server package. */
  readonly version: string
}

/** The paths of {@link operations}. */
export const OPERATIONS = ['/healthz', '/readyz', '/metrics', '/asyncapi.json']

/** Serves the paths for operators and tools: health checks, metrics and the AsyncAPI document. */
export function operations({ health, metrics, version }: OperationsOptions): Router {
  const router = Router({ strict: false, caseSensitive: false })
  const document = Buffer.from(JSON.stringify(asyncApi(version)))
  readOnly(router, '/healthz', (_request, response) => {
    response.json({ status: 'alive' })
  })
  readOnly(router, '/readyz', (_request, response) => {
    const { status, body } = readiness(health)
    response.status(status).json(body)
  })
  readOnly(router, '/metrics', async (_request, response) => {
    response.type('text/plain; version=0.0.4').send(await metrics.text())
  })
  readOnly(router, '/asyncapi.json', (_request, response) => {
    response.type('json').send(document)
  })
  return router
}

/** Answers a request that failed. */
export function failure(log: Pick<Log, 'error'>): ErrorRequestHandler {
  return (error: Error & { status?: number }, request, response, _next) => {
    if (error.status !== undefined && error.status < 500 && !response.headersSent) {
      return problem(response, error.status, error.message)
    }
    log.error('an HTTP request failed', { path: request.path, error: stackOf(error) })
    if (response.headersSent) return response.destroy()
    problem(response, 500, 'internal error: see the log of the server', { code: 'internal' })
  }
}
