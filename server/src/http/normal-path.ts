import type { RequestHandler } from 'express'

/** Proxies send the URL with scheme and host, and servers must accept that (RFC 9112, section 3.2.2). */
const SCHEME_AND_HOST = /^https?:\/\/[^/?]*/i

/**
 * Brings the path of a request into the one form that the routes have: without scheme and host, in lower case, and
 * without a slash at the end. The names of assets are left as they are. Nothing else is decoded or resolved: a path
 * with `//`, `.` or `%2f` matches no route.
 */
export const normalPath: RequestHandler = (request, _response, next) => {
  const url = request.url.replace(SCHEME_AND_HOST, '')
  const end = url.search(/\?|$/)
  const path = url.slice(0, end)
  request.url = (path.startsWith('/assets/') ? path : normalised(path)) + url.slice(end)
  next()
}

function normalised(path: string): string {
  if (path === '') return '/'
  return path.replace(/([^/])\/$/, '$1').toLowerCase()
}
