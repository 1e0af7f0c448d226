import express, { type Express } from 'express'
import type { Log } from '../log.ts'
import { type LivePage, type PageSources, servePage } from './live-page.ts'
import { readOnly, serverOptions } from './methods.ts'
import { normalPath } from './normal-path.ts'
import { failure, type OperationsOptions, operations } from './operations.ts'
import { servePlainPage } from './page.ts'
import { policy } from './policy.ts'
import { problem } from './problem.ts'

/** Options of {@link createApp}. */
export interface AppOptions extends OperationsOptions {
  readonly log: Log
  /** `undefined` if the live page is off, and `'not built'` if it is on, but can't be read. */
  readonly livePage: LivePage | 'not built' | undefined
  readonly pageSources: PageSources
  /** Whether user ids are believed, so that clients need no token. */
  readonly isOpen: boolean
}

/** Creates the handler for plain HTTP: the live page, health checks, metrics and the AsyncAPI document. */
export function createApp(options: AppOptions): Express {
  const { log, livePage, pageSources, isOpen } = options
  const app = express()
  const endpoint = isOpen ? '/ws?userId=ID' : '/ws with a token'
  app.disable('etag')
  app.enable('strict routing')
  app.enable('case sensitive routing')
  app.use(policy())
  app.use(serverOptions)
  app.use(normalPath)

  if (livePage === 'not built') app.use(servePlainPage(isOpen, pageSources.apiKey))
  else if (livePage) app.use(servePage(livePage, pageSources))
  app.use(operations(options))
  readOnly(app, '/ws', (_request, response) => {
    response.set('Upgrade', 'websocket')
    problem(response, 426, `this endpoint accepts WebSocket connections only: connect to ${endpoint}`)
  })
  app.use((_request, response) => {
    problem(response, 404, `unknown path: WebSocket clients connect to ${endpoint}`)
  })
  app.use(failure(log))
  return app
}
