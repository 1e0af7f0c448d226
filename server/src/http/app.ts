import { asyncApi } from '@who-is-online/protocol/asyncapi'
import express, { type ErrorRequestHandler, type Express } from 'express'
import type { Log } from '../log.ts'
import type { Metrics } from '../metrics.ts'
import { type Health, readiness } from './health.ts'
import { type LivePage, type PageTokens, servePage } from './live-page.ts'
import { readOnly, serverOptions } from './methods.ts'
import { normalPath } from './normal-path.ts'
import { servePlainPage } from './page.ts'
import { policy } from './policy.ts'
import { problem } from './problem.ts'

/** Options of {@link createApp}. */
export interface AppOptions {
  readonly health: Health
  readonly metrics: Metrics
  readonly log: Log
  /** The version of the server package. */
  readonly version: string
  /** `undefined` if the live page is off, and `'not built'` if it is on, but can't be read. */
  readonly livePage: LivePage | 'not built' | undefined
  /** Makes the tokens with which live pages connect; `undefined` if they need none. */
  readonly livePageTokens: PageTokens | undefined
  /** The key that the live page requires; `undefined` if it requires none. */
  readonly apiKey: string | undefined
  /** Whether user ids are believed, so that clients need no token. */
  readonly isOpen: boolean
}

/** Creates the handler for plain HTTP: the live page, health checks, metrics and the AsyncAPI document. */
export function createApp(options: AppOptions): Express {
  const { health, metrics, log, version, livePage, livePageTokens, apiKey, isOpen } = options
  const app = express()
  const document = Buffer.from(JSON.stringify(asyncApi(version)))
  const endpoint = isOpen ? '/ws?userId=ID' : '/ws with a token'
  app.disable('etag')
  app.enable('strict routing')
  app.enable('case sensitive routing')
  app.use(policy())
  app.use(serverOptions)
  app.use(normalPath)

  if (livePage === 'not built') app.use(servePlainPage(isOpen, apiKey))
  else if (livePage) app.use(servePage(livePage, livePageTokens, apiKey))
  readOnly(app, '/healthz', (_request, response) => {
    response.json({ status: 'alive' })
  })
  readOnly(app, '/readyz', (_request, response) => {
    const { status, body } = readiness(health)
    response.status(status).json(body)
  })
  readOnly(app, '/metrics', async (_request, response) => {
    response.type('text/plain; version=0.0.4').send(await metrics.text())
  })
  readOnly(app, '/asyncapi.json', (_request, response) => {
    response.type('json').send(document)
  })
  readOnly(app, '/ws', (_request, response) => {
    response.set('Upgrade', 'websocket')
    problem(response, 426, `this endpoint accepts WebSocket connections only: connect to ${endpoint}`)
  })
  app.use((_request, response) => {
    problem(response, 404, `unknown path: WebSocket clients connect to ${endpoint}`)
  })
  app.use(((error: Error & { status?: number }, request, response, _next) => {
    if (error.status !== undefined && error.status < 500 && !response.headersSent)
      return problem(response, error.status, error.message)
    log.error('an HTTP request failed', { path: request.path, error: error.stack ?? error.message })
    if (response.headersSent) return response.destroy()
    problem(response, 500, 'internal error: see the log of the server')
  }) satisfies ErrorRequestHandler)
  return app
}
