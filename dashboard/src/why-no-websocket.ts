/** The status of the server's own answer to a plain HTTP request for the address of the WebSocket. */
const UPGRADE_REQUIRED = 426

/** A proxy answers with these if it can't reach the server. */
const BAD_GATEWAY = [502, 503, 504]

/**
 * Finds out why no WebSocket can be opened: a browser does not say it, but the answer to a plain HTTP request for the
 * same address does. Returns a sentence, or `undefined` if there is no answer over HTTP either. Never rejects.
 *
 * @param url the address of the WebSocket, as `http:` or `https:`
 */
export async function whyNoWebSocket(url: string, request: typeof fetch): Promise<string | undefined> {
  const response = await request(url, { cache: 'no-store' }).catch(() => undefined)
  if (!response) return undefined
  const { status } = response
  const path = new URL(url).pathname
  if (status === UPGRADE_REQUIRED) {
    return `The server answers HTTP, but the WebSocket to ${path} was refused. A proxy must forward the headers Upgrade and Connection. Without a proxy, the log of the server has the reason.`
  }
  if (BAD_GATEWAY.includes(status)) return `The proxy cannot reach the server: it answers ${status}.`
  return `Something in front of the server answers ${status} for ${path}. It must forward ${path} to the server.`
}
