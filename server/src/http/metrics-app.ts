import type { RequestListener } from 'node:http'
import express from 'express'
import type { Log } from '../log.ts'
import { normalTarget } from '../request-target.ts'
import { type Figures, failure, serveMetrics } from './operations.ts'
import { problem } from './problem.ts'

/** Creates the handler of `METRICS_PORT`: it has the figures, for all who can reach that port, and nothing else. */
export function createMetricsApp(metrics: Figures, log: Pick<Log, 'error'>): RequestListener {
  const app = express()
  app.disable('etag')
  app.disable('x-powered-by')
  serveMetrics(app, metrics)
  app.use((_request, response) => problem(response, 404, 'unknown path: this port has /metrics only'))
  app.use(failure(log))
  return (request, response) => {
    request.url = normalTarget(request.url ?? '')
    app(request, response)
  }
}
