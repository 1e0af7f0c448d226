/** The start of a request target in absolute form. */
const SCHEME_AND_HOST = /^https?:\/\/[^/?]+/i

/** What a target without a path becomes. A path with an empty segment is unknown to all routes. */
const UNKNOWN = '//'

/** The paths that are left as they are: the names of assets and user ids have upper case letters. */
const AS_SENT = /^\/(assets|api)\//i

/** Removes scheme and host. Proxies send them, and servers must accept that (RFC 9112, section 3.2.2). */
function withoutHost(target: string): string {
  if (target.startsWith('/') || target === '*') return target
  const [start] = SCHEME_AND_HOST.exec(target) ?? []
  return start === undefined || !URL.canParse(start) ? UNKNOWN : target.slice(start.length)
}

/**
 * Brings a request target into the one form that paths are compared in: without scheme and host, in lower case, and
 * without a slash at the end. The query, the names of assets and the paths of the API are left as they are. Nothing
 * else is decoded or resolved: a path with `//`, `.` or `%2f` matches no route. A target that is neither a path nor an
 * http(s) URL with a host becomes a path that matches no route.
 */
export function normalTarget(target: string): string {
  const url = withoutHost(target)
  const end = url.search(/\?|$/)
  const path = url.slice(0, end)
  return (AS_SENT.test(path) ? path : normalised(path)) + url.slice(end)
}

/** The path of a request target without scheme and host, otherwise as it was sent. */
export function pathOf(target: string): string {
  return withoutHost(target).split('?', 1)[0] as string
}

function normalised(path: string): string {
  if (path === '') return '/'
  return path.replace(/([^/])\/$/, '$1').toLowerCase()
}
