import type { IRouter, RequestHandler } from 'express'
import { problem } from './problem.ts'

/** The methods of all paths: everything served over HTTP is read-only. */
const ALLOW = 'GET, HEAD, OPTIONS'

/**
 * Serves GET and HEAD of a path with `read`. Answers OPTIONS with 204 and other methods with 405, both with
 * `Allow` (RFC 9110, section 15.5.6). There are no CORS headers: pages of other hosts must not read anything
 * here.
 */
export function readOnly(router: IRouter, path: string, read: RequestHandler): void {
  router
    .route(path)
    .get(read)
    .options((_request, response) => {
      response.set('Allow', ALLOW).status(204).end()
    })
    .all((request, response) => {
      response.set('Allow', ALLOW)
      problem(response, 405, `this path allows ${ALLOW}, not ${request.method}`)
    })
}

/** Answers `OPTIONS *`, which is about the server as a whole (RFC 9110, section 9.3.7). */
export const serverOptions: RequestHandler = (request, response, next) => {
  if (request.method === 'OPTIONS' && request.url === '*') response.set('Allow', ALLOW).status(204).end()
  else next()
}
