/** How long a server of keys or identities may take in total, in ms. */
export const FETCH_MS = 5_000

/** The longest answer. The keys of a large provider are 10 KB. */
const MAX_BYTES = 256 * 1024

/**
 * Gets JSON from a URL of the settings. Redirects are not followed: they could lead to an address that the operator
 * did not choose.
 *
 * @throws Error whose message says what went wrong, without the content of the answer
 */
export async function fetchJson(url: string, timeoutMs: number): Promise<unknown> {
  const response = await request(url, { headers: { Accept: 'application/json' } }, timeoutMs)
  if (response.status !== 200) throw new Error(`status ${response.status} instead of 200`)
  return response.json()
}

/** The answer of another server. */
interface Answer {
  readonly status: number
  /** Parses the body. @throws Error if it is not JSON in UTF-8 */
  json(): unknown
}

/**
 * Sends a request, and reads the whole answer within a time and a size.
 *
 * @throws Error whose message says what went wrong
 */
export async function request(
  url: string,
  init: { readonly method?: 'POST'; readonly headers: Readonly<Record<string, string>> },
  timeoutMs: number,
): Promise<Answer> {
  const signal = AbortSignal.timeout(timeoutMs)
  try {
    const response = await fetch(url, { ...init, redirect: 'manual', signal })
    const body = await limited(response)
    return { status: response.status, json: () => parse(body) }
  } catch (error) {
    if (signal.aborted) throw new Error(`no answer within ${timeoutMs} ms`)
    throw new Error(reasonOf(error as Error))
  }
}

async function limited(response: Response): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let bytes = 0
  // Leaving the loop early cancels the body.
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length
    if (bytes > MAX_BYTES) throw new Error('the answer is longer than 256 KiB')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

/** Other decoders replace invalid bytes by U+FFFD, so two user ids could become the same. */
const utf8 = new TextDecoder('utf-8', { fatal: true })

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(utf8.decode(body))
  } catch {
    throw new Error('the answer is not JSON in UTF-8')
  }
}

/** `fetch` says only "fetch failed", and why in the cause. */
function reasonOf(error: Error): string {
  const cause = error.cause as (Error & { readonly code?: string }) | undefined
  return cause?.code ?? cause?.message ?? error.message
}
