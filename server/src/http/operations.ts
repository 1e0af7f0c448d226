import { asyncApi } from '@who-is-online/protocol/asyncapi'
import { type ErrorRequestHandler, type IRouter, type RequestHandler, Router } from 'express'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { stackOf } from '../stack-of.ts'
import { type Health, readiness } from './health.ts'
import { readOnly } from './methods.ts'
import { problem } from './problem.ts'

/** Where the figures for Prometheus come from. */
export type Figures = Pick<Metrics, 'text'>

/** Options of {@link operations}. */
export interface OperationsOptions {
  readonly health: Health
  /** `undefined` if they are at a port of their own. */
  readonly metrics: Figures | undefined
  /** Answers requests that may not see the figures. Without it, everybody may. */
  readonly metricsGuard?: RequestHandler | undefined
  /** The version of the server package. */
  readonly version: string
}

const METRICS = '/metrics'

/** The paths of {@link operations}. */
export const OPERATIONS = ['/healthz', '/readyz', METRICS, '/asyncapi.json']

/** Serves the paths for operators and tools: health checks, metrics and the AsyncAPI document. */
export function operations({ health, metrics, metricsGuard, version }: OperationsOptions): Router {
  const router = Router({ strict: false, caseSensitive: false })
  const document = Buffer.from(JSON.stringify(asyncApi(version)))
  readOnly(router, '/healthz', (_request, response) => {
    response.json({ status: 'alive' })
  })
  readOnly(router, '/readyz', (_request, response) => {
    const { status, body } = readiness(health)
    response.status(status).json(body)
  })
  if (metrics) serveMetrics(router, metrics, metricsGuard)
  readOnly(router, '/asyncapi.json', (_request, response) => {
    response.type('json').send(document)
  })
  return router
}

/**
 * Serves the figures for Prometheus.
 *
 * @param guard answers requests that may not see them; without it, everybody may
 */
export function serveMetrics(router: IRouter, metrics: Figures, guard?: RequestHandler): void {
  if (guard) router.get(METRICS, guard)
  readOnly(router, METRICS, async (_request, response) => {
    response
      .set('Cache-Control', 'no-store')
      .type('text/plain; version=0.0.4')
      .send(await metrics.text())
  })
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
