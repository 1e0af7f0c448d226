import type { Failure } from './identity.ts'

/** A token that is read, but not verified. Nothing in it may be believed. */
export interface ReadToken {
  readonly text: string
  readonly alg: string
  readonly kid: string | undefined
  /** The part that is signed: header and claims. */
  readonly signed: string
  readonly signature: string
  readonly claims: Readonly<Record<string, unknown>>
}

/** The longest token, in characters. It must fit into the 16 KiB of a request's headers, beside a cookie. */
export const MAX_TOKEN_CHARS = 8 * 1024 - 1

/** Three parts in base64url, none of them empty: a token without a signature is not one. */
const COMPACT = /^([\w-]+)\.([\w-]+)\.([\w-]+)$/

/** Reads a JWT in its compact form (RFC 7515, section 3.1). A wrong one yields the broken rule. */
export function readToken(text: string): ReadToken | Failure {
  if (text.length > MAX_TOKEN_CHARS) return { rule: 'size', text: 'the token is 8 KiB or longer' }
  const [, head, payload, signature] = COMPACT.exec(text) ?? []
  if (head === undefined || payload === undefined || signature === undefined) {
    // A token with `alg: none` ends with a dot.
    return { rule: 'format', text: 'this is not a signed JWT: three parts in base64url, separated by dots' }
  }
  const [header, claims] = [objectOf(head), objectOf(payload)]
  if (!header || !claims)
    return { rule: 'format', text: 'header and claims of the token must be JSON objects' }
  const { alg, kid, crit } = header
  if (typeof alg !== 'string') return { rule: 'algorithm', text: 'the header of the token has no "alg"' }
  // A token with extensions that the verifier does not know must be refused (RFC 7515, section 4.1.11).
  if (crit !== undefined)
    return { rule: 'format', text: '"crit" in the header of the token is not supported' }
  if (kid !== undefined && typeof kid !== 'string') {
    return { rule: 'format', text: '"kid" in the header of the token must be a string' }
  }
  return { text, alg, kid, signed: `${head}.${payload}`, signature, claims }
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

function objectOf(part: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(utf8.decode(Buffer.from(part, 'base64url')))
    const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
    return isObject ? (value as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}
