/**
 * The headers that say which server, which user and which page a request is about. None of them is a list (RFC 9110,
 * section 5.3). Node keeps the first one in `headers`, or joins them, but a proxy may have checked another one. Two
 * `Content-Length` are refused by Node itself. The headers of cookies, subprotocols and addresses are lists.
 */
const SINGLE = ['Host', 'Authorization', 'Origin'] as const

/**
 * Says what is wrong with a request that has one of these headers several times, even with equal values; `undefined` if
 * nothing is.
 *
 * @param rawHeaders names and values in turn, as Node has them
 */
export function repeatedHeader(rawHeaders: readonly string[]): string | undefined {
  for (const single of SINGLE) {
    if (timesOf(single, rawHeaders) > 1) return `the request has several ${single} headers: send one`
  }
  return undefined
}

function timesOf(header: string, rawHeaders: readonly string[]): number {
  const wanted = header.toLowerCase()
  let times = 0
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at] as string
    if (name.length === wanted.length && name.toLowerCase() === wanted) times++
  }
  return times
}
