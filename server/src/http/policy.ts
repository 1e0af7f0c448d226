import type { RequestHandler } from 'express'
import helmet from 'helmet'
import { styleHash } from './page.ts'

/**
 * The security headers of all pages: they may load files of this server and nothing else. `ws:` and `wss:`
 * are allowed because some browsers do not count a WebSocket to the same host as `'self'`, and so that the
 * examples of the docs work in the console of a page.
 */
export function policy(): RequestHandler {
  return helmet({
    // The server does not know whether a proxy terminates TLS.
    strictTransportSecurity: false,
    contentSecurityPolicy: {
      useDefaults: false,
      directives: {
        defaultSrc: ["'none'"],
        scriptSrc: ["'self'"],
        styleSrc: ["'self'", styleHash],
        imgSrc: ["'self'", 'data:'],
        connectSrc: ["'self'", 'ws:', 'wss:'],
        baseUri: ["'none'"],
        formAction: ["'self'"],
        frameAncestors: ["'self'"],
      },
    },
  })
}
