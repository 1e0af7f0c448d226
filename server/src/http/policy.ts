import type { RequestHandler } from 'express'
import helmet from 'helmet'
import { styleHash } from './page.ts'

/**
 * What our pages may do: run our own files, and nothing else. `ws:` and `wss:` are there because not every browser counts a
 * WebSocket to the same host as `'self'`, and so that the lines in our documents work in a page's console.
 */
export function policy(): RequestHandler {
  return helmet({
    // Whether there is TLS before us is not ours to know.
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
