import { createHmac } from 'node:crypto'

/** What the secrets of Standard Webhooks begin with; the rest is base64. */
const PREFIX = 'whsec_'

/** How long a secret may be, in bytes (Standard Webhooks, "Signature scheme"). */
const MIN_BYTES = 24
const MAX_BYTES = 64

/** The bytes of a secret in the form of Standard Webhooks; `undefined` if it has another form or length. */
export function secretIn(text: string): Buffer | undefined {
  if (!text.startsWith(PREFIX)) return undefined
  const base64 = text.slice(PREFIX.length)
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(base64)) return undefined
  const bytes = Buffer.from(base64, 'base64')
  // A character too many or too few would be ignored.
  if (bytes.toString('base64').replace(/=+$/, '') !== base64.replace(/=+$/, '')) return undefined
  return bytes.length >= MIN_BYTES && bytes.length <= MAX_BYTES ? bytes : undefined
}

/**
 * The headers with which a receiver verifies a body, in the form of Standard Webhooks 1.0.
 *
 * @param id identifies the message; it stays the same when the message is sent again. It has no dot.
 * @param at the time of this attempt, in ms since the epoch
 * @param secrets one or more; there is one signature for each
 */
export function signedHeaders(
  secrets: readonly Buffer[],
  id: string,
  at: number,
  body: Buffer,
): Readonly<Record<string, string>> {
  const timestamp = String(Math.floor(at / 1_000))
  const signatures = secrets.map(secret => {
    const hmac = createHmac('sha256', secret).update(`${id}.${timestamp}.`).update(body)
    return `v1,${hmac.digest('base64')}`
  })
  return {
    'webhook-id': id,
    'webhook-timestamp': timestamp,
    'webhook-signature': signatures.join(' '),
  }
}
