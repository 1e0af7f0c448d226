import { createHmac, timingSafeEqual } from 'node:crypto'
import type { ChangePage } from './change-page.ts'

/** Thrown for a webhook that must not be believed; `message` says why. Answer it with status 400. */
export class WebhookVerificationError extends Error {
  override readonly name = 'WebhookVerificationError'
}

/** The headers of a request: those of `fetch`, or those of Node.js. */
export type WebhookHeaders =
  | Pick<Headers, 'get'>
  | Readonly<Record<string, string | readonly string[] | undefined>>

export interface VerifyWebhookOptions {
  /** How old a webhook may be, and how far ahead its clock may be, in seconds. Default: 300. */
  readonly toleranceSeconds?: number | undefined
}

const TOLERANCE_SECONDS = 300

/**
 * Checks that a webhook comes from your server, as Standard Webhooks defines it, and reads it.
 *
 * A webhook may come more than once, always with the same header `webhook-id`.
 *
 * @param body the body as it was received: parsing it and making JSON again changes it
 * @param secrets `WEBHOOK_SECRET` of the server: one secret, or several while it is replaced. A secret is base64, with
 * `whsec_` before it or without
 * @throws WebhookVerificationError if it must not be believed
 * @throws TypeError if there is no secret, or a wrong one
 */
export function verifyWebhook(
  body: string | Uint8Array,
  headers: WebhookHeaders,
  secrets: string | readonly string[],
  { toleranceSeconds = TOLERANCE_SECONDS }: VerifyWebhookOptions = {},
): ChangePage {
  const keys = [secrets].flat().map(keyOf)
  if (keys.length === 0) throw new TypeError('no secret: give WEBHOOK_SECRET of the server')
  if (typeof body !== 'string' && !(body instanceof Uint8Array)) {
    throw new TypeError('the body must be the text or the bytes that were received, and not be parsed')
  }
  const id = headerOf(headers, 'webhook-id')
  const timestamp = headerOf(headers, 'webhook-timestamp')
  const signatures = headerOf(headers, 'webhook-signature')

  const seconds = /^\d{1,12}$/.test(timestamp) ? Number(timestamp) : Number.NaN
  const differs = Math.abs(Date.now() / 1_000 - seconds)
  // Written so that NaN on either side is refused.
  if (!(differs <= toleranceSeconds)) {
    throw new WebhookVerificationError(
      Number.isNaN(seconds)
        ? '"webhook-timestamp" must be a number of seconds'
        : `"webhook-timestamp" differs by ${Math.round(differs)} s from the time here: it is a repeat, or a clock is wrong`,
    )
  }

  const expected = keys.map(key =>
    createHmac('sha256', key).update(`${id}.${timestamp}.`).update(body).digest(),
  )
  const given = signatures
    .split(' ')
    .filter(signature => signature.startsWith('v1,'))
    .map(signature => Buffer.from(signature.slice('v1,'.length), 'base64'))
  const isSigned = given.some(signature =>
    expected.some(digest => signature.length === digest.length && timingSafeEqual(signature, digest)),
  )
  if (!isSigned) {
    throw new WebhookVerificationError(
      'no signature fits: compare the secret with WEBHOOK_SECRET, and give the body as it was received',
    )
  }
  try {
    return JSON.parse(typeof body === 'string' ? body : Buffer.from(body).toString())
  } catch {
    throw new WebhookVerificationError('the body is signed, but it is not JSON')
  }
}

function headerOf(headers: WebhookHeaders, name: string): string {
  const value = isHeaders(headers)
    ? headers.get(name)
    : Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1]
  if (typeof value === 'string' && value !== '') return value
  throw new WebhookVerificationError(`the header "${name}" is missing, or occurs twice`)
}

function isHeaders(headers: WebhookHeaders): headers is Pick<Headers, 'get'> {
  return typeof headers['get'] === 'function'
}

/** The key of a secret. An empty key would let everybody sign. */
function keyOf(secret: string): Buffer {
  const text = typeof secret === 'string' ? secret.replace(/^whsec_/, '') : ''
  if (!/^[\w+/-]+={0,2}$/.test(text)) {
    throw new TypeError('a webhook secret must be base64, with or without "whsec_" before it')
  }
  return Buffer.from(text, 'base64')
}
