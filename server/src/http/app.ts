import type { RequestListener } from 'node:http'
import { openApi } from '@who-is-online/protocol/openapi'
import express, { type RequestHandler } from 'express'
import type { Log } from '../log.ts'
import { normalTarget } from '../request-target.ts'
import { type LivePage, type PageSources, servePage } from './live-page.ts'
import { readOnly, serverOptions } from './methods.ts'
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
  readonly api: RequestHandler
}

/** Creates the handler for plain HTTP: the live page, health checks, metrics, the HTTP API, and their descriptions. */
export function createApp(options: AppOptions): RequestListener {
  const { log, livePage, pageSources, isOpen, api } = options
  const app = express()
  const endpoint = isOpen ? '/ws?userId=ID' : '/ws with a token'
  app.disable('etag')
  app.disable('x-powered-by')
  app.enable('strict routing')
  app.enable('case sensitive routing')
  app.use(policy())
  app.use(serverOptions)

  if (livePage === 'not built') app.use(servePlainPage(isOpen, pageSources.apiKey))
  else if (livePage) app.use(servePage(livePage, pageSources))
  app.use(api)
  const document = Buffer.from(JSON.stringify(openApi(options.version)))
  readOnly(app, '/openapi.json', (_request, response) => {
    response.type('json').send(document)
  })
  app.use(operations(options))
  readOnly(app, '/ws', (_request, response) => {
    response.set('Upgrade', 'websocket')
    problem(response, 426, `this endpoint accepts WebSocket connections only: connect to ${endpoint}`)
  })
  app.use((_request, response) => {
    problem(response, 404, `unknown path: WebSocket clients connect to ${endpoint}`)
  })
  app.use(failure(log))
  return (request, response) => {
    // Before Express: to a target without a path it answers with a page of its own, without the headers above.
    request.url = normalTarget(request.url ?? '')
    app(request, response)
  }
}
